//! A source for tests: it shows what it is given.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use super::{Origin, Source};
use crate::analysis::tests_support::snapshot;
use crate::model::{Progress, Snapshot};

/// Shows what it is given, one snapshot a look, and waits for it. It ends when no more can come.
pub struct Script(Receiver<Snapshot>);

impl Script {
    /// A source, and where to put what it is to show.
    pub fn new() -> (Self, Sender<Snapshot>) {
        let (given, looks) = mpsc::channel();
        (Self(looks), given)
    }

    /// A source that shows these and ends.
    pub fn of(snapshots: impl IntoIterator<Item = Snapshot>) -> Self {
        let (script, given) = Self::new();
        snapshots.into_iter().for_each(|snapshot| given.send(snapshot).unwrap());
        script
    }
}

impl Source for Script {
    fn origin(&self) -> Origin {
        let Snapshot { host, namespace, .. } = snapshot(Vec::new());
        Origin { host: Arc::clone(&host), namespace, live: false }
    }

    fn look(&mut self, part: &mut dyn FnMut(&Snapshot)) -> Option<Snapshot> {
        let snapshot = self.0.recv().ok()?;
        part(&Snapshot { progress: Progress::Sockets, ..snapshot.clone() });
        Some(snapshot)
    }
}
