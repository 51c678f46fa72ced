//! Moving the dynamic range, and moving it back.
//!
//! `change` says what is set from what to what, `plan` puts it into words and decides, `apply` takes the
//! steps and restores them when one fails, `journal` keeps what undo needs, `undo` plans the way back.

mod apply;
mod change;
mod journal;
mod plan;
mod undo;

pub use apply::RangeOutcome;
pub(super) use apply::{apply, apply_elevated};
pub use change::{Difference, RangeChange, SpaceChange, command};
pub use journal::{Journal, JournalEntry, LastChange, Origin};
pub use plan::RangePlan;
