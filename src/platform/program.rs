//! What sysinfo tells of the program a process runs, for every backend that asks it.

use std::ffi::OsStr;

use jiff::Timestamp;

/// What sysinfo tells of the program a process runs.
#[derive(Default)]
pub(super) struct Program {
    pub path: Option<String>,
    pub command_line: Option<String>,
    pub started: Option<Timestamp>,
    #[cfg(target_os = "linux")]
    pub uid: Option<u32>,
}

/// Copies it from sysinfo; what it has not read is `None`.
pub(super) fn program(process: &sysinfo::Process) -> Program {
    let command_line = process.cmd().join(OsStr::new(" ")).to_string_lossy().into_owned();
    let started = i64::try_from(process.start_time()).ok().filter(|seconds| *seconds > 0);
    Program {
        path: process.exe().map(|path| path.to_string_lossy().into_owned()).filter(|path| !path.is_empty()),
        command_line: (!command_line.is_empty()).then_some(command_line),
        started: started.and_then(|seconds| Timestamp::from_second(seconds).ok()),
        #[cfg(target_os = "linux")]
        uid: process.user_id().map(|uid| **uid),
    }
}
