//! The clipboard of whoever sits before this machine. A person behind SSH has another one, which only the
//! terminal reaches.

/// Puts a text into the clipboard.
///
/// # Errors
/// When there is none for whoever sees the screen, or it has something else.
pub fn copy(text: &str) -> Result<(), NotCopied> {
    #[cfg(windows)]
    {
        if is_remote(|name| std::env::var_os(name).is_some()) {
            return Err(NotCopied::Elsewhere);
        }
        let text = windows_lines(text);
        let there = super::windows::copy(&text).map_err(|error| NotCopied::Refused(error.to_string()))?;
        (there == text).then_some(()).ok_or(NotCopied::Overwritten)
    }
    #[cfg(not(windows))]
    {
        let _ = text;
        Err(NotCopied::Elsewhere)
    }
}

/// Why a text is not in the clipboard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCopied {
    /// Whoever sees the screen does not sit here.
    #[error("there is no clipboard here")]
    Elsewhere,
    /// The system did not take it.
    #[error("the clipboard refuses: {0}")]
    Refused(String),
    /// Something else is in it.
    #[error("another program has written to the clipboard meanwhile")]
    Overwritten,
}

/// A text with the ends of lines that every program of Windows understands.
#[cfg(any(windows, test))]
fn windows_lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// Whether a session of SSH is told by its variables, which `sshd` sets on every system.
#[cfg(any(windows, test))]
fn is_remote(is_set: impl Fn(&str) -> bool) -> bool {
    ["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"].into_iter().any(is_set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_windows_ends_them() {
        assert_eq!(windows_lines("a\nb\r\n"), "a\r\nb\r\n");
    }

    #[test]
    fn a_session_of_ssh_is_told() {
        assert!(is_remote(|name| name == "SSH_CONNECTION"));
        assert!(is_remote(|name| name == "SSH_CLIENT"));
        assert!(!is_remote(|name| name == "WT_SESSION"));
    }
}
