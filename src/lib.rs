//! porttop: who holds this machine's ports.
//!
//! One direction of flow, one module a step:
//!
//! [`platform`] (OS calls) → [`sampler`] (when) → [`model::Snapshot`] (what was seen) → [`analysis`]
//! (what it means, in the light of [`history`]) → [`analysis::Picture`] → the screen and the exports.
//!
//! [`remedy`] acts on it: plan → confirm → apply → verify → audit.
//!
//! Everything right of the snapshot is pure: the same snapshots in, the same picture out.

pub mod analysis;
pub mod cli;
pub mod export;
pub mod history;
pub mod model;
pub mod platform;
pub mod remedy;
pub mod sampler;
pub mod text;
pub mod tui;
