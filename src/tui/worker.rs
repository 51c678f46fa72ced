//! Works something out on a thread of its own: it takes as long as it takes, and the screen does not wait
//! for it.

use std::io;
use std::sync::mpsc::{self, Receiver};
use std::thread;

/// The running thread; it ends when this is dropped.
pub struct Worker<R> {
    requests: mpsc::Sender<R>,
}

impl<R: Send + 'static> Worker<R> {
    /// Starts it. It works on one request after the other, and may look at those that wait; what comes of it
    /// goes to `deliver`, which says whether it is still wanted.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start<A>(
        name: &str,
        mut work: impl FnMut(R, &Receiver<R>) -> A + Send + 'static,
        deliver: impl Fn(A) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel();
        thread::Builder::new().name(name.into()).spawn(move || {
            while let Ok(request) = inbox.recv() {
                if !deliver(work(request, &inbox)) {
                    return;
                }
            }
        })?;
        Ok(Self { requests })
    }

    /// Asks for something.
    pub fn ask(&self, request: R) {
        self.requests.send(request).ok();
    }
}
