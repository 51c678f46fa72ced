use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::range::Difference;
use crate::model::{Family, Missing, Observed, Owner, Pid, Protocol};
use crate::platform::control::{ControlError, Store};
use crate::text::{safe, thousands};

/// Something that will be done once a person says yes.
pub trait Plan: Sized {
    /// Its name in the audit: `kill`, `close`, `set_range`, `undo_range`.
    fn action(&self) -> &'static str;

    /// The exact commands or calls, in their order. Text from outside in them is safe to show.
    fn commands(&self) -> Vec<String>;

    /// What will happen, in sentences with the numbers.
    fn promises(&self) -> Vec<String>;

    /// What to think of first.
    fn cautions(&self) -> Vec<String>;

    /// Why it can't be done; empty when it can.
    fn refusals(&self) -> &[Refusal];

    /// The person said yes.
    ///
    /// # Errors
    /// The first reason why it can't be done.
    fn confirm(self) -> Result<Confirmed<Self>, Refusal> {
        match self.refusals().first() {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(Confirmed(self)),
        }
    }
}

/// A plan that can be done and that a person said yes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Confirmed<P>(P);

impl<P> Confirmed<P> {
    /// What was said yes to.
    pub const fn plan(&self) -> &P {
        &self.0
    }

    /// The same, to keep.
    pub fn into_plan(self) -> P {
        self.0
    }
}

/// Why something is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Pid 0, 1, 2 or 4, or a kernel thread.
    #[error("{pid} is {what}: the system does not run without it")]
    System {
        /// Its number.
        pid: Pid,
        /// What has this number.
        what: &'static str,
    },
    /// A process whose end takes the system down.
    #[error("{name} ({pid}) is critical: when it ends, so does the system")]
    Critical {
        /// Its number.
        pid: Pid,
        /// Its name, safe to show.
        name: String,
    },
    /// porttop itself.
    #[error("{0} is porttop itself")]
    Ourselves(Pid),
    /// It was not there when the plan was made, or can't be touched.
    #[error("{what}: {why}")]
    CannotBe {
        /// What.
        what: String,
        /// Why.
        why: ControlError,
    },
    /// There is nothing to do it to.
    #[error("{0}")]
    Nothing(String),
    /// It would overwrite what somebody else has set.
    #[error(
        "somebody changed it since porttop did: {}. To set it all the same: {instead}",
        .differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    ChangedSince {
        /// What is not as porttop left it.
        differences: Vec<Difference>,
        /// The command that sets what was before.
        instead: String,
    },
}

impl Refusal {
    /// Nothing is planned where the range now is not known.
    pub(super) fn unknown_range() -> Self {
        Self::Nothing("the range now is not known: it could not be restored".into())
    }

    /// The same of one port space.
    pub(super) fn unknown_range_of(family: Family, protocol: Protocol, store: Store) -> Self {
        let (protocol, family) = (protocol.key(), family.key());
        let which = match store {
            Store::Active => format!("the {protocol} range of {family} now"),
            Store::Persistent => format!("the {protocol} range of {family} after the next start"),
        };
        Self::Nothing(format!("{which} is not known: it could not be restored"))
    }
}

/// What a plan is made from: what was seen, and who we are.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    /// What was seen.
    pub snapshot: &'a Observed,
    /// The process number of porttop.
    pub own_pid: Pid,
    /// Processes that we may not end, as [`crate::remedy::Executor::forbidden`] found.
    pub forbidden: &'a HashMap<Owner, ControlError>,
    /// How long a TIME_WAIT lasts here, where that is known.
    pub time_wait: Option<Duration>,
}

impl Basis<'_> {
    /// The processes that porttop hangs on: the shell, the terminal, the session.
    pub(super) fn ancestors(&self) -> Vec<Owner> {
        let by_pid = |pid| self.snapshot.processes.values().find(|process| process.owner.pid == pid);
        let mut ancestors = Vec::new();
        let mut child = by_pid(self.own_pid);
        while let Some(process) = child {
            let parent = process.parent.filter(|parent| parent.0 > 1).and_then(by_pid);
            // A parent that is younger is another process with the number of one that is gone.
            child = parent.filter(|parent| {
                parent.owner.started <= process.owner.started && !ancestors.contains(&parent.owner)
            });
            ancestors.extend(child.map(|parent| parent.owner));
        }
        ancestors
    }

    /// What the snapshot could not read either.
    pub(super) fn gaps(&self) -> Vec<Missing> {
        self.snapshot.gaps.iter().map(|gap| gap.subject.clone()).collect()
    }

    pub(super) fn name(&self, owner: Owner) -> String {
        let process = self.snapshot.processes.get(&owner);
        process.map_or_else(
            || format!("process {}", owner.pid),
            |process| format!("{} ({})", safe(&process.name), owner.pid),
        )
    }
}

/// Which listeners there will be no more, in a sentence.
pub(super) fn lost_listeners(listeners: &[SocketAddr]) -> Option<String> {
    match listeners {
        [] => None,
        few if few.len() <= 4 => {
            let list: Vec<_> = few.iter().map(ToString::to_string).collect();
            Some(format!("Nobody listens any more on {}.", list.join(", ")))
        }
        many => Some(format!("{} listeners end.", thousands(many.len() as u64))),
    }
}
