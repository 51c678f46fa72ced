//! The dynamic port ranges, through `netsh`: Windows documents no other way that tells IPv4 from IPv6.

pub mod format;
pub mod netsh;

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use self::netsh::Dynamic;
use super::background::Latest;
use super::ffi::CallError;
use super::host::elevated;
use super::host::ffi::system_directory;
use crate::model::{Gap, Missing, NamespaceId, PortSpace, Reason, SpaceId};
use crate::platform::control::{ControlError, RangeControl, RangeState, RangeStep};
use crate::platform::{PortRanges, Reading};

/// How long one `netsh` may take before it is ended.
const LIMIT: Duration = Duration::from_secs(5);
/// How long one may take that was asked for.
pub const CONTROL_LIMIT: Duration = Duration::from_secs(10);
/// How long an answer counts as fresh.
const FRESH: Duration = Duration::from_mins(1);

type Spaces = Reading<Vec<PortSpace>>;

/// [`PortRanges`] of Windows.
pub struct Ranges(Result<Latest<Spaces>, Spaces>);

impl Ranges {
    pub fn new() -> Self {
        let waiting = unknown(Reason::StillReading);
        Self(
            Latest::new("netsh", FRESH, waiting, ask_all)
                .map_err(|error| unknown(Reason::Error(format!("no thread to run netsh: {error}")))),
        )
    }
}

impl PortRanges for Ranges {
    fn read(&mut self) -> Spaces {
        match &mut self.0 {
            Ok(latest) => latest.get(),
            Err(unknown) => unknown.clone(),
        }
    }

    fn wait_first(&mut self, limit: Duration) {
        if let Ok(latest) = &mut self.0 {
            latest.wait_first(limit);
        }
    }
}

fn unknown(reason: Reason) -> Spaces {
    let value = SpaceId::all_of(NamespaceId::ONLY).map(|id| PortSpace { id, dynamic: None });
    Reading { value: value.into(), gaps: vec![Gap::new(Missing::Range(None), reason)] }
}

/// Asks for all four at once: one `netsh` takes its time to start.
fn ask_all() -> Spaces {
    let answers = SpaceId::all_of(NamespaceId::ONLY).map(|id| {
        let (answer, answered) = channel();
        let asking = thread::Builder::new().name("netsh".into()).spawn(move || answer.send(ask(id)));
        (id, asking, answered)
    });
    let mut all = Reading::whole(Vec::new());
    for (id, asking, answered) in answers {
        let answer = asking
            .map_err(|error| error.to_string())
            .and_then(|_| answered.recv().map_err(|_| "the thread that asked has ended".to_owned()));
        let Reading { value, gaps } = answer.unwrap_or_else(|reason| netsh::unread(id, reason));
        all.value.push(PortSpace { id, dynamic: value });
        all.gaps.extend(gaps);
    }
    all
}

fn ask(id: SpaceId) -> Dynamic {
    match program(LIMIT) {
        Ok(netsh) => netsh.dynamic(id),
        Err(error) => netsh::unread(id, error),
    }
}

/// `netsh` from the system directory.
fn program(limit: Duration) -> Result<netsh::Netsh, CallError> {
    Ok(netsh::Netsh { program: system_directory()?.join("netsh.exe"), limit, elevated: elevated() })
}

/// [`RangeControl`] of Windows: `netsh`, found when it is asked for.
pub struct Setter;

impl Setter {
    pub fn netsh() -> Result<netsh::Netsh, ControlError> {
        program(CONTROL_LIMIT).map_err(|error| ControlError::system("netsh", error))
    }
}

impl RangeControl for Setter {
    fn read(&mut self) -> Result<RangeState, ControlError> {
        Self::netsh()?.read()
    }

    fn take(&mut self, step: &RangeStep) -> Result<String, ControlError> {
        Self::netsh()?.take(step)
    }
}
