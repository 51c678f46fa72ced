//! Lists the handles of a process on a thread of its own.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::worker::Worker;
use crate::model::{Gap, Handles, Owner};
use crate::platform::{HandleLists, Reading};

/// What a list of handles has come to.
pub type Listed = Result<Arc<Reading<Handles>>, Gap>;

/// Starts it.
///
/// # Errors
/// When the system gives no thread.
pub fn start(
    mut lists: Box<dyn HandleLists>,
    deliver: impl Fn((Owner, Listed)) -> bool + Send + 'static,
) -> io::Result<Worker<Owner>> {
    let list = move |owner, _: &Receiver<Owner>| (owner, lists.list(owner).map(Arc::new));
    Worker::start("handles", list, deliver)
}
