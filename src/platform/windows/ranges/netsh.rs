//! Reading and moving dynamic ranges through `netsh`. Nothing of what it claims is believed: its answers are in the
//! language of the system, and its exit code says little. What is set, only reading again shows.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::format::{self, Kind};
use super::script::Script;
use crate::model::{
    DynamicRange, Gap, Missing, NamespaceId, PortRange, PortSpace, RangeLimits, SpaceId, System,
};
use crate::platform::Reading;
use crate::platform::control::{ControlError, RangeControl, RangeState, RangeStep, Store};
use crate::platform::tool::{self, Answer};

const NO_RIGHT: ControlError = ControlError::MissingRight {
    right: "the elevated rights of an administrator",
    remedy: "run porttop, or these commands, from an elevated prompt",
};

/// The four port spaces.
pub(crate) type Spaces = Reading<Vec<PortSpace>>;

/// `netsh` as a program.
pub(crate) struct Netsh {
    /// Its full path.
    pub program: PathBuf,
    /// Where its questions are written.
    pub folder: PathBuf,
    /// How long all that is asked at once may take.
    pub limit: Duration,
    /// Whether it runs with the rights of an administrator.
    pub elevated: bool,
    /// Reads the code page that it writes in.
    pub decode: fn(&[u8]) -> String,
}

/// Something that `netsh` is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Question {
    /// The dynamic range in a store.
    Dynamic(SpaceId, Store),
    /// The ports that are excluded now.
    Excluded(SpaceId),
}

/// The one dynamic range, or those that are excluded; or why they are not known.
type Said = Result<Vec<PortRange>, String>;

impl Question {
    /// All of a store. The last one is a dynamic range, which is not taken for whole when it was cut off.
    fn of(store: Store) -> Vec<Self> {
        let ids = SpaceId::all_of(NamespaceId::ONLY).into_iter();
        match store {
            Store::Active => ids.flat_map(|id| [Self::Excluded(id), Self::Dynamic(id, store)]).collect(),
            Store::Persistent => ids.map(|id| Self::Dynamic(id, store)).collect(),
        }
    }

    fn command(self) -> String {
        match self {
            Self::Dynamic(id, store) => {
                let (family, protocol, store) = (id.family.key(), id.protocol.key(), store.key());
                format!("int {family} show dynamicport {protocol} store={store}")
            }
            Self::Excluded(id) => {
                let (family, protocol) = (id.family.key(), id.protocol.key());
                format!("int {family} show excludedportrange protocol={protocol}")
            }
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Dynamic(..) => Kind::Dynamic,
            Self::Excluded(_) => Kind::Excluded,
        }
    }

    const fn is_of_what_lasts(self) -> bool {
        matches!(self, Self::Dynamic(_, Store::Persistent))
    }
}

impl Netsh {
    /// The four port spaces as they are now. Where the excluded ports could not be read the capacity is only
    /// estimated too high.
    pub fn spaces(&self) -> Spaces {
        spaces(&self.ask(&Question::of(Store::Active), self.limit))
    }

    /// What is set now, with the reasons why some of it is not known, and what the next start of the system sets.
    pub fn state(&self) -> Result<(RangeState, Spaces), ControlError> {
        let questions = [Store::Active, Store::Persistent].map(Question::of).concat();
        let answers = self.ask(&questions, self.limit);
        let spaces = spaces(&answers);
        if spaces.value.iter().all(|space| space.dynamic.is_none()) {
            let reason = spaces.gaps.first().map(|gap| gap.reason.to_string());
            return Err(ControlError::system("netsh", reason.unwrap_or_else(|| "it said nothing".into())));
        }
        let persistent =
            |id: SpaceId| Some(((id.family, id.protocol), range(&answers, id, Store::Persistent).ok()?));
        let state = RangeState {
            system: System::Windows,
            namespace: NamespaceId::ONLY,
            identity: None,
            spaces: spaces.value.clone(),
            persistent: SpaceId::all_of(NamespaceId::ONLY).into_iter().filter_map(persistent).collect(),
            limits: RangeLimits::WINDOWS,
            file: None,
        };
        Ok((state, spaces))
    }

