//! From suspect to fix: kill, close, set the range, undo. Plan → confirm → apply → verify → audit.
//!
//! A plan is a pure value made from what was seen: it says in numbers what will happen, with which
//! commands, what to think of first, and why it can't be done. Only a plan without refusals can be
//! [confirmed](Plan::confirm), and only a confirmed plan can be applied, by an [`Executor`], which
//! exists only with a [`License`]. What was done is read back, never assumed.
//!
//! Who asks the person, and how, is the caller's: a dialog or the command line. Both ask a [`service`];
//! a [`worker`] answers whoever can't wait.

pub mod audit;
pub mod close;
mod executor;
pub mod kill;
mod lines;
mod patience;
mod plan;
pub mod probe;
pub mod range;
pub mod service;
mod state;
pub mod why;
pub mod worker;

#[cfg(test)]
mod tests;

pub use executor::{Done, Executor, License, NotDone};
pub use plan::{Basis, Confirmed, Plan, Refusal};
pub use state::StateDirectory;
