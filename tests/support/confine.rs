//! porttop where system calls are refused (`tests/lab/confine.rs`).

use std::ffi::OsString;

use rustix::io::Errno;

use super::porttop_path;

/// The words before a command that make these system calls of it fail with `errno`; see the program for how
/// a call is written.
pub fn refusing(calls: &str, errno: Errno) -> Vec<OsString> {
    let confine = porttop_path().with_file_name("examples").join("confine");
    assert!(confine.exists(), "{} is missing: cargo build --example confine", confine.display());
    vec![confine.into(), errno.raw_os_error().to_string().into(), calls.into()]
}
