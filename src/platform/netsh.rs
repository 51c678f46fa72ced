//! Moving dynamic ranges through `netsh`. Nothing of what it claims is believed: its answers are in the
//! language of the system, and its exit code says little. What is set, only reading again shows.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::control::{ControlError, RangeControl, RangeState, RangeStep};
use super::tool::{self, Answer};
use super::windows_format::netsh::{dynamic_range, excluded_ranges};
use crate::model::{DynamicRange, NamespaceId, PortSet, PortSpace, RangeLimits, SpaceId, System};

const NO_RIGHT: ControlError = ControlError::MissingRight {
    right: "the elevated rights of an administrator",
    remedy: "run porttop, or these commands, from an elevated prompt",
};

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

    fn dynamic(&self, id: SpaceId) -> Result<DynamicRange, String> {
        let (family, protocol) = (id.family.key(), id.protocol.key());
        let shown = self.run(&["int", family, "show", "dynamicport", protocol]);
        let shown = shown.map_err(|error| error.to_string())?;
        let range = dynamic_range(&shown.output).map_err(|error| error.to_string())?;
        // Without the exclusions the capacity is only estimated too high.
        let protocol = format!("protocol={protocol}");
        let shown = self.run(&["int", family, "show", "excludedportrange", &protocol]).ok();
        let excluded = shown.and_then(|shown| excluded_ranges(&shown.output).ok());
        let reserved = excluded.map_or_else(PortSet::new, |blocks| blocks.into_iter().collect());
        Ok(DynamicRange { range, reserved })
    }
}

impl RangeControl for Netsh {
    fn read(&mut self) -> Result<RangeState, ControlError> {
        let read = SpaceId::all_of(NamespaceId::ONLY).map(|id| (id, self.dynamic(id)));
        if let [(_, Err(reason)), (_, Err(_)), (_, Err(_)), (_, Err(_))] = &read {
            return Err(ControlError::system("netsh", reason));
        }
        Ok(RangeState {
            system: System::Windows,
            namespace: NamespaceId::ONLY,
            spaces: read.map(|(id, dynamic)| PortSpace { id, dynamic: dynamic.ok() }).into(),
            limits: RangeLimits::WINDOWS,
            file: None,
        })
    }

    fn take(&mut self, step: &RangeStep) -> Result<String, ControlError> {
        let RangeStep::Netsh { family, protocol, range, store } = step else {
            return Err(ControlError::Unsupported("sysctl is a tool of Linux".into()));
        };
        let (start, count) = (format!("start={}", range.start()), format!("num={}", range.size()));
        let store = format!("store={}", store.key());
        let arguments = ["int", family.key(), "set", "dynamicport", protocol.key(), &start, &count, &store];
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

fn quoted(printed: &str) -> String {
    let words = printed.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.is_empty() { "it printed nothing".into() } else { format!("“{words}”") }
}
