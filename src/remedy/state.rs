use std::path::{Path, PathBuf};

use crate::model::{Gap, Missing, Remedy};
use crate::platform::files;

/// Names another state directory.
const VARIABLE: &str = "PORTTOP_STATE_DIR";

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

    /// Appends a line to a file in it.
    pub(super) fn append(&self, name: &str, line: &str) -> Result<(), Gap> {
        files::make_private_directory(&self.0)
            .and_then(|()| files::append_line(&self.file(name), line))
            .map_err(|error| self.gap(name, &error))
    }

    /// Keeps a text for the person in a file of that name, whole or not at all; returns where.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn keep(&self, name: &str, content: &str) -> Result<PathBuf, Gap> {
        self.replace(name, content).map(|()| self.file(name))
    }

    /// Replaces a file in it, whole or not at all.
    pub(super) fn replace(&self, name: &str, content: &str) -> Result<(), Gap> {
        files::make_private_directory(&self.0)
            .and_then(|()| files::replace(&self.file(name), content))
            .map_err(|error| self.gap(name, &error))
    }

    /// The text of a file in it; empty when there is none yet.
    pub(super) fn read(&self, name: &str) -> Result<String, Gap> {
        match std::fs::read(self.file(name)) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(self.gap(name, &error)),
        }
    }

    fn gap(&self, name: &str, error: &std::io::Error) -> Gap {
        Gap::error(Missing::StateFile(name.to_owned()), format!("{}: {error}", self.file(name).display()))
            .fixed_by(Remedy::Directory(VARIABLE))
    }
}
