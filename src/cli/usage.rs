//! What is said of a command line that can't be run.

use clap::error::{ContextKind, ContextValue};

use crate::text::{keep_start, safe};

/// The most columns in which a message repeats what was given.
const LONGEST: usize = 80;

/// A command line that can't be run as it is: one line that says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", safe(.0))]
pub struct UsageError(pub String);

impl From<&clap::Error> for UsageError {
    /// Keeps clap's message and its suggestions, joined into one line, and leaves out usage and the
    /// pointer to `--help`.
    fn from(error: &clap::Error) -> Self {
        let mut text = error.render().to_string();
        for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
            if let Some(ContextValue::String(given)) = error.get(kind) {
                text = text.replace(given, &keep_start(given, LONGEST));
            }
        }
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let paragraphs = text
            .split("\n\n")
            .take_while(|paragraph| {
                !["Usage:", "For more information"].iter().any(|end| paragraph.starts_with(end))
            })
            .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
        Self(paragraphs.collect::<Vec<_>>().join("; "))
    }
}
