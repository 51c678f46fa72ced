//! Files that only their user may write: the state directory, and settings of the system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

/// Where this user keeps state of programs, with our name in it.
///
/// # Errors
/// When the user has no home.
pub fn state_directory() -> io::Result<PathBuf> {
    let strategy = etcetera::choose_base_strategy().map_err(io::Error::other)?;
    // Windows has no place of its own for state; %LOCALAPPDATA% is what stays on this machine.
    Ok(strategy.state_dir().unwrap_or_else(|| strategy.cache_dir()).join("porttop"))
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

/// Appends a line to a file in a private directory; the line and its end are written at once.
///
/// # Errors
/// When it can't be written.
pub fn append_line(path: &Path, line: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    private::file(&mut options);
    let mut file = options.open(path)?;
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
    let written = options.open(&new).and_then(|mut file| write_through(&mut file, content));
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

    pub fn directory(builder: &mut DirBuilder) {
        builder.mode(0o700);
    }

    pub fn file(options: &mut OpenOptions) {
        options.mode(0o600);
        #[cfg(target_os = "linux")]
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }

    pub fn check(path: &Path) -> io::Result<()> {
        let found = metadata(path)?;
        #[cfg(target_os = "linux")]
        if found.uid() != rustix::process::geteuid().as_raw() {
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

    pub fn file(_: &mut OpenOptions) {}

    /// What is in the profile of a user is that user's.
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
    pub fn check(_: &Path) -> io::Result<()> {
        Ok(())
    }
}
