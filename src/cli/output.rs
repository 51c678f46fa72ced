//! Standard output: buffered, safe to read, and quiet when its reader goes away.

use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write, stdout};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use color_eyre::eyre::{Result, WrapErr};

use crate::text::SafeWriter;

/// What is printed goes here.
type Output<W> = SafeWriter<BufWriter<W>>;

/// How a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// For a person.
    Text,
    /// One object for programs.
    Json,
    /// For spreadsheets, what is a table.
    Csv,
}

impl Format {
    /// Reads what every command has.
    pub fn text_or_json() -> impl TypedValueParser<Value = Self> {
        Self::parser([("text", Self::Text, "For a person"), ("json", Self::Json, "One object for programs")])
    }

    /// Reads what a command has that prints tables.
    pub fn table_json_or_csv() -> impl TypedValueParser<Value = Self> {
        Self::parser([
            ("table", Self::Text, "Text for a person"),
            ("json", Self::Json, "One object for programs, porttop.snapshot/1"),
            ("csv", Self::Csv, "RFC 4180 for spreadsheets"),
        ])
    }

    fn parser<const N: usize>(
        words: [(&'static str, Self, &'static str); N],
    ) -> impl TypedValueParser<Value = Self> {
        let possible = words.map(|(word, _, help)| PossibleValue::new(word).help(help));
        let format = move |given: String| words.into_iter().find(|(word, ..)| *word == given);
        PossibleValuesParser::new(possible)
            .map(move |given| format(given).map_or(Self::Text, |(_, format, _)| format))
    }
}

/// Prints to standard output through a buffer. A reader that has gone away (`porttop snapshot | head`)
/// has what it wanted: that is no error.
pub(super) fn print(write: impl FnOnce(&mut Output<StdoutLock<'static>>) -> io::Result<()>) -> Result<()> {
    deliver(stdout().lock(), write).wrap_err("standard output can't be written")
}

/// Prints for a person, or one object for programs.
pub(super) fn print_as(
    format: Format,
    text: impl FnOnce(&mut Output<StdoutLock<'static>>) -> io::Result<()>,
    json: impl FnOnce(&mut Output<StdoutLock<'static>>) -> io::Result<()>,
) -> Result<()> {
    if format == Format::Json { print(json) } else { print(text) }
}

fn deliver<W: Write>(to: W, write: impl FnOnce(&mut Output<W>) -> io::Result<()>) -> io::Result<()> {
    let mut out = SafeWriter::replacing(BufWriter::with_capacity(64 * 1024, to));
    let result = write(&mut out).and_then(|()| out.flush());
    // What the buffer still holds after a failure must not be written once more when it is dropped.
    drop(out.into_inner().into_parts());
    result.or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fails(ErrorKind);

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_away_is_no_error_and_a_full_disk_is() {
        for length in [10, 100_000] {
            let text = "x".repeat(length);
            let print = |kind| deliver(Fails(kind), |out| out.write_all(text.as_bytes()));
            assert!(print(ErrorKind::BrokenPipe).is_ok());
            assert_eq!(print(ErrorKind::StorageFull).unwrap_err().kind(), ErrorKind::StorageFull);
        }
    }

    #[test]
    fn what_is_written_arrives_and_is_safe() {
        let mut text = Vec::new();
        deliver(&mut text, |out| writeln!(out, "{}\u{1b}[2J", 42)).unwrap();
        assert_eq!(text, "42\u{fffd}[2J\n".as_bytes());
    }
}
