//! From suspect to fix, on the screen: the state of the dialogs and of the view of the ranges, what the
//! keys do there.
//!
//! All of it is state: what is asked for goes to a [`crate::remedy::worker`], and what a plan promises and
//! refuses is decided in [`crate::remedy`], never here.

mod act;
mod answers;
mod question;
mod ranges;
mod report;
mod seen;

pub use act::{concerns, pasted, run, seen, typed, unseen};
pub use answers::answered;
pub use question::{About, Button, Outcome, OwnForm, ProbeForm, Question, Working};
pub use ranges::{Choice, RangeWish, Ranges, choice, plan_of};
pub use report::{Report, ReportKind};
pub use seen::{MOMENT, Seen};
