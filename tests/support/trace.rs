//! The trace under test: tracefs, where this machine lets us have it.

use std::ffi::OsString;
use std::process::Command;

use rustix::process::geteuid;

use super::skip;

const TRACEPOINT: &str = "/sys/kernel/tracing/events/sock/inet_sock_set_state/format";

/// Words before a command that give it tracefs, mounted for it alone, in the same process.
pub fn with_tracefs() -> Vec<OsString> {
    let mount = "mount -t tracefs nodev /sys/kernel/tracing 2>/dev/null; exec \"$@\"";
    ["unshare", "--mount", "sh", "-c", mount, "sh"].map(Into::into).into()
}

/// Whether this machine lets us trace; a word about it when it doesn't.
pub fn can_trace() -> bool {
    let words = with_tracefs();
    let mut probe = Command::new(&words[0]);
    probe.args(&words[1..]).args(["test", "-r", TRACEPOINT]);
    let can = geteuid().is_root() && probe.status().is_ok_and(|status| status.success());
    if !can {
        skip("tracepoints can't be read here, or only by root");
    }
    can
}
