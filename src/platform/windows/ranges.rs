//! The dynamic port ranges, through `netsh`: Windows documents no other way that tells IPv4 from IPv6.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use super::background::Latest;
use super::ffi::CallError;
use super::ffi::system::system_directory;
use super::host::elevated;
use crate::model::{Gap, Missing, NamespaceId, PortSpace, Reason, SpaceId};
use crate::platform::netsh::{self, Dynamic};
use crate::platform::{PortRanges, Reading};

/// How long one `netsh` may take before it is ended.
const LIMIT: Duration = Duration::from_secs(5);
/// How long an answer counts as fresh.
const FRESH: Duration = Duration::from_mins(1);

type Ranges = Reading<Vec<PortSpace>>;

/// [`PortRanges`] of Windows.
pub struct Netsh(Result<Latest<Ranges>, Ranges>);

impl Netsh {
    pub fn new() -> Self {
        let waiting = unknown(Reason::StillReading);
        Self(
            Latest::new("netsh", FRESH, waiting, ask_all)
                .map_err(|error| unknown(Reason::Error(format!("no thread to run netsh: {error}")))),
        )
    }
}

impl PortRanges for Netsh {
    fn read(&mut self) -> Ranges {
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

fn unknown(reason: Reason) -> Ranges {
    let value = SpaceId::all_of(NamespaceId::ONLY).map(|id| PortSpace { id, dynamic: None });
    Reading { value: value.into(), gaps: vec![Gap::new(Missing::Range(None), reason)] }
}

/// Asks for all four at once: one `netsh` takes its time to start.
fn ask_all() -> Ranges {
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
pub(super) fn program(limit: Duration) -> Result<netsh::Netsh, CallError> {
    Ok(netsh::Netsh { program: system_directory()?.join("netsh.exe"), limit, elevated: elevated() })
}
