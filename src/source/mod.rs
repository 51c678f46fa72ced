//! Where snapshots come from: this machine first of all.
//!
//! Whatever stands right of a source does not know which one it is. A source says what was seen and nothing
//! more: what that means is decided in [`crate::analysis`], how often it is asked in [`crate::monitor`].

mod live;
#[cfg(test)]
pub(crate) mod script;

use std::sync::Arc;

pub use live::Live;

use crate::model::{Host, NamespaceId, Snapshot};
use crate::platform::HandleLists;

/// Where snapshots come from.
pub trait Source: Send {
    /// What it shows.
    fn origin(&self) -> Origin;

    /// Takes the next look; none when there is nothing more to see. One that takes its time shows `part` what
    /// it has so far, which is not [`crate::model::Progress::Complete`].
    fn look(&mut self, part: &mut dyn FnMut(&Snapshot)) -> Option<Snapshot>;

    /// Waits for what is slow to be read the first time, a few seconds at the most: for whoever looks only
    /// once.
    fn wait_first(&mut self) {}

    /// What lists the handles of a process, once: there is none beside a source that is not live.
    fn handles(&mut self) -> Option<Box<dyn HandleLists>> {
        None
    }
}

/// What a source shows.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The machine.
    pub host: Arc<Host>,
    /// The network namespace.
    pub namespace: NamespaceId,
    /// Whether it is this machine as it is now. Nothing can be changed beside a source that is not.
    pub live: bool,
}
