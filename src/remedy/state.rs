use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lines::{self, Lines};
use crate::model::{Gap, Missing, Remedy};
use crate::platform::files::{self, Lock};

/// Names another state directory.
const VARIABLE: &str = "PORTTOP_STATE_DIR";

/// How long another porttop is waited for that writes the same file.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where porttop keeps what must outlive it: the audit and what undo needs.
#[derive(Clone, Debug)]
pub struct StateDirectory(PathBuf);

impl StateDirectory {
    /// The one of this user: `PORTTOP_STATE_DIR`, or the place the system has for it
    /// (`$XDG_STATE_HOME/porttop`, `%LOCALAPPDATA%\porttop`).
    ///
    /// # Errors
    /// When the system has none, as for a user without a home.
    pub fn find() -> Result<Self, Gap> {
        if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
            return Ok(Self(path.into()));
        }
        files::state_directory()
            .map(Self)
            .map_err(|error| Gap::error(Missing::StateDirectory, error).fixed_by(Remedy::Directory(VARIABLE)))
    }

    /// The one at this path.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Takes a lock in it; `use_of` is what another porttop does that holds it.
    pub(super) fn lock(&self, name: &str, use_of: &str) -> Result<Lock, Gap> {
        self.make()?;
        files::lock(&self.file(name), PATIENCE).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => Gap::error(
                Missing::StateFile(self.file(name).display().to_string()),
                format!("another porttop {use_of}; try again when it has finished"),
            ),
            _ => self.gap(name, &error),
        })
    }

    /// Appends a line to a file in it, whole or not at all, under the lock of that file. One that has
    /// become too large to be read is set aside, in the place of the one that was before.
    pub(super) fn append(&self, _: &Lock, name: &str, object: &impl Serialize) -> Result<(), Gap> {
        let file = self.file(name);
        let append = || {
            let line = lines::line(object)?;
            match files::append_line(&file, &line) {
                Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                    std::fs::rename(&file, self.file(&format!("{name}.old")))?;
                    files::append_line(&file, &line)
                }
                appended => appended,
            }
        };
        append().map_err(|error| self.gap(name, &error))
    }

    /// Cuts a file in it off, under the lock of that file.
    pub(super) fn cut(&self, _: &Lock, name: &str, length: usize) -> Result<(), Gap> {
        files::cut(&self.file(name), length as u64).map_err(|error| self.gap(name, &error))
    }

    /// Keeps a text for the person in a file of that name, whole or not at all; returns where.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn keep(&self, name: &str, content: &str) -> Result<PathBuf, Gap> {
        self.replace(name, content.as_bytes()).map(|()| self.file(name))
    }

    /// Replaces a file in it, whole or not at all.
    pub(super) fn replace(&self, name: &str, content: &[u8]) -> Result<(), Gap> {
        self.make()?;
        files::replace(&self.file(name), content).map_err(|error| self.gap(name, &error))
    }

    /// The content of a file in it; empty when there is none yet.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, Gap> {
        match files::read_private(&self.file(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read.map_err(|error| self.gap(name, &error)),
        }
    }

    /// The lines of a file in it, with the places where they begin; none when there is no file yet.
    pub(super) fn lines<T: DeserializeOwned>(&self, name: &str) -> Result<Lines<T>, Gap> {
        Ok(lines::read(&self.read(name)?))
    }

    fn make(&self) -> Result<(), Gap> {
        files::make_private_directory(&self.0).map_err(|error| gap_at(&self.0, &error))
    }

    fn gap(&self, name: &str, error: &io::Error) -> Gap {
        gap_at(&self.file(name), error)
    }
}

fn gap_at(path: &Path, error: &io::Error) -> Gap {
    let gap = Gap::error(Missing::StateFile(path.display().to_string()), error);
    if is_of_the_place(error) { gap.fixed_by(Remedy::Directory(VARIABLE)) } else { gap }
}

/// Whether it would go well in another directory, unlike where porttop has no descriptor or memory left.
fn is_of_the_place(error: &io::Error) -> bool {
    use io::ErrorKind::{
        AlreadyExists, FileTooLarge, InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound,
        PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StaleNetworkFileHandle, StorageFull,
    };
    matches!(
        error.kind(),
        AlreadyExists
            | FileTooLarge
            | InvalidFilename
            | InvalidInput
            | IsADirectory
            | NotADirectory
            | NotFound
            | PermissionDenied
            | QuotaExceeded
            | ReadOnlyFilesystem
            | StaleNetworkFileHandle
            | StorageFull
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    #[rstest]
    #[case(io::ErrorKind::StorageFull.into(), true)]
    #[case(io::ErrorKind::QuotaExceeded.into(), true)]
    #[case(io::ErrorKind::PermissionDenied.into(), true)]
    #[case(io::ErrorKind::ReadOnlyFilesystem.into(), true)]
    #[case::emfile(io::Error::from_raw_os_error(24), false)]
    #[case(io::ErrorKind::OutOfMemory.into(), false)]
    fn another_directory_is_named_where_it_would_help(#[case] error: io::Error, #[case] helps: bool) {
        let gap = StateDirectory::at("state").gap("audit.jsonl", &error);
        assert_eq!(gap.remedy.is_some(), helps, "{gap:?}");
    }

    #[test]
    fn a_file_that_is_full_is_set_aside_and_no_line_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDirectory::at(home.path().join("state"));
        let lock = state.lock("lock", "is testing").unwrap();
        let line = "x".repeat(400_000);
        for number in 0..5 {
            state.append(&lock, "lines", &json!({ "number": number, "line": line })).unwrap();
        }
        let numbers = |name: &str| {
            let lines = state.lines::<Value>(name).unwrap();
            assert_eq!(lines.damaged, [0; 0]);
            lines.whole.iter().map(|(_, line)| line["number"].as_u64().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!((numbers("lines.old"), numbers("lines")), (vec![2, 3], vec![4]));
        assert!(state.append(&lock, "lines", &json!({ "line": "x".repeat(2_000_000) })).is_err());
        assert_eq!((numbers("lines.old"), numbers("lines")), (vec![2, 3], vec![4]));
    }
}
