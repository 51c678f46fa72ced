//! Reads the files of `/proc` and `/sys`, which the kernel writes while they are read.
//!
//! Some answer the first read only, with as much of the value as fits (`ip_local_reserved_ports`), others
//! give a part of their lines with each. So the first read is a large one, and a file that has filled the
//! buffer is opened and read again from its start, into a larger one.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::buffer::spare_capacity;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

/// More than most of them are; the longest list of reserved ports has some 190 KB.
const FIRST: usize = 64 * 1024;
/// More than any of them is.
const MOST: usize = 16 * 1024 * 1024;

/// Reads a file whole.
pub(super) fn bytes(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut buffer = Vec::with_capacity(FIRST);
    below(CWD, path.as_ref(), &mut buffer)?;
    Ok(buffer)
}

/// Reads a file whole that is text.
pub(super) fn text(path: impl AsRef<Path>) -> io::Result<String> {
    text_below(CWD, path.as_ref())
}

/// The same of a file below a directory.
pub(super) fn text_below(directory: impl AsFd, path: impl rustix::path::Arg + Copy) -> io::Result<String> {
    let mut buffer = Vec::with_capacity(FIRST);
    below(directory, path, &mut buffer)?;
    String::from_utf8(buffer).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text"))
}

/// Reads a file below a directory whole, in place of what is in the buffer.
pub(super) fn below(
    directory: impl AsFd,
    path: impl rustix::path::Arg + Copy,
    buffer: &mut Vec<u8>,
) -> io::Result<()> {
    buffer.reserve(1);
    while !fits(&openat(&directory, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?, buffer)? {
        if buffer.capacity() >= MOST {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it does not end"));
        }
        buffer.reserve(buffer.capacity() * 3);
    }
    Ok(())
}

/// Reads from a file just opened until its end; false when the buffer was full before.
fn fits(file: &OwnedFd, buffer: &mut Vec<u8>) -> rustix::io::Result<bool> {
    buffer.clear();
    while buffer.len() < buffer.capacity() {
        match rustix::io::read(file, spare_capacity(buffer)) {
            Ok(0) => return Ok(true),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fills_the_buffer_is_read_again_from_its_start() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        for length in [0, 1, FIRST - 1, FIRST, FIRST + 1, 9 * FIRST] {
            let value: Vec<u8> = (0u8..251).cycle().take(length).collect();
            std::fs::write(&path, &value).unwrap();
            assert_eq!(bytes(&path).unwrap(), value, "{length}");
            let mut small = Vec::new();
            below(CWD, &path, &mut small).unwrap();
            assert_eq!(small, value, "{length} into a small buffer");
        }
    }

    #[test]
    fn what_does_not_end_is_given_up() {
        assert_eq!(bytes("/dev/zero").unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
