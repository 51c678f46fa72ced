//! What the terminal understands that porttop was started in, and how large it is.

/// Columns and rows of a terminal that doesn't say, such as a serial line.
const ASSUMED: (u16, u16) = (80, 24);

/// Whether it understands escape sequences. Consoles before Windows 10 and Server 2016 do not; there,
/// crossterm calls the console's functions instead, and bracketed paste, underline colour and RGB
/// colours are refused or ignored.
#[must_use]
pub fn speaks_vt() -> bool {
    #[cfg(windows)]
    return crossterm::ansi_support::supports_ansi();
    #[cfg(not(windows))]
    true
}

/// Whether pasted text can be told from keys (bracketed paste). On Windows crossterm reads keys from the
/// console and would take the marks for keys too.
#[must_use]
pub const fn marks_paste() -> bool {
    cfg!(unix)
}

/// Columns and rows of the terminal on standard output.
#[must_use]
pub fn size() -> (u16, u16) {
    // Unlike crossterm's, this looks at the terminal that is drawn on and starts no program.
    #[cfg(target_os = "linux")]
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).map(|size| (size.ws_col, size.ws_row));
    #[cfg(not(target_os = "linux"))]
    let size = crossterm::terminal::size();
    size.ok().filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or(ASSUMED)
}

/// Whether it shows more than ASCII, as far as its locale tells; Windows has none and does.
#[must_use]
pub fn shows_unicode() -> bool {
    cfg!(windows) || unicode(&terminal(), locale().as_deref())
}

/// Whether it shows colours: not a dumb one, nor where the locale is the plain one of POSIX.
#[must_use]
pub fn shows_colors() -> bool {
    cfg!(windows) || colors(&terminal(), locale().as_deref())
}

fn terminal() -> String {
    std::env::var("TERM").unwrap_or_default()
}

/// The locale of characters, if one is set.
fn locale() -> Option<String> {
    let set = |name| std::env::var(name).ok().filter(|locale| !locale.is_empty());
    ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set)
}

fn unicode(terminal: &str, locale: Option<&str>) -> bool {
    let is_utf8 = |locale: &str| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    };
    !is_dumb(terminal) && locale.is_some_and(is_utf8)
}

fn colors(terminal: &str, locale: Option<&str>) -> bool {
    !is_dumb(terminal) && !matches!(locale, Some("C" | "POSIX"))
}

fn is_dumb(terminal: &str) -> bool {
    matches!(terminal, "" | "dumb")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::modern("xterm-256color", Some("en_GB.UTF-8"), true, true)]
    #[case::c_with_unicode("linux", Some("C.utf8"), true, true)]
    #[case::plain("xterm", Some("C"), false, false)]
    #[case::posix("xterm", Some("POSIX"), false, false)]
    #[case::latin("xterm", Some("de_DE.ISO-8859-1"), false, true)]
    #[case::not_said("xterm", None, false, true)]
    #[case::dumb("dumb", Some("en_GB.UTF-8"), false, false)]
    #[case::unknown("", Some("en_GB.UTF-8"), false, false)]
    fn what_is_shown_follows_from_terminal_and_locale(
        #[case] terminal: &str,
        #[case] locale: Option<&str>,
        #[case] unicode_is_shown: bool,
        #[case] colors_are_shown: bool,
    ) {
        assert_eq!(unicode(terminal, locale), unicode_is_shown);
        assert_eq!(colors(terminal, locale), colors_are_shown);
    }
}
