//! Lists handles on a thread of its own: it takes as long as it takes, and neither the screen nor the
//! monitor waits for it.

use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use super::action::Action;
use crate::model::Owner;
use crate::platform::HandleLists;

/// The running thread; it ends when this is dropped.
pub struct HandleWorker {
    requests: mpsc::Sender<Owner>,
}

impl HandleWorker {
    /// Starts it; what it lists goes to `deliver`, which says whether it is still wanted.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        mut lists: Box<dyn HandleLists>,
        deliver: impl Fn(Action) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel();
        thread::Builder::new().name("handles".into()).spawn(move || {
            for owner in inbox {
                let listed = lists.list(owner).map(Arc::new);
                if !deliver(Action::Handles(owner, listed)) {
                    return;
                }
            }
        })?;
        Ok(Self { requests })
    }

    /// Asks for the handles of a process.
    pub fn list(&self, owner: Owner) {
        self.requests.send(owner).ok();
    }
}
