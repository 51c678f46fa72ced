//! What was asked and what was done, a line of JSON each, in the state directory.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::plan::Plan;
use super::state::StateDirectory;
use crate::model::{Gap, Missing, Reason};
use crate::platform::clock;
use crate::text::safe;

const FILE: &str = "audit.jsonl";

/// One line of the audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub time: Timestamp,
    /// What ties `asked` and `done` of one action together.
    pub id: String,
    /// Who was logged in, as the environment says; text from outside.
    pub user: Option<String>,
    /// What kind of action: `kill`, `close`, `set_range`, `undo_range`.
    pub action: String,
    /// Before or after.
    #[serde(flatten)]
    pub stage: Stage,
}

/// What an entry tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "stage")]
pub enum Stage {
    /// A person said yes to this.
    Asked {
        /// The exact commands or calls.
        commands: Vec<String>,
        /// What was promised.
        promises: Vec<String>,
    },
    /// This came of it.
    Done {
        /// Whether it did what was promised.
        succeeded: bool,
        /// What changed, in numbers.
        result: Vec<String>,
    },
}

impl Stage {
    /// With names from outside as they may be shown: whoever reads the file may do so without porttop.
    fn made_safe(self) -> Self {
        let safe = |lines: Vec<String>| lines.iter().map(|line| safe(line).into_owned()).collect();
        match self {
            Self::Asked { commands, promises } => {
                Self::Asked { commands: safe(commands), promises: safe(promises) }
            }
            Self::Done { succeeded, result } => Self::Done { succeeded, result: safe(result) },
        }
    }
}

/// Writes the two lines of one action.
pub(super) struct Record<'a> {
    state: &'a StateDirectory,
    id: String,
    action: &'static str,
}

impl<'a> Record<'a> {
    /// Writes down what was asked.
    pub fn asked(directory: &'a StateDirectory, plan: &impl Plan) -> (Self, Result<(), Gap>) {
        let id = format!("{:x}-{:x}", clock::now().as_nanosecond(), std::process::id());
        let record = Self { state: directory, id, action: plan.action() };
        let stage = Stage::Asked { commands: plan.commands(), promises: plan.promises() };
        let written = record.write(stage);
        (record, written)
    }

    /// Writes down what came of it.
    pub fn done(self, succeeded: bool, result: Vec<String>) -> Result<(), Gap> {
        self.write(Stage::Done { succeeded, result })
    }

    fn write(&self, stage: Stage) -> Result<(), Gap> {
        let user = ["SUDO_USER", "USER", "USERNAME"].into_iter().find_map(std::env::var_os);
        let user = user.map(|user| safe(&user.to_string_lossy()).into_owned());
        let (time, action) = (clock::now(), self.action.to_owned());
        let entry = Entry { time, id: self.id.clone(), user, action, stage: stage.made_safe() };
        let line = serde_json::to_string(&entry)
            .map_err(|error| Gap::error(Missing::StateFile(FILE.to_owned()), error))?;
        self.state.append(FILE, &line)
    }
}

/// Reads the audit, oldest first. A line that is none, as a full disk leaves it, is left out and
/// counted in a gap.
///
/// # Errors
/// When the file can't be read.
pub fn read(state: &StateDirectory) -> Result<(Vec<Entry>, Option<Gap>), Gap> {
    let text = state.read(FILE)?;
    let mut entries = Vec::new();
    let mut odd = 0u32;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(entry) => entries.push(entry),
            Err(_) => odd += 1,
        }
    }
    let gap = (odd > 0).then(|| {
        let reason = Reason::NotUnderstood(Some(state.file(FILE).display().to_string()));
        Gap::new(Missing::AuditLines(odd), reason)
    });
    Ok((entries, gap))
}
