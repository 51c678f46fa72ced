//! Processes: one call lists them all; what that does not say is asked of each of them once.

pub mod ffi;
pub mod format;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use compact_str::CompactString;

use self::ffi::OpenedProcess;
use self::format::Entry;
use super::background::Lookup;
use super::ffi::CallError;
use super::services::{Running, Services};
use super::token::ffi::Sid;
use crate::model::{Gap, Integrity, Missing, Owner, Pid, Process, Reason, Remedy, StartTime, WindowsProcess};
use crate::platform::windows::format::timestamp;
use crate::platform::{Processes, Reading};

/// The list of processes that is shared between those who need it within one tick.
#[derive(Default)]
pub struct Alive(Mutex<Option<Arc<[Entry]>>>);

impl Alive {
    /// Asks for the list and leaves it for [`Alive::take`].
    pub fn read(&self) -> Result<Arc<[Entry]>, CallError> {
        let entries: Arc<[Entry]> = ffi::processes()?.into();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&entries));
        Ok(entries)
    }

    /// The list that was left, once, so that it is never older than a tick; otherwise a fresh one.
    fn take(&self) -> Result<Arc<[Entry]>, CallError> {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        left.map_or_else(|| ffi::processes().map(Into::into), Ok)
    }
}

/// The identity of a listed process.
pub fn owner(entry: &Entry) -> Owner {
    Owner { pid: Pid(entry.pid), started: StartTime(entry.created) }
}

/// What has to be asked of a process itself. It does not change while the process lives.
#[derive(Default)]
struct Detail {
    path: Option<String>,
    command_line: Option<String>,
    user: Option<Sid>,
    integrity: Option<Integrity>,
    critical: Option<bool>,
    refused: bool,
}

impl Detail {
    fn ask(owner: Owner) -> Self {
        let process = match OpenedProcess::to_ask(owner) {
            Ok(process) => process,
            Err(error) => return Self { refused: error.is_refusal(), ..Self::default() },
        };
        let token = process.token().ok();
        Self {
            path: process.path().ok(),
            command_line: process.command_line().ok(),
            user: token.as_ref().and_then(|token| token.user().ok()),
            integrity: token.as_ref().and_then(|token| token.integrity().ok()),
            critical: process.is_critical().ok(),
            refused: false,
        }
    }
}

/// [`Processes`] of Windows.
pub struct Details {
    alive: Arc<Alive>,
    elevated: bool,
    known: HashMap<Owner, Detail>,
    accounts: Lookup<Sid, CompactString>,
    services: Services,
}

impl Details {
    pub fn new(alive: Arc<Alive>, elevated: bool) -> Self {
        // A domain controller may have to be asked; until it answers, the SID stands for the account.
        let accounts = Lookup::new("accounts", |sid: &Sid| sid.account().map(Into::into));
        Self { alive, elevated, known: HashMap::new(), accounts, services: Services::new() }
    }

    fn describe(&mut self, entry: &Entry, created: &HashMap<u32, u64>, running: &Running) -> Process {
        let owner = owner(entry);
        let detail = self.known.entry(owner).or_insert_with(|| Detail::ask(owner));
        let started = timestamp(entry.created);
        Process {
            owner,
            name: entry.name.as_str().into(),
            path: detail.path.clone(),
            command_line: detail.command_line.clone(),
            user: detail.user.as_ref().and_then(|sid| account(&mut self.accounts, sid)),
            started,
            parent: parent(entry, created),
            handles: entry.handles.map(u64::from),
            service: running.of(entry.pid, started),
            namespace: None,
            windows: Some(WindowsProcess {
                session: entry.session,
                integrity: detail.integrity,
                critical: detail.critical,
            }),
        }
    }

    fn gaps(&self, listed: &HashMap<Owner, Arc<Process>>) -> Vec<Gap> {
        let refused = self.known.values().filter(|detail| detail.refused).count();
        let mut gaps = Vec::new();
        if refused > 0 {
            let subject = Missing::ProcessDetails(refused);
            gaps.push(if self.elevated {
                Gap::new(subject, Reason::Protected)
            } else {
                Gap::new(subject, Reason::AccessDenied).fixed_by(Remedy::Administrator)
            });
        }
        if self.known.values().any(|detail| detail.path.is_some())
            && self.known.values().all(|detail| detail.command_line.is_none())
        {
            gaps.push(Gap::new(Missing::CommandLines, Reason::NotTold));
        }
        if !listed.is_empty() && listed.values().all(|process| process.handles.is_none()) {
            gaps.push(Gap::new(Missing::HandleCounts(None), Reason::NotTold));
        }
        gaps
    }
}

impl Processes for Details {
    fn list(&mut self) -> Reading<HashMap<Owner, Arc<Process>>> {
        let entries = match self.alive.take() {
            Ok(entries) => entries,
            Err(error) => {
                let unread = Gap::error(Missing::Processes, error);
                return Reading { value: HashMap::new(), gaps: vec![unread] };
            }
        };
        let created: HashMap<u32, u64> = entries.iter().map(|entry| (entry.pid, entry.created)).collect();
        let (running, no_services) = self.services.running();
        // Process 0 is the idle time of the processors and no process.
        let value: HashMap<_, _> = entries
            .iter()
            .filter(|entry| entry.pid != 0)
            .map(|entry| (owner(entry), Arc::new(self.describe(entry, &created, &running))))
            .collect();
        self.known.retain(|owner, _| value.contains_key(owner));
        let mut gaps = self.gaps(&value);
        gaps.extend(no_services);
        Reading { value, gaps }
    }
}

/// The name of an account, as far as it is known by now.
fn account(accounts: &mut Lookup<Sid, CompactString>, sid: &Sid) -> Option<CompactString> {
    accounts.get(sid).or_else(|| sid.text().map(Into::into))
}

/// The parent, unless its number belongs by now to a process that is younger than its child.
fn parent(entry: &Entry, created: &HashMap<u32, u64>) -> Option<Pid> {
    let parent = entry.parent?;
    let reused = created.get(&parent).is_some_and(|created| *created > entry.created);
    (!reused).then_some(Pid(parent))
}
