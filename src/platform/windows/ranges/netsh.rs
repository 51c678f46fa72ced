//! Reading and moving dynamic ranges through `netsh`. Nothing of what it claims is believed: its answers are in the
//! language of the system, and its exit code says little. What is set, only reading again shows.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::format::{dynamic_range, excluded_ranges};
use crate::model::{
    DynamicRange, Family, Gap, Missing, NamespaceId, PortRange, PortSpace, Protocol, RangeLimits, SpaceId,
    System,
};
use crate::platform::Reading;
use crate::platform::control::{ControlError, RangeControl, RangeState, RangeStep, Store};
use crate::platform::tool::{self, Answer};

const NO_RIGHT: ControlError = ControlError::MissingRight {
    right: "the elevated rights of an administrator",
    remedy: "run porttop, or these commands, from an elevated prompt",
};

/// The range of one port space, as far as `netsh` tells it.
pub(crate) type Dynamic = Reading<Option<DynamicRange>>;

/// `netsh` as a program.
pub(crate) struct Netsh {
    /// Its full path.
    pub program: PathBuf,
    /// How long it may take.
    pub limit: Duration,
    /// Whether it runs with the rights of an administrator.
    pub elevated: bool,
}

impl Netsh {
    fn run(&self, arguments: &[&str]) -> io::Result<Answer> {
        tool::run(&self.program, arguments, self.limit)
    }

    /// The range that the next start of the system sets, where it can be read.
    fn persistent(&self, id: SpaceId) -> Option<((Family, Protocol), PortRange)> {
        let place = (id.family, id.protocol);
        Some((place, self.range(id, Store::Persistent).ok()?))
    }

    fn range(&self, id: SpaceId, store: Store) -> Result<PortRange, String> {
        let (family, protocol) = (id.family.key(), id.protocol.key());
        let store = format!("store={}", store.key());
        self.show(&["int", family, "show", "dynamicport", protocol, &store], dynamic_range)
    }

    /// The range of a port space, with the ports that are excluded from it. Without these its capacity is
    /// only estimated too high.
    pub fn dynamic(&self, id: SpaceId) -> Dynamic {
        let (family, protocol) = (id.family.key(), id.protocol.key());
        let range = match self.range(id, Store::Active) {
            Ok(range) => range,
            Err(reason) => return unread(id, reason),
        };
        let protocol = format!("protocol={protocol}");
        let shown = self.show(&["int", family, "show", "excludedportrange", &protocol], excluded_ranges);
        let (excluded, gaps) = match shown {
            Ok(excluded) => (excluded, Vec::new()),
            Err(reason) => (Vec::new(), vec![Gap::error(Missing::Reserved(Some(id)), reason)]),
        };
        let reserved = excluded.into_iter().collect();
        Reading { value: Some(DynamicRange { range, reserved }), gaps }
    }

    /// Asks, and reads what was printed.
    fn show<T, E: Display>(
        &self,
        arguments: &[&str],
        parse: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<T, String> {
        let shown = self.run(arguments).map_err(|error| error.to_string())?;
        parse(&shown.output).map_err(|error| error.to_string())
    }
}

/// The range of a port space that could not be read.
pub(crate) fn unread(id: SpaceId, reason: impl Display) -> Dynamic {
    Reading { value: None, gaps: vec![Gap::error(Missing::Range(Some(id)), reason)] }
}

impl RangeControl for Netsh {
    fn read(&mut self) -> Result<RangeState, ControlError> {
        let read = SpaceId::all_of(NamespaceId::ONLY).map(|id| (id, self.dynamic(id)));
        if read.iter().all(|(_, dynamic)| dynamic.value.is_none()) {
            let reason = read.iter().flat_map(|(_, dynamic)| &dynamic.gaps).next();
            let reason = reason.map_or_else(|| "it said nothing".to_owned(), |gap| gap.reason.to_string());
            return Err(ControlError::system("netsh", reason));
        }
        Ok(RangeState {
            system: System::Windows,
            namespace: NamespaceId::ONLY,
            identity: None,
            spaces: read.map(|(id, dynamic)| PortSpace { id, dynamic: dynamic.value }).into(),
            persistent: SpaceId::all_of(NamespaceId::ONLY)
                .into_iter()
                .filter_map(|id| self.persistent(id))
                .collect(),
            limits: RangeLimits::WINDOWS,
            file: None,
        })
    }

    fn take(&mut self, step: &RangeStep) -> Result<String, ControlError> {
        let arguments = arguments(step)?;
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let Answer { code, output } =
            self.run(&arguments).map_err(|error| ControlError::system("netsh", error))?;
        let printed = String::from_utf8_lossy(output.trim_ascii()).into_owned();
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
