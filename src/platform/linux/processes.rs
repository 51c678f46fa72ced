//! The processes that are alive. What can't change is read once for each of them.

use std::collections::HashMap as StdHashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use compact_str::{CompactString, ToCompactString as _};
use foldhash::{HashMap, HashMapExt as _};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use super::super::program::{Program, program};
use super::super::{Processes, Reading, files};
use super::owners::RIGHTS;
use super::proc::{Proc, Task};
use super::{cgroup, procfs, users};
use crate::model::{Gap, Missing, Owner, Pid, Process, Reason};

/// A process is described anew after so many readings, because `exec` changes all but its identity.
/// One that changes its name is described anew at once.
const TURN: u64 = 30;
/// The longest name the kernel keeps (`TASK_COMM_LEN` less its NUL).
const COMM_LEN: usize = 15;

/// A process as it was described before.
struct Described {
    process: Arc<Process>,
    comm: CompactString,
    at: u64,
}

/// A process that is alive now.
struct Alive {
    owner: Owner,
    comm: CompactString,
    parent: Pid,
    handles: Option<u64>,
}

/// Reads processes from `/proc`, their programs through sysinfo.
pub(super) struct ProcProcesses {
    proc: Proc,
    users: HashMap<u32, CompactString>,
    described: HashMap<Owner, Described>,
    reading: u64,
    /// Whether the kernel counts descriptors (since 6.2).
    counts: bool,
    /// Whether `/proc` hides processes from us.
    hides: bool,
    /// Whether the last reading was refused a process.
    refused: bool,
}

impl ProcProcesses {
    pub fn open() -> Self {
        let mut proc = Proc::open();
        // We have descriptors: a count of none says that they are not counted.
        let own = proc.descriptors(Pid(std::process::id()));
        Self {
            proc,
            users: users::names(&files::read(Path::new("/etc/passwd")).unwrap_or_default()),
            described: HashMap::new(),
            reading: 0,
            counts: own.is_some_and(|own| own.count > 0),
            hides: procfs::hides_others(),
            refused: false,
        }
    }

    fn alive(&mut self) -> io::Result<Vec<Alive>> {
        let mut pids = Vec::new();
        self.proc.pids(&mut pids)?;
        self.refused = false;
        let mut alive = Vec::with_capacity(pids.len());
        for pid in pids {
            let stat = match self.proc.stat(pid) {
                Ok(Some(stat)) => stat,
                Ok(None) => continue,
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    self.refused = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if stat.kernel_thread {
                continue;
            }
            let (owner, parent, ended) = (stat.owner, stat.parent, stat.ended);
            let comm = CompactString::from_utf8_lossy(stat.comm);
            let task = match ended.then(|| self.proc.identify(pid)).transpose()?.flatten() {
                Some((_, task)) => task,
                None => pid.into(),
            };
            alive.push(Alive { owner, comm, parent, handles: self.handles(task) });
        }
        Ok(alive)
    }

    fn handles(&mut self, task: Task) -> Option<u64> {
        if self.counts {
            self.proc.descriptors(task).map(|descriptors| descriptors.count)
        } else {
            self.proc.count_descriptors(task).ok()
        }
    }

    /// Describes the processes whose program is not known or may be another one by now.
    fn describe(&mut self, alive: &[Alive]) {
        let stale: Vec<&Alive> = alive
            .iter()
            .filter(|alive| {
                self.described
                    .get(&alive.owner)
                    .is_none_or(|known| known.comm != alive.comm || self.reading - known.at >= TURN)
            })
            .collect();
        let pids: Vec<sysinfo::Pid> =
            stale.iter().map(|alive| sysinfo::Pid::from_u32(alive.owner.pid.0)).collect();
        if pids.is_empty() {
            return;
        }
        let shown = ProcessRefreshKind::nothing()
            .with_exe(UpdateKind::Always)
            .with_cmd(UpdateKind::Always)
            .with_user(UpdateKind::Always)
            .without_tasks();
        let mut system = System::new();
        if let Ok(system) = &mut system {
            system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, shown);
        }
        for (alive, pid) in stale.into_iter().zip(pids) {
            let program = system.as_ref().ok().and_then(|system| system.process(pid)).map(program);
            let described = self.description(alive, program.unwrap_or_default());
            self.described.insert(alive.owner, described);
        }
    }

    fn description(&mut self, alive: &Alive, program: Program) -> Described {
        let user =
            program.uid.map(|uid| self.users.get(&uid).cloned().unwrap_or_else(|| uid.to_compact_string()));
        let namespace = self.proc.namespace(alive.owner.pid);
        let cgroup = self.proc.read(alive.owner.pid, "/cgroup").ok().map(String::from_utf8_lossy);
        let process = Process {
            windows: None,
            namespace,
            owner: alive.owner,
            name: full_name(&alive.comm, program.path.as_deref(), program.command_line.as_deref()),
            user,
            started: program.started,
            parent: (alive.parent != Pid(0)).then_some(alive.parent),
            handles: alive.handles,
            service: cgroup.and_then(|text| cgroup::service(&text)),
            path: program.path,
            command_line: program.command_line,
        };
        Described { process: Arc::new(process), comm: alive.comm.clone(), at: self.reading }
    }

