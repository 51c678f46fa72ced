//! porttop: who holds this machine's ports.
//!
//! One direction of flow, one module a step:
//!
//! [`platform`] (OS calls) → [`source`] → [`model::Snapshot`] (what was seen) → [`monitor`] (when; it holds
//! the [`analysis`] and its [`history`]) → [`analysis::Picture`] (what it means) → the screen and the exports.
//!
//! [`remedy`] acts on it: plan → confirm → apply → verify → audit.
//!
//! Everything right of the source is pure: the same snapshots in, the same picture out.

pub mod analysis;
pub mod cli;
pub mod export;
pub mod history;
pub mod model;
pub mod monitor;
pub mod platform;
pub mod remedy;
pub mod source;
pub mod text;
pub mod tui;
