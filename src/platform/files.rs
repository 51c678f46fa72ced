//! Files that only their user may write: the state directory, and settings of the system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

/// The most that a file of settings or of state may hold.
const MOST: u64 = 1024 * 1024;

/// Where this user keeps state of programs, with our name in it.
///
/// # Errors
/// When the user has no home.
pub fn state_directory() -> io::Result<PathBuf> {
    let strategy = etcetera::choose_base_strategy().map_err(io::Error::other)?;
    // Windows has no place of its own for state; %LOCALAPPDATA% is what stays on this machine.
    Ok(strategy.state_dir().unwrap_or_else(|| strategy.cache_dir()).join("porttop"))
}

/// Whether the home this user is said to have is another user's, as where a program is run as somebody
/// else and `HOME` is kept.
#[must_use]
pub fn home_is_anothers() -> bool {
    etcetera::home_dir().is_ok_and(|home| private::is_anothers(&home))
}

/// Makes a directory that only its user may write, or sees to it that it is one. A program that runs
/// as root writes nothing where somebody else could put a link.
///
/// # Errors
/// When it can't be made, or others may write it.
pub fn make_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    private::directory(&mut builder);
    builder.create(path)?;
    private::check(path)
}

/// Reads a file of settings, or what a link leads to: a regular file of 1 MB at most, whole. It never
/// waits for somebody else.
///
/// # Errors
/// When it can't be read, is no regular file, or is larger.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    private::at_once(&mut options);
    read_small(path, &mut options)
}

/// The same of a file in a private directory, where a link is nobody's wish.
///
/// # Errors
/// When it can't be read, is no regular file, or is larger.
pub fn read_private(path: &Path) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    private::file(&mut options);
    read_small(path, &mut options)
}

fn read_small(path: &Path, options: &mut OpenOptions) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more tells a file that is larger than it says.
    open_regular(path, options.read(true))?.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MB"));
    }
    Ok(bytes)
}

/// Opens what is a regular file: a pipe or a device could make whoever reads or writes it wait for ever.
fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let irregular = || io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file");
    let file = options.open(path).map_err(|e| if private::is_irregular(&e) { irregular() } else { e })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(irregular()) }
}

/// Appends a line to a file in a private directory; the line and its end are written at once.
///
/// # Errors
/// When it can't be written.
pub fn append_line(path: &Path, line: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    private::file(&mut options);
    let mut file = open_regular(path, &mut options)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_data()
}

/// Replaces the content of a file in a private directory, whole or not at all.
///
/// # Errors
/// When it can't be written; then it is as before.
pub fn replace(path: &Path, content: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(name);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    private::file(&mut options);
    let written = open_regular(&new, &mut options).and_then(|mut file| write_through(&mut file, content));
    let replaced = written.and_then(|()| fs::rename(&new, path));
    if replaced.is_err() {
        // The error of the write is the one to tell.
        let _ = fs::remove_file(&new);
    }
    replaced
}

fn write_through(file: &mut File, content: &str) -> io::Result<()> {
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

#[cfg(unix)]
mod private {
    use std::fs::{DirBuilder, OpenOptions, metadata};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
    use std::path::Path;

    #[cfg(target_os = "linux")]
    use rustix::fs::OFlags;

    pub fn directory(builder: &mut DirBuilder) {
        builder.mode(0o700);
    }

    /// Opening waits for nobody at the other end.
    pub fn at_once(options: &mut OpenOptions) {
        #[cfg(target_os = "linux")]
        options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
        #[cfg(not(target_os = "linux"))]
        let _ = options;
    }

    /// The same, and a link is not followed.
    pub fn file(options: &mut OpenOptions) {
        options.mode(0o600);
        #[cfg(target_os = "linux")]
        options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW).bits().cast_signed());
    }

    /// Whether a file was not opened because it is a link, a directory, a socket, or a pipe that nobody
    /// reads (open(2)).
    #[cfg(target_os = "linux")]
    pub fn is_irregular(error: &io::Error) -> bool {
        use rustix::io::Errno;
        matches!(Errno::from_io_error(error), Some(Errno::LOOP | Errno::ISDIR | Errno::NXIO))
    }

    #[cfg(not(target_os = "linux"))]
    pub fn is_irregular(_: &io::Error) -> bool {
        false
    }

    /// What can't be looked at is not ours either.
    #[cfg(target_os = "linux")]
    pub fn is_anothers(path: &Path) -> bool {
        metadata(path).map_or(true, |found| found.uid() != rustix::process::geteuid().as_raw())
    }

    #[cfg(not(target_os = "linux"))]
    pub fn is_anothers(_: &Path) -> bool {
        false
    }

    pub fn check(path: &Path) -> io::Result<()> {
        let found = metadata(path)?;
        if is_anothers(path) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to somebody else"));
        }
        if found.mode() & 0o022 != 0 {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "others may write it"));
        }
        Ok(())
    }
}

#[cfg(not(unix))]
mod private {
    use std::fs::{DirBuilder, OpenOptions};
    use std::io;
    use std::path::Path;

    pub fn directory(_: &mut DirBuilder) {}

    pub fn at_once(_: &mut OpenOptions) {}

    pub fn file(_: &mut OpenOptions) {}

    pub fn is_irregular(_: &io::Error) -> bool {
        false
    }

    pub fn is_anothers(_: &Path) -> bool {
        false
    }

    /// What is in the profile of a user is that user's.
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
    pub fn check(_: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn said<T: std::fmt::Debug>(result: io::Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn only_a_regular_file_is_read_or_written_and_nothing_is_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::create_dir(at("directory")).unwrap();
        mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for name in ["directory", "fifo", "socket"] {
            assert_eq!(said(read(&at(name))), "it is no regular file", "{name}");
            assert_eq!(said(read_private(&at(name))), "it is no regular file", "{name}");
            assert_eq!(said(append_line(&at(name), "x")), "it is no regular file", "{name}");
        }
        assert_eq!(said(read(Path::new("/dev/zero"))), "it is no regular file");
        assert_eq!(read(&at("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_link_is_followed_only_to_settings() {
        let home = tempfile::tempdir().unwrap();
        let (file, link) = (home.path().join("file"), home.path().join("link"));
        fs::write(&file, "x").unwrap();
        symlink(&file, &link).unwrap();
        assert_eq!(read(&link).unwrap(), b"x");
        assert_eq!(said(read_private(&link)), "it is no regular file");
        assert_eq!(said(append_line(&link, "y")), "it is no regular file");
        assert_eq!(read_private(&file).unwrap(), b"x");
    }

    #[test]
    fn more_than_1_mb_is_not_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        let file = File::create(&path).unwrap();
        file.set_len(MOST).unwrap();
        assert_eq!(read(&path).unwrap().len() as u64, MOST);
        file.set_len(90 * MOST).unwrap();
        assert_eq!(said(read(&path)), "it is larger than 1 MB");
    }
}
