//! What porttop survives: limits, refused system calls, other `/proc`s, hostile files and lost terminals,
//! each met by the real binary. The table of them is `assets/faults.md`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod namespace;
mod support;

#[path = "faults/actions.rs"]
mod actions;
#[path = "faults/binds.rs"]
mod binds;
#[path = "faults/files.rs"]
mod files;
#[path = "faults/memory.rs"]
mod memory;
#[path = "faults/nat.rs"]
mod nat;
#[path = "faults/range.rs"]
mod range;
#[path = "faults/reads.rs"]
mod reads;
#[path = "faults/reuse.rs"]
mod reuse;
#[path = "faults/settings.rs"]
mod settings;
#[path = "faults/terminal.rs"]
mod terminal;
#[path = "faults/text.rs"]
mod text;
#[path = "faults/unread.rs"]
mod unread;
#[path = "faults/verdict.rs"]
mod verdict;