    /// Whether there are processes that we are not shown.
    fn hidden(&self) -> Option<Gap> {
        let reason = if self.hides {
            Reason::HiddenInProc
        } else if self.refused {
            Reason::AccessDenied
        } else {
            return None;
        };
        Some(Gap::new(Missing::Processes, reason).fixed_by(RIGHTS))
    }
}

fn uncounted(alive: &[Alive]) -> Option<Gap> {
    let count = alive.iter().filter(|alive| alive.handles.is_none()).count();
    (count > 0)
        .then(|| Gap::new(Missing::HandleCounts(Some(count)), Reason::OtherUsers(count)).fixed_by(RIGHTS))
}

impl Processes for ProcProcesses {
    fn list(&mut self) -> Reading<StdHashMap<Owner, Arc<Process>>> {
        self.reading += 1;
        let alive = match self.alive() {
            Ok(alive) => alive,
            Err(error) => {
                let gap = Gap::error(Missing::Processes, format!("/proc: {error}"));
                return Reading { value: StdHashMap::new(), gaps: vec![gap] };
            }
        };
        self.describe(&alive);
        let mut described = HashMap::with_capacity(alive.len());
        let mut processes = StdHashMap::with_capacity(alive.len());
        for alive in &alive {
            let Some(mut known) = self.described.remove(&alive.owner) else { continue };
            known.update(alive);
            processes.insert(alive.owner, Arc::clone(&known.process));
            described.insert(alive.owner, known);
        }
        self.described = described;
        Reading { value: processes, gaps: self.hidden().into_iter().chain(uncounted(&alive)).collect() }
    }
}

impl Described {
    /// Takes over what changes while a process lives; nothing is copied when nothing has.
    fn update(&mut self, alive: &Alive) {
        let parent = (alive.parent != Pid(0)).then_some(alive.parent);
        if self.process.handles != alive.handles || self.process.parent != parent {
            let process = Arc::make_mut(&mut self.process);
            process.handles = alive.handles;
            process.parent = parent;
        }
    }
}

/// The name of a process, whole where the kernel has cut it and its program tells how it goes on.
fn full_name(comm: &str, path: Option<&str>, command_line: Option<&str>) -> CompactString {
    if comm.len() < COMM_LEN {
        return comm.into();
    }
    let argument = command_line.and_then(|line| line.split(' ').next());
    [path, argument]
        .into_iter()
        .flatten()
        .filter_map(|path| path.trim_end_matches(" (deleted)").rsplit('/').next())
        .find(|name| name.starts_with(comm))
        .unwrap_or(comm)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("nginx", Some("/usr/sbin/nginx-debug"), None, "nginx")]
    #[case("systemd-journal", Some("/usr/lib/systemd/systemd-journald"), None, "systemd-journald")]
    #[case("systemd-journal", Some("/usr/lib/systemd/systemd-journald (deleted)"), None, "systemd-journald")]
    #[case(
        "run-the-reports",
        Some("/usr/bin/perl"),
        Some("/opt/run-the-reports.pl -v"),
        "run-the-reports.pl"
    )]
    #[case("worker thread 1", Some("/usr/bin/java"), Some("java -jar x"), "worker thread 1")]
    #[case("exactly15chars_", None, None, "exactly15chars_")]
    fn a_cut_name_is_completed(
        #[case] comm: &str,
        #[case] path: Option<&str>,
        #[case] line: Option<&str>,
        #[case] expected: &str,
    ) {
        assert_eq!(full_name(comm, path, line), expected);
    }

    #[test]
    fn we_are_among_them_and_copied_only_when_changed() {
        let mut processes = ProcProcesses::open();
        let find = |reading: Reading<StdHashMap<Owner, Arc<Process>>>| {
            reading.value.into_values().find(|process| process.owner.pid.0 == std::process::id()).unwrap()
        };
        let first = find(processes.list());
        assert_eq!(first.path.as_deref(), std::env::current_exe().unwrap().to_str());
        assert_eq!(first.parent, Some(Pid(std::os::unix::process::parent_id())));
        assert!(first.command_line.is_some() && first.user.is_some() && first.started.is_some());
        assert!(first.handles.is_some_and(|count| count > 2));
    }

    #[test]
    fn kernel_threads_are_left_out() {
        let processes = ProcProcesses::open().list().value;
        assert!(processes.values().all(|process| &*process.name != "kthreadd"));
    }

    #[test]
    fn a_process_that_becomes_another_program_is_described_anew() {
        use std::io::{BufRead as _, BufReader, Write as _};
        use std::process::{Command, Stdio};
        let mut child = Command::new("sh")
            .args(["-c", "echo ready; read line; exec sleep 60"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let mut processes = ProcProcesses::open();
        let pid = Pid(child.id());
        let mut find = || processes.list().value.into_values().find(|p| p.owner.pid == pid).unwrap();
        let before = find();
        assert!(before.command_line.as_deref().unwrap().contains("exec sleep 60"));
        assert!(Arc::ptr_eq(&before, &find()), "nothing has changed");
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        let after = loop {
            let process = find();
            if process.name == "sleep" {
                break process;
            }
            std::thread::yield_now();
        };
        assert_eq!(after.owner, before.owner);
        assert!(after.path.as_deref() != before.path.as_deref() || after.command_line != before.command_line);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
