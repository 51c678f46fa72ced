//! Processes through sysinfo.

use std::collections::HashMap;
use std::sync::Arc;

use compact_str::{CompactString, ToCompactString as _};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind, Users};

use super::super::program::program;
use super::super::{Processes, Reading};
use crate::model::{Gap, Missing, Owner, Pid, Process, Reason, StartTime};

/// The processes sysinfo sees.
#[derive(Default)]
pub(super) struct SysinfoProcesses {
    system: Option<System>,
    users: Option<Users>,
    before: HashMap<Owner, Arc<Process>>,
}

/// Every process as it is now.
pub(super) fn refreshed(
    system: &mut Option<System>,
    shown: ProcessRefreshKind,
) -> Result<&System, sysinfo::Error> {
    let system = match system {
        Some(system) => system,
        none => none.insert(System::new()?),
    };
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, shown.without_tasks());
    Ok(system)
}

fn described(process: &sysinfo::Process, users: Option<&Users>) -> Process {
    let program = program(process);
    let user = process.user_id().map(|id| {
        let user = users.and_then(|users| users.get_user_by_id(id));
        user.map_or_else(|| id.to_compact_string(), |user| user.name().into())
    });
    Process {
        windows: None,
        namespace: None,
        owner: owner(process),
        name: CompactString::from(process.name().to_string_lossy()),
        path: program.path,
        command_line: program.command_line,
        user,
        started: program.started,
        parent: process.parent().map(|pid| Pid(pid.as_u32())),
        handles: process.open_files().and_then(|count| u64::try_from(count).ok()),
        service: None,
    }
}

/// The identity of a process: seconds since 1970 is as close as sysinfo looks.
pub(super) fn owner(process: &sysinfo::Process) -> Owner {
    Owner { pid: Pid(process.pid().as_u32()), started: StartTime(process.start_time()) }
}

impl Processes for SysinfoProcesses {
    fn list(&mut self) -> Reading<HashMap<Owner, Arc<Process>>> {
        // Not on Windows, where sysinfo 0.40 makes a slice of a null pointer when there is no logon session:
        // users are shown by their SID there.
        if self.users.is_none() && !cfg!(windows) {
            self.users = Users::new_with_refreshed_list().ok();
        }
        let shown = ProcessRefreshKind::nothing()
            .with_exe(UpdateKind::OnlyIfNotSet)
            .with_cmd(UpdateKind::OnlyIfNotSet)
            .with_user(UpdateKind::OnlyIfNotSet)
            .without_tasks();
        let system = match refreshed(&mut self.system, shown) {
            Ok(system) => system,
            Err(error) => {
                let gap = Gap::error(Missing::Processes, format!("sysinfo: {error}"));
                return Reading { value: HashMap::new(), gaps: vec![gap] };
            }
        };
        let mut processes = HashMap::with_capacity(self.before.len());
        for process in system.processes().values().filter(|process| !is_kernel_thread(process)) {
            let now = described(process, self.users.as_ref());
            let shared = self.before.get(&now.owner).filter(|before| ***before == now).cloned();
            processes.insert(now.owner, shared.unwrap_or_else(|| Arc::new(now)));
        }
        self.before.clone_from(&processes);
        let uncounted = processes.values().filter(|process| process.handles.is_none()).count();
        let mut gaps = Vec::new();
        if uncounted > 0 {
            gaps.push(Gap::new(Missing::HandleCounts(Some(uncounted)), Reason::AccessDenied));
        }
        Reading { value: processes, gaps }
    }
}

/// Linux: `kthreadd`, which is process 2 and runs no program, and its children.
#[cfg(target_os = "linux")]
fn is_kernel_thread(process: &sysinfo::Process) -> bool {
    let kthreadd = sysinfo::Pid::from_u32(2);
    process.cmd().is_empty()
        && process.exe().is_none()
        && (process.pid() == kthreadd || process.parent() == Some(kthreadd))
}

#[cfg(not(target_os = "linux"))]
fn is_kernel_thread(_: &sysinfo::Process) -> bool {
    false
}
