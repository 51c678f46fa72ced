//! Moving the dynamic range, and moving it back.
//!
//! `change` says what is set from what to what, `plan` puts it into words and decides, `apply` takes the
//! steps and restores them when one fails, `journal` keeps what undo needs.

mod apply;
mod change;
mod journal;
mod plan;

pub use apply::RangeOutcome;
pub(super) use apply::{apply, apply_elevated};
pub use change::{RangeChange, SpaceChange, command};
pub use journal::{Journal, Noted};
pub use plan::RangePlan;
