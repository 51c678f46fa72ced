//! A file of commands that `netsh` reads while nobody else can change it: it may run with more rights than
//! whoever may write to the folder of temporary files.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// A script, until this is dropped.
pub struct Script {
    path: PathBuf,
    /// Open, so that Windows lets others only read it and leaves it in its place.
    held: Option<File>,
}

impl Script {
    /// Writes a line for each command, and sees to it that it stays so.
    ///
    /// # Errors
    /// When it can't be written, or is not what was written.
    pub fn write(folder: &Path, commands: &[String]) -> io::Result<Self> {
        let text = commands.join("\r\n") + "\r\n";
        let number = RandomState::new().build_hasher().finish();
        let path = folder.join(format!("porttop-{number:016x}.txt"));
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        // From here on it is removed, whatever happens.
        let mut script = Self { path, held: None };
        file.write_all(text.as_bytes())?;
        drop(file);
        let mut held = only_to_be_read(&script.path)?;
        let mut written = String::new();
        held.read_to_string(&mut written)?;
        script.held = Some(held);
        if written != text {
            return Err(io::Error::other("somebody has changed the commands for netsh"));
        }
        Ok(script)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.held = None;
        // One that stays is a few lines of text.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(windows)]
fn only_to_be_read(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt as _;
    const FILE_SHARE_READ: u32 = 1;
    OpenOptions::new().read(true).share_mode(FILE_SHARE_READ).open(path)
}

#[cfg(not(windows))]
fn only_to_be_read(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_there_as_long_as_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let script = Script::write(folder.path(), &["one".into(), "two".into()]).unwrap();
        let other = Script::write(folder.path(), &["three".into()]).unwrap();
        assert_eq!(fs::read(script.path()).unwrap(), b"one\r\ntwo\r\n");
        assert_ne!(script.path(), other.path());
        drop((script, other));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[cfg(windows)]
    #[test]
    fn nobody_changes_it_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let script = Script::write(folder.path(), &["one".into()]).unwrap();
        assert!(OpenOptions::new().write(true).open(script.path()).is_err());
        assert!(fs::remove_file(script.path()).is_err());
        assert!(fs::rename(script.path(), folder.path().join("other")).is_err());
        assert_eq!(fs::read(script.path()).unwrap(), b"one\r\n");
    }
}
