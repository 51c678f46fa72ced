//! Services: which ones a process runs, and which of them a socket belongs to.

pub mod ffi;
pub mod format;
pub mod stop;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use compact_str::{CompactString, format_compact};
use jiff::Timestamp;

use super::background::{Latest, Lookup};
use crate::model::{Gap, Missing, Owner};
use crate::platform::clock;

/// How long the list of services counts as fresh.
const FRESH: Duration = Duration::from_secs(10);

/// The services that run, by process.
#[derive(Clone, Default)]
struct Listed {
    by_pid: Arc<HashMap<u32, CompactString>>,
    taken: Option<Timestamp>,
    error: Option<String>,
}

/// The services of processes.
pub struct Services(Result<Latest<Listed>, String>);

impl Services {
    pub fn new() -> Self {
        let latest = Latest::new("services", FRESH, Listed::default(), list);
        Self(latest.map_err(|error| format!("no thread to ask for them: {error}")))
    }

    /// What runs by now, and what to say when that is not known.
    pub fn running(&mut self) -> (Running, Option<Gap>) {
        let listed = match &mut self.0 {
            Ok(latest) => latest.get(),
            Err(error) => Listed { error: Some(error.clone()), ..Listed::default() },
        };
        let unread = listed.error.as_ref().map(|error| Gap::error(Missing::Services, error));
        (Running(listed), unread)
    }
}

/// One list of running services.
pub struct Running(Listed);

impl Running {
    /// The services of a process, by name, separated by commas. A process that is younger than the list
    /// is not in it, whatever its number says.
    pub fn of(&self, pid: u32, started: Option<Timestamp>) -> Option<CompactString> {
        (started <= self.0.taken).then(|| self.0.by_pid.get(&pid).cloned()).flatten()
    }
}

fn list() -> Listed {
    let taken = Some(clock::now());
    match ffi::running() {
        Err(error) => Listed { error: Some(error.to_string()), ..Listed::default() },
        Ok(mut services) => {
            services.sort_unstable();
            let mut by_pid: HashMap<u32, CompactString> = HashMap::new();
            for (pid, name) in services {
                let names = by_pid.entry(pid).or_default();
                *names = if names.is_empty() { name.into() } else { format_compact!("{names}, {name}") };
            }
            Listed { by_pid: Arc::new(by_pid), taken, error: None }
        }
    }
}

/// The service a socket of a shared process belongs to, by its tag.
pub type Tags = Lookup<(Owner, u32), CompactString>;

pub fn tags() -> Tags {
    Lookup::new("service tags", |(owner, tag): &(Owner, u32)| ffi::by_tag(owner.pid.0, *tag).map(Into::into))
}
