//! Whether a person really wants it: `--yes`, or an answer on the terminal with No as the default.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use color_eyre::eyre::Result;

use super::UsageError;

/// Whether it is wanted. The question is asked on standard error, so that it reaches the person when
/// the output goes into a file.
pub(super) fn given(yes: bool, question: &str) -> Result<bool> {
    if yes {
        return Ok(true);
    }
    if !(stdin().is_terminal() && stderr().is_terminal()) {
        let message = "nothing was changed: without a terminal to ask on it needs --yes";
        return Err(UsageError(message.to_owned()).into());
    }
    write!(stderr(), "{question} [y/N] ")?;
    stderr().flush()?;
    Ok(reads_as_yes(stdin().lock()))
}

/// Anything but a clear yes is a no, the end of the input included.
fn reads_as_yes(mut input: impl BufRead) -> bool {
    let mut answer = String::new();
    let read = input.read_line(&mut answer).is_ok();
    read && ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::reads_as_yes;

    #[rstest]
    #[case("y\n", true)]
    #[case(" YES \n", true)]
    #[case("\n", false)]
    #[case("", false)]
    #[case("n\n", false)]
    #[case("yellow\n", false)]
    #[case("n\ny\n", false)]
    fn no_is_the_default(#[case] typed: &str, #[case] expected: bool) {
        assert_eq!(reads_as_yes(typed.as_bytes()), expected);
    }
}
