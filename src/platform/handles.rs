//! The ability to list what one process has open.

use crate::model::{HandleGroup, Owner};
use crate::platform::Reading;

/// Lists the handles or file descriptors of one process.
pub trait Handles: Send {
    /// All of them by kind, the largest group first.
    ///
    /// Takes a moment, but never hangs: what does not answer in time stays without a name. It is asked
    /// for one process on a person's wish, off the thread that draws and off the one that samples.
    fn of(&mut self, owner: Owner) -> Reading<Vec<HandleGroup>>;
}
