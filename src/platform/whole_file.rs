//! A file that a person names: it is replaced once everything is written, or stays as it was.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use super::files::survive_size_limit;

/// What is written beside a file and then takes its place; what is no regular file, such as a pipe, is written to
/// at once.
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    /// What the file that is there may be used for.
    before: Option<Permissions>,
    out: Out,
}

#[derive(Debug)]
enum Out {
    New(NamedTempFile),
    There(File),
}

impl WholeFile {
    /// Begins to write a file, or what a link leads to.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn create(path: &Path) -> io::Result<Self> {
        survive_size_limit();
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let before = fs::metadata(&path).ok();
        let out = if before.as_ref().is_some_and(|before| !before.is_file()) {
            Out::There(OpenOptions::new().write(true).open(&path)?)
        } else {
            // Whoever may not write the file may not replace it either.
            if before.is_some() {
                OpenOptions::new().write(true).open(&path)?;
            }
            Out::New(beside(&path)?)
        };
        Ok(Self { path, before: before.map(|before| before.permissions()), out })
    }

    /// Where to write.
    ///
    /// # Errors
    /// When the system gives no descriptor.
    pub fn writer(&self) -> io::Result<File> {
        match &self.out {
            Out::New(file) => file.as_file().try_clone(),
            Out::There(file) => file.try_clone(),
        }
    }

    /// Everything is written: puts the file where it belongs.
    ///
    /// # Errors
    /// When the disk is full or the file can't be replaced; then it is as before.
    pub fn finish(self) -> io::Result<()> {
        let Out::New(new) = self.out else { return Ok(()) };
        if let Some(before) = self.before {
            new.as_file().set_permissions(before)?;
        }
        new.as_file().sync_all()?;
        new.persist(&self.path)?;
        Ok(())
    }
}

/// The directory in which a file is.
#[must_use]
pub fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new file in the same directory, which others may read as they may any new file of this user.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(".porttop-").suffix(".new");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(Permissions::from_mode(0o666));
    }
    builder.tempfile_in(directory(path))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn write(path: &Path, text: &str) -> io::Result<()> {
        let file = WholeFile::create(path)?;
        file.writer()?.write_all(text.as_bytes())?;
        file.finish()
    }

    fn names(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    #[test]
    fn a_file_is_made_and_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a file");
        for text in ["a longer text", "short"] {
            write(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(names(directory.path()), 1);
    }

    #[test]
    fn what_is_not_finished_leaves_the_file_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        write(&path, "before").unwrap();
        let file = WholeFile::create(&path).unwrap();
        file.writer().unwrap().write_all(b"half of it").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(names(directory.path()), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_one_and_a_file_keeps_who_may_read_it() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("file"), directory.path().join("link"));
        write(&path, "before").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        symlink(&path, &link).unwrap();
        write(&link, "after").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to() {
        write(Path::new("/dev/null"), "anything").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
