//! What the integration tests share: the lab they prove counts in, the terminal they look at, and the
//! program under test.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

pub mod confine;
pub mod crowd;
pub mod lab;
#[path = "../lab/protocol.rs"]
pub mod protocol;
pub mod pty;
pub mod report;
pub mod scenario;
pub mod trace;

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;

/// The porttop under test: the one cargo has just built, or the one in `PORTTOP_BIN_DIR`, for runs as
/// a user who can't read the build directory.
pub fn porttop_path() -> PathBuf {
    match env::var_os("PORTTOP_BIN_DIR") {
        Some(directory) => PathBuf::from(directory).join("porttop"),
        None => PathBuf::from(env!("CARGO_BIN_EXE_porttop")),
    }
}

/// Says why a test can't be run here; fails instead where nothing may be skipped.
pub fn skip(reason: &str) {
    assert!(env::var_os("PORTTOP_NO_SKIP").is_none(), "may not be skipped here: {reason}");
    // Past the capture of the test harness, which shows what eprintln says only when a test fails.
    io::stderr().write_all(format!("skipped: {reason}\n").as_bytes()).unwrap();
}
