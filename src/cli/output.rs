//! Standard output: buffered, safe to read, and quiet when its reader goes away.

use std::io::{self, BufWriter, ErrorKind, Write, stdout};
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use color_eyre::eyre::{Result, WrapErr};

use crate::platform::whole_file::{WholeFile, directory};
use crate::text::SafeWriter;

/// What is printed goes here.
type Output = SafeWriter<BufWriter<Box<dyn Write>>>;

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

/// Where a command prints.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Target {
    /// Write to this file instead, in UTF-8: whole, or it stays as it was
    #[arg(long, value_name = "FILE", value_parser = file, global = true)]
    output: Option<PathBuf>,
}

/// A file that may be written to as far as its name tells: whoever watches for an hour first wants to know it
/// before.
fn file(given: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(given);
    let into = directory(&path);
    if path.is_dir() {
        Err("it is a directory".into())
    } else if !into.is_dir() {
        Err(format!("there is no directory '{}'", into.display()))
    } else if path.file_name().is_none() {
        Err("it has no name".into())
    } else {
        Ok(path)
    }
}

impl Target {
    /// Whether it is a file.
    pub const fn is_file(&self) -> bool {
        self.output.is_some()
    }

    /// Prints there.
    pub fn print(&self, write: impl FnOnce(&mut Output) -> io::Result<()>) -> Result<()> {
        let Some(path) = &self.output else { return print(write) };
        write_file(path, write).wrap_err_with(|| format!("{} can't be written", path.display()))
    }

    /// Prints for a person, or one object for programs.
    pub fn print_as(
        &self,
        format: Format,
        text: impl FnOnce(&mut Output) -> io::Result<()>,
        json: impl FnOnce(&mut Output) -> io::Result<()>,
    ) -> Result<()> {
        if format == Format::Json { self.print(json) } else { self.print(text) }
    }
}

/// Prints to standard output through a buffer. A reader that has gone away (`porttop snapshot | head`)
/// has what it wanted: that is no error.
pub(super) fn print(write: impl FnOnce(&mut Output) -> io::Result<()>) -> Result<()> {
    let printed = deliver(Box::new(stdout().lock()), write);
    let printed =
        printed.or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) });
    printed.wrap_err("standard output can't be written")
}

/// Prints for a person, or one object for programs.
pub(super) fn print_as(
    format: Format,
    text: impl FnOnce(&mut Output) -> io::Result<()>,
    json: impl FnOnce(&mut Output) -> io::Result<()>,
) -> Result<()> {
    Target::default().print_as(format, text, json)
}

/// Writes a file, whole or not at all.
fn write_file(path: &Path, write: impl FnOnce(&mut Output) -> io::Result<()>) -> io::Result<()> {
    let file = WholeFile::create(path)?;
    deliver(Box::new(file.writer()?), write)?;
    file.finish()
}

fn deliver(to: Box<dyn Write>, write: impl FnOnce(&mut Output) -> io::Result<()>) -> io::Result<()> {
    let mut out = SafeWriter::replacing(BufWriter::with_capacity(64 * 1024, to));
    let result = write(&mut out).and_then(|()| out.flush());
    // What the buffer still holds after a failure must not be written once more when it is dropped.
    drop(out.into_inner().into_parts());
    result
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
    fn what_fails_is_told_once_whatever_the_buffer_still_holds() {
        for length in [10, 100_000] {
            let text = "x".repeat(length);
            for kind in [ErrorKind::BrokenPipe, ErrorKind::StorageFull] {
                let failed = deliver(Box::new(Fails(kind)), |out| out.write_all(text.as_bytes()));
                assert_eq!(failed.unwrap_err().kind(), kind);
            }
        }
    }

    #[test]
    fn what_is_written_arrives_in_the_file_and_is_safe() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        write_file(&path, |out| writeln!(out, "{}\u{1b}[2J", 42)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), "42\u{fffd}[2J\n".as_bytes());
        write_file(&path, |out| out.write_all(b"half").and(Err(ErrorKind::StorageFull.into()))).unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), "42\u{fffd}[2J\n".as_bytes());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_refused_before_anything_is_watched() {
        assert_eq!(file(".").unwrap_err(), "it is a directory");
        assert_eq!(file("").unwrap_err(), "it has no name");
        assert_eq!(file("no/such/file").unwrap_err(), "there is no directory 'no/such'");
        assert_eq!(file("file").unwrap(), PathBuf::from("file"));
    }
}
