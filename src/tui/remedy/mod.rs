//! From suspect to fix, on the screen: the state of the dialogs and of the view of the ranges, what the
//! keys do there, and the desk at which it is done.
//!
//! [`desk`] is the only one that does anything, on threads of its own; everything else is state. What a
//! plan promises and refuses is decided in [`crate::remedy`], never here.

mod act;
pub mod desk;
mod question;
mod ranges;
mod seen;

pub use act::{answered, concerns, pasted, run, seen, typed};
pub use desk::{Answer, Deed, Desk, Next, Report, Request};
pub use question::{About, Button, Outcome, OwnForm, ProbeForm, Question};
pub use ranges::{Choice, Ranges, choice, plan_of};
pub use seen::{MOMENT, Seen};
