//! Files that only their user may write: the state directory, and settings of the system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

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

/// How often a lock that another process holds is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// Keeps other processes from writing what it stands for, until it is dropped or its process ends.
#[derive(Debug)]
pub struct Lock {
    _held: File,
}

/// Takes the lock that is a file in a private directory; waits for another process at most `limit`.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] when another process keeps it, or when it can't be had at all.
pub fn lock(path: &Path, limit: Duration) -> io::Result<Lock> {
    let file = open_to_write(path)?;
    let deadline = Instant::now() + limit;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock { _held: file }),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "another process keeps it locked"));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(TRY_AGAIN),
        }
    }
}

/// Appends a line to a file in a private directory, whole or not at all. The caller holds the lock under
/// which the file is written. What a full disk or a crash left of an earlier line stays on a line of its
/// own.
///
/// # Errors
/// When it can't be written, or with [`io::ErrorKind::FileTooLarge`] when the file would be larger than what
/// is read; then it is as before.
pub fn append_line(path: &Path, line: &str) -> io::Result<()> {
    let mut file = open_to_write(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    let mut last = [b'\n'];
    if length > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let apart = if last == *b"\n" { "" } else { "\n" };
    let text = format!("{apart}{line}\n");
    if text.len() as u64 > MOST {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the line is larger than 1 MB"));
    }
    if length.saturating_add(text.len() as u64) > MOST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it would be larger than 1 MB"));
    }
    let written = write_through(&mut file, text.as_bytes());
    if written.is_err() {
        // The error of the write is the one to tell; what is left of the line is set apart the next time.
        let _ = file.set_len(length);
    }
    written
}

/// Cuts a file in a private directory off after so many bytes, which needs no room on the disk. The caller
/// holds the lock under which the file is written.
///
/// # Errors
/// When it can't be written; then it is as before.
pub fn cut(path: &Path, length: u64) -> io::Result<()> {
    let file = open_to_write(path)?;
    file.set_len(length)?;
    file.sync_all()
}

/// Opens a file in a private directory, or makes it.
fn open_to_write(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    private::file(&mut options);
    open_regular(path, options.read(true).write(true).create(true).truncate(false))
}

/// Replaces the content of a file in a private directory, whole or not at all.
///
/// # Errors
/// When it can't be written; then it is as before.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    private::file(&mut options);
    replace_with(&mut options, path, content)
}

/// Replaces the content of a file that everybody may read, whole or not at all.
///
/// # Errors
/// When it can't be written; then it is as before.
#[cfg(target_os = "linux")]
pub fn replace_for_all(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_with(&mut OpenOptions::new(), path, content)
}

fn replace_with(options: &mut OpenOptions, path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(name);
    let opened = open_regular(&new, options.write(true).create(true).truncate(true));
    let written = opened.and_then(|mut file| write_through(&mut file, content));
    let replaced = written.and_then(|()| fs::rename(&new, path));
    if replaced.is_err() {
        // The error of the write is the one to tell.
        let _ = fs::remove_file(&new);
    }
    replaced
}

/// A limit on the size of files is an error to be told, not a signal that ends the program.
pub(super) fn survive_size_limit() {
    private::survive_size_limit();
}

fn write_through(file: &mut File, content: &[u8]) -> io::Result<()> {
    survive_size_limit();
    file.write_all(content)?;
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

    /// Ignores SIGXFSZ, see setrlimit(2).
    pub fn survive_size_limit() {
        #[cfg(target_os = "linux")]
        {
            static ONCE: std::sync::Once = std::sync::Once::new();
            ONCE.call_once(|| {
                // SAFETY: no handler is installed; to ignore this signal changes what `write` returns only.
                #[allow(unsafe_code, reason = "signal(2) has no safe wrapper")]
                unsafe {
                    libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
                }
            });
        }
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

    pub fn survive_size_limit() {}

    /// What is in the profile of a user is that user's.
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
    pub fn check(_: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: std::fmt::Debug>(result: io::Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_a_regular_file_is_read_or_written_and_nothing_is_waited_for() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
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

    #[cfg(target_os = "linux")]
    #[test]
    fn a_link_is_followed_only_to_settings() {
        use std::os::unix::fs::symlink;
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

    #[test]
    fn a_line_never_continues_one_that_is_torn() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lines");
        append_line(&path, "first").unwrap();
        append_line(&path, "second").unwrap();
        fs::write(&path, "first\nsec").unwrap();
        append_line(&path, "third").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\nsec\nthird\n");
        cut(&path, 6).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\n");
    }

    #[test]
    fn nothing_is_appended_beyond_what_is_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lines");
        append_line(&path, &"x".repeat(usize::try_from(MOST).unwrap() - 1)).unwrap();
        assert_eq!(append_line(&path, "").unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_private(&path).unwrap().len() as u64, MOST);
    }

    #[test]
    fn a_lock_is_waited_for_and_free_once_it_is_dropped() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lock");
        let held = lock(&path, Duration::ZERO).unwrap();
        assert_eq!(lock(&path, Duration::ZERO).unwrap_err().kind(), io::ErrorKind::TimedOut);
        let waiter = thread::spawn({
            let path = path.clone();
            move || lock(&path, Duration::from_mins(1)).is_ok()
        });
        drop(held);
        assert!(waiter.join().unwrap());
    }
}
