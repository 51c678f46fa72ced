//! What was asked and what was done, a line of JSON each, in the state directory.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::plan::Plan;
use super::state::StateDirectory;
use crate::model::{Gap, Missing, Reason};
use crate::platform::{self, clock};
use crate::text::{safe, thousands};

const FILE: &str = "audit.jsonl";
const LOCK: &str = "audit.lock";

/// So many bytes of sentences of one kind are kept with an entry.
const MOST_NAMED: usize = 128 * 1024;

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
    /// Writes down what was asked. An action that can't be written down is not done.
    pub fn asked(directory: &'a StateDirectory, plan: &impl Plan) -> Result<Self, Gap> {
        let id = format!("{:x}-{:x}", clock::now().as_nanosecond(), std::process::id());
        let record = Self { state: directory, id, action: plan.action() };
        record
            .write(Stage::Asked { commands: bounded(plan.commands()), promises: bounded(plan.promises()) })?;
        Ok(record)
    }

    /// Writes down what came of it.
    pub fn done(self, succeeded: bool, result: Vec<String>) -> Result<(), Gap> {
        self.write(Stage::Done { succeeded, result: bounded(result) })
    }

    fn write(&self, stage: Stage) -> Result<(), Gap> {
        let user = platform::user().map(|user| safe(&user).into_owned());
        let (time, action) = (clock::now(), self.action.to_owned());
        let entry = Entry { time, id: self.id.clone(), user, action, stage: stage.made_safe() };
        let lock = self.state.lock(LOCK, "is writing the audit")?;
        self.state.append(&lock, FILE, &entry)
    }
}

/// The first sentences, as many as an entry has room for: what is done to thousands must not fail because
/// they can't all be named.
fn bounded(mut sentences: Vec<String>) -> Vec<String> {
    let mut length = 0;
    let room = sentences.iter().take_while(|sentence| {
        length += sentence.len();
        length <= MOST_NAMED
    });
    let named = room.count();
    if named < sentences.len() {
        let more = (sentences.len() - named) as u64;
        sentences.truncate(named);
        sentences.push(format!("… and {} more", thousands(more)));
    }
    sentences
}

/// Reads the audit, oldest first. A line that is damaged, as a full disk or a crash leaves it, is left out
/// and counted in a gap.
///
/// # Errors
/// When the file can't be read.
pub fn read(state: &StateDirectory) -> Result<(Vec<Entry>, Option<Gap>), Gap> {
    let lines = state.lines(FILE)?;
    let gap = u32::try_from(lines.damaged.len()).ok().filter(|damaged| *damaged > 0).map(|damaged| {
        let reason = Reason::NotUnderstood(Some(state.file(FILE).display().to_string()));
        Gap::new(Missing::AuditLines(damaged), reason)
    });
    Ok((lines.whole.into_iter().map(|(_, entry)| entry).collect(), gap))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_as_many_as_it_has_room_for() {
        let few = vec!["one".to_owned(), "two".to_owned()];
        assert_eq!(bounded(few.clone()), few);
        let many = bounded(vec!["x".repeat(1024); 5000]);
        assert_eq!((many.len(), many.last().unwrap().as_str()), (129, "… and 4,872 more"));
    }
}