    /// Asks all of these with one process, and again in halves when not each is answered: what it prints does not
    /// tell which one is missing.
    fn ask(&self, questions: &[Question], limit: Duration) -> HashMap<Question, Said> {
        let started = Instant::now();
        let all = |why: String| questions.iter().map(|question| (*question, Err(why.clone()))).collect();
        let output = match self.run_script(questions, limit) {
            Ok(output) => output,
            Err(error) => return all(error.to_string()),
        };
        let answers = format::answers(&output);
        let kinds = answers.iter().map(|answer| answer.kind);
        if kinds.eq(questions.iter().map(|question| question.kind())) {
            let said = answers.into_iter().map(|answer| answer.ranges.map_err(|error| error.to_string()));
            return questions.iter().copied().zip(said).collect();
        }
        if questions.len() == 1 || answers.is_empty() {
            return all(format::unlike(&(self.decode)(&output)).to_string());
        }
        let stores = questions.iter().position(|question| question.is_of_what_lasts()).filter(|at| *at > 0);
        let (some, rest) = questions.split_at(stores.unwrap_or(questions.len() / 2));
        let mut said = self.ask(some, limit.saturating_sub(started.elapsed()));
        said.extend(self.ask(rest, limit.saturating_sub(started.elapsed())));
        said
    }

    fn run_script(&self, questions: &[Question], limit: Duration) -> io::Result<Vec<u8>> {
        let commands: Vec<_> = questions.iter().map(|question| question.command()).collect();
        let script = Script::write(&self.folder, &commands)?;
        Ok(tool::run(&self.program, &[OsStr::new("-f"), script.path().as_os_str()], limit)?.output)
    }
}

fn said(answers: &HashMap<Question, Said>, question: Question) -> Said {
    answers.get(&question).cloned().unwrap_or_else(|| Err("netsh was not asked".into()))
}

fn range(answers: &HashMap<Question, Said>, id: SpaceId, store: Store) -> Result<PortRange, String> {
    let ranges = said(answers, Question::Dynamic(id, store))?;
    ranges.first().copied().ok_or_else(|| "netsh told none".into())
}

fn spaces(answers: &HashMap<Question, Said>) -> Spaces {
    let mut spaces = Reading::whole(Vec::new());
    for id in SpaceId::all_of(NamespaceId::ONLY) {
        let dynamic = match range(answers, id, Store::Active) {
            Ok(range) => {
                let excluded = said(answers, Question::Excluded(id)).unwrap_or_else(|reason| {
                    spaces.gaps.push(Gap::error(Missing::Reserved(Some(id)), reason));
                    Vec::new()
                });
                Some(DynamicRange { range, reserved: excluded.into_iter().collect() })
            }
            Err(reason) => {
                spaces.gaps.push(Gap::error(Missing::Range(Some(id)), reason));
                None
            }
        };
        spaces.value.push(PortSpace { id, dynamic });
    }
    spaces
}

impl RangeControl for Netsh {
    fn read(&mut self) -> Result<RangeState, ControlError> {
        self.state().map(|(state, _)| state)
    }

    fn take(&mut self, step: &RangeStep) -> Result<String, ControlError> {
        let arguments = arguments(step)?;
        let Answer { code, output } = tool::run(&self.program, &arguments, self.limit)
            .map_err(|error| ControlError::system("netsh", error))?;
        let printed = (self.decode)(output.trim_ascii());
        match code {
            Some(0) => Ok(printed),
            _ if !self.elevated => Err(NO_RIGHT),
            Some(code) => {
                Err(ControlError::system(format!("netsh ended with exit code {code}"), quoted(&printed)))
            }
            None => Err(ControlError::system("netsh was ended by a signal", quoted(&printed))),
        }
    }
}

/// What `netsh` is told for a step. No word has anything in it that would need quotes.
///
/// # Errors
/// When it is not a step of Windows.
pub(crate) fn arguments(step: &RangeStep) -> Result<[String; 8], ControlError> {
    let RangeStep::Netsh { family, protocol, range, store } = step else {
        return Err(ControlError::system("netsh", "sysctl is a tool of Linux"));
    };
    let (start, count) = (format!("start={}", range.start()), format!("num={}", range.size()));
    let store = format!("store={}", store.key());
    let words = ["int", family.key(), "set", "dynamicport", protocol.key(), &start, &count, &store];
    Ok(words.map(str::to_owned))
}

fn quoted(printed: &str) -> String {
    let words = printed.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.is_empty() { "it printed nothing".into() } else { format!("“{words}”") }
}
