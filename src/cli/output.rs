//! Standard output: buffered, and quiet when its reader goes away.

use std::io::{self, BufWriter, ErrorKind, Write, stdout};

use color_eyre::eyre::{Result, WrapErr};

/// How the commands about actions print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For a person
    Text,
    /// One object for programs
    Json,
}

/// Prints to standard output through a buffer. A reader that has gone away (`porttop snapshot | head`)
/// has what it wanted: that is no error.
pub(super) fn print(
    write: impl FnOnce(&mut BufWriter<io::StdoutLock<'static>>) -> io::Result<()>,
) -> Result<()> {
    deliver(stdout().lock(), write).wrap_err("standard output can't be written")
}

fn deliver<W: Write>(to: W, write: impl FnOnce(&mut BufWriter<W>) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(64 * 1024, to);
    let result = write(&mut out).and_then(|()| out.flush());
    // What the buffer still holds after a failure must not be written once more when it is dropped.
    drop(out.into_parts());
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
    fn what_is_written_arrives() {
        let mut text = Vec::new();
        deliver(&mut text, |out| write!(out, "{}", 42)).unwrap();
        assert_eq!(text, b"42");
    }
}
