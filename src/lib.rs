//! porttop: who holds this machine's ports.
//!
//! One direction of flow, one module a step:
//!
//! `platform` (OS calls) → `sampler` (when) → [`model::Snapshot`] (what was seen) → `analysis` (what it
//! means) → `analysis::Picture` → `tui` and `export`.
//!
//! Everything right of the snapshot is pure: the same snapshots in, the same picture out.

pub mod model;
pub mod platform;
