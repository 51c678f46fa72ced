//! Which machine this is, as far as sysinfo knows.

use sysinfo::System;

use crate::model::Host;
use crate::platform::system;

pub(super) fn host(elevated: bool) -> Host {
    let os = System::long_os_version().unwrap_or_else(|_| std::env::consts::OS.into());
    Host { name: System::host_name().unwrap_or_default().into(), os: os.into(), system: system(), elevated }
}

/// Whether porttop runs as root.
#[cfg(unix)]
pub(in crate::platform) fn elevated() -> bool {
    let (Ok(mut system), Ok(own)) = (System::new(), sysinfo::get_current_pid()) else { return false };
    let user = sysinfo::ProcessRefreshKind::nothing().with_user(sysinfo::UpdateKind::Always).without_tasks();
    system.refresh_processes_specifics(sysinfo::ProcessesToUpdate::Some(&[own]), false, user);
    let process = system.process(own);
    process.and_then(sysinfo::Process::effective_user_id).is_some_and(|uid| **uid == 0)
}

/// Nobody here knows.
#[cfg(not(any(unix, windows)))]
pub(in crate::platform) fn elevated() -> bool {
    false
}
