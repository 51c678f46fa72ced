//! What one process has open: the descriptors of `/proc/PID/fd`.
//!
//! Nothing here waits for a file system: names come from the kernel's own memory, and what a path
//! refers to is asked only where the file system behind it is of this machine.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use compact_str::CompactString;
use rustix::fs::{AtFlags, CWD, FileType, StatxFlags, getxattr, statx};

use super::super::{HandleLists, Reading, Sockets};
use super::limits::handle_limit;
use super::owners::RIGHTS;
use super::proc::{Proc, Task, is_gone};
use super::read;
use super::stat::number;
use crate::model::{Attribution, Gap, Handle, HandleKind, Handles, Holders, Missing, Owner, Reason, Socket};

/// File systems that answer from memory or from a disk of this machine.
const LOCAL: [&str; 21] = [
    "bpf",
    "btrfs",
    "cgroup",
    "cgroup2",
    "debugfs",
    "devpts",
    "devtmpfs",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "hugetlbfs",
    "mqueue",
    "overlay",
    "proc",
    "ramfs",
    "squashfs",
    "sysfs",
    "tmpfs",
    "tracefs",
    "xfs",
];
/// `O_DIRECTORY` as `fdinfo` shows it in `flags`, in octal.
const DIRECTORY: u32 = libc::O_DIRECTORY.unsigned_abs();

/// Lists descriptors and joins those of sockets with the tables.
pub(super) struct ProcHandles<S> {
    proc: Proc,
    sockets: S,
}

impl<S: Sockets> ProcHandles<S> {
    pub fn new(proc: Proc, sockets: S) -> Self {
        Self { proc, sockets }
    }

    /// How the descriptors of this very process are reached.
    fn reach(&mut self, owner: Owner) -> Result<Task, Gap> {
        match self.proc.identify(owner.pid) {
            Ok(Some((now, task))) if now == owner => Ok(task),
            Ok(_) => Err(refused(owner, Reason::Ended)),
            Err(error) => Err(refused(owner, Reason::Error(error.to_string()))),
        }
    }

    /// The sockets of this namespace by inode, if any is asked for.
    fn known(&mut self, handles: &[Descriptor]) -> Reading<HashMap<u32, Socket>> {
        if handles.iter().all(|handle| handle.inode.is_none()) {
            return Reading::whole(HashMap::new());
        }
        let Reading { value, gaps } = self.sockets.list();
        let by_inode = value.into_iter().filter_map(|socket| Some((socket.inode()?, socket))).collect();
        Reading { value: by_inode, gaps }
    }
}

impl<S: Sockets> HandleLists for ProcHandles<S> {
    fn list(&mut self, owner: Owner) -> Result<Reading<Handles>, Gap> {
        let task = self.reach(owner)?;
        let (descriptors, unread) = descriptors(task).map_err(|error| {
            if is_gone(&error) {
                return refused(owner, Reason::Ended);
            }
            refused(owner, Reason::Error(error.to_string())).fixed_by(RIGHTS)
        })?;
        let limit = handle_limit(&mut self.proc, owner);
        // Whatever was read between two sights of the same process was its own.
        if self.reach(owner)? != task {
            return Err(refused(owner, Reason::Error("a thread of it has ended meanwhile".into())));
        }
        let Reading { value: known, mut gaps } = self.known(&descriptors);
        if unread > 0 {
            gaps.push(Gap::new(Missing::HandleNames(unread), Reason::AccessDenied).fixed_by(RIGHTS));
        }
        let handles = descriptors
            .into_iter()
            .map(|Descriptor { number, kind, name, inode }| {
                let socket = inode.and_then(|inode| known.get(&inode)).map(|socket| {
                    let mut socket = socket.clone();
                    (socket.holders, socket.attribution) = (Holders::One(owner), Attribution::Exact);
                    Box::new(socket)
                });
                Handle { number, kind, name, socket }
            })
            .collect();
        Ok(Reading { value: Handles { owner, handles, limit }, gaps })
    }
}

const fn refused(owner: Owner, reason: Reason) -> Gap {
    Gap::new(Missing::HandlesOf(owner.pid), reason)
}

/// One entry of `/proc/PID/fd`.
#[derive(Debug, PartialEq, Eq)]
struct Descriptor {
    number: u64,
    kind: HandleKind,
    name: Option<String>,
    /// Of a socket.
    inode: Option<u32>,
}

/// The descriptors of whoever this is, and how many could not be read.
fn descriptors(task: Task) -> io::Result<(Vec<Descriptor>, usize)> {
    let mounts = local_mounts(&read::bytes(format!("/proc/{task}/mountinfo")).unwrap_or_default());
    let (mut descriptors, mut unread) = (Vec::new(), 0);
    for entry in fs::read_dir(format!("/proc/{task}/fd"))? {
        let entry = entry?;
        let Some(number) = number(entry.file_name().as_bytes()) else { continue };
        match fs::read_link(entry.path()) {
            Ok(target) => {
                let target = target.into_os_string().into_vec();
                descriptors.push(descriptor(task, number, &target, &mounts));
            }
            // Closed since it was listed.
            Err(error) if is_gone(&error) => {}
            Err(_) => unread += 1,
        }
    }
    Ok((descriptors, unread))
}

fn descriptor(task: Task, number: u64, target: &[u8], mounts: &HashSet<u64>) -> Descriptor {
    let link = format!("/proc/{task}/fd/{number}");
    let text = String::from_utf8_lossy(target).into_owned();
    let (kind, name, inode) = match Target::of(target) {
        Target::Socket(inode) => (HandleKind::Socket, protocol(&link), inode),
        Target::Pipe => (HandleKind::Pipe, Some(text), None),
        Target::Namespace => (HandleKind::Other("namespace".into()), Some(text), None),
        Target::Other(kind) => (HandleKind::Other(kind), None, None),
        Target::Memory => (HandleKind::Other("memfd".into()), Some(text), None),
        Target::Path => {
            let info = read::bytes(format!("/proc/{task}/fdinfo/{number}")).unwrap_or_default();
            (behind(&link, target, &info, mounts), Some(text), None)
        }
    };
    Descriptor { number, kind, name, inode }
}

/// What the link of a descriptor says.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Socket(Option<u32>),
    Pipe,
    Namespace,
    Memory,
    Path,
    Other(CompactString),
}

impl Target {
    fn of(target: &[u8]) -> Self {
        if target.starts_with(b"/memfd:") {
            return Self::Memory;
        }
        if target.starts_with(b"/") {
            return Self::Path;
        }
        let text = String::from_utf8_lossy(target);
        if let Some(kind) = text.strip_prefix("anon_inode:") {
            let kind = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')).unwrap_or(kind);
            return Self::Other(if kind == "eventpoll" { "epoll" } else { kind }.into());
        }
        let (kind, rest) = text.split_once(":[").unwrap_or((&text, ""));
        match kind {
            "socket" => Self::Socket(rest.strip_suffix(']').and_then(|inode| number(inode.as_bytes()))),
            "pipe" => Self::Pipe,
            "cgroup" | "ipc" | "mnt" | "net" | "pid" | "time" | "user" | "uts" => Self::Namespace,
            _ => Self::Other(kind.into()),
        }
    }
}

/// What a path refers to, without waiting for a file system that may not answer.
fn behind(link: &str, target: &[u8], info: &[u8], mounts: &HashSet<u64>) -> HandleKind {
    let flags = info_field(info, b"flags:").and_then(|flags| u32::from_str_radix(flags, 8).ok());
    if flags.is_some_and(|flags| flags & DIRECTORY != 0) {
        return HandleKind::Directory;
    }
    let mount = info_field(info, b"mnt_id:").and_then(|id| number(id.as_bytes()));
    if !mount.is_some_and(|mount| mounts.contains(&mount)) {
        let device = target.starts_with(b"/dev/") && !target.starts_with(b"/dev/shm/");
        return if device { HandleKind::Device } else { HandleKind::File };
    }
    let kind = statx(CWD, link, AtFlags::STATX_DONT_SYNC, StatxFlags::TYPE)
        .map(|stat| FileType::from_raw_mode(stat.stx_mode.into()));
    match kind {
        Ok(FileType::Directory) => HandleKind::Directory,
        Ok(FileType::Fifo) => HandleKind::Pipe,
        Ok(FileType::CharacterDevice | FileType::BlockDevice) => HandleKind::Device,
        Ok(FileType::Socket) => HandleKind::Socket,
        _ => HandleKind::File,
    }
}

/// A line of `/proc/PID/fdinfo/N`, `mnt_id: 15`.
fn info_field<'a>(info: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let value = info.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name))?;
    std::str::from_utf8(value.trim_ascii()).ok()
}

/// The mounts whose file system is [`LOCAL`]: the first field of lines of `/proc/PID/mountinfo`,
/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw` (proc(5)).
fn local_mounts(mountinfo: &[u8]) -> HashSet<u64> {
    let text = String::from_utf8_lossy(mountinfo);
    let local = |line: &str| {
        let (mount, source) = line.split_once(" - ")?;
        let kind = source.split(' ').next()?;
        LOCAL.contains(&kind).then(|| number(mount.split(' ').next()?.as_bytes()))?
    };
    text.lines().filter_map(local).collect()
}

/// The protocol of a socket as the kernel names it, `UNIX`, also where it is in no table.
fn protocol(link: &str) -> Option<String> {
    let mut name = [0; 32];
    let length = getxattr(link, "system.sockprotoname", &mut name).ok()?;
    let name = name.get(..length)?.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use std::net::TcpListener;
    use std::os::fd::AsRawFd as _;

    use crate::model::{Pid, StartTime, State};
    use crate::platform::linux::own_namespace;
    use crate::platform::linux::sockets::NetlinkSockets;

    #[rstest]
    #[case(b"socket:[123]", Target::Socket(Some(123)))]
    #[case(b"socket:[x]", Target::Socket(None))]
    #[case(b"pipe:[4]", Target::Pipe)]
    #[case(b"net:[4026531840]", Target::Namespace)]
    #[case(b"anon_inode:[eventpoll]", Target::Other("epoll".into()))]
    #[case(b"anon_inode:[eventfd]", Target::Other("eventfd".into()))]
    #[case(b"anon_inode:inotify", Target::Other("inotify".into()))]
    #[case(b"anon_inode:[", Target::Other("[".into()))]
    #[case(b"/memfd:x (deleted)", Target::Memory)]
    #[case(b"/tmp/socket:[1]", Target::Path)]
    #[case(b"/", Target::Path)]
    #[case(b"novel", Target::Other("novel".into()))]
    fn the_link_says_what_it_is(#[case] target: &[u8], #[case] expected: Target) {
        assert_eq!(Target::of(target), expected);
    }

    #[test]
    fn only_mounts_of_this_machine_are_local() {
        let text = b"36 35 98:0 / / rw,noatime master:1 - ext4 /dev/root rw\n\
                     40 36 0:40 / /home rw - nfs4 server:/home rw\n41 36 0:41 / /run rw shared:2 - tmpfs t rw\n\
                     42 36 0:42 / /a\\040-\\040ext4 rw - fuse.sshfs ext4 rw\nx - ext4\n- ext4\n";
        assert_eq!(local_mounts(text), HashSet::from([36, 41]));
    }

    #[rstest]
    #[case("/dev/null", "flags:\t02\nmnt_id:\t40\n", HandleKind::Device)]
    #[case("/dev/shm/x", "flags:\t02\nmnt_id:\t40\n", HandleKind::File)]
    #[case("/home/me", "flags:\t0200000\nmnt_id:\t40\n", HandleKind::Directory)]
    #[case("/home/me/x", "", HandleKind::File)]
    fn what_may_not_answer_is_not_asked(
        #[case] target: &str,
        #[case] info: &str,
        #[case] expected: HandleKind,
    ) {
        // The link is one that would fail, or be a directory if it were followed.
        let kind = behind("/proc/self", target.as_bytes(), info.as_bytes(), &HashSet::from([36]));
        assert_eq!(kind, expected);
    }

    proptest! {
        #[test]
        fn any_text_will_do(text: Vec<u8>) {
            let _ = (Target::of(&text), local_mounts(&text), info_field(&text, b""));
        }
    }

    fn handles() -> ProcHandles<NetlinkSockets> {
        ProcHandles::new(Proc::open(), NetlinkSockets::open(own_namespace().unwrap()))
    }

    fn me() -> Owner {
        Proc::open().stat(Pid(std::process::id())).unwrap().unwrap().owner
    }

    #[test]
    fn each_of_ours_is_what_we_opened() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let file = fs::File::create(&path).unwrap();
        let folder = fs::File::open(directory.path()).unwrap();
        let null = fs::File::open("/dev/null").unwrap();
        let (reader, _writer) = io::pipe().unwrap();
        let event = rustix::event::eventfd(0, rustix::event::EventfdFlags::empty()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let twin = listener.try_clone().unwrap();
        let (unix, _) = std::os::unix::net::UnixStream::pair().unwrap();

        let reading = handles().list(me()).unwrap();
        assert_eq!(reading.gaps, []);
        assert_eq!(
            reading.value.limit,
            rustix::process::getrlimit(rustix::process::Resource::Nofile).current
        );
        let find = |fd: i32| {
            let number = u64::try_from(fd).unwrap();
            reading.value.handles.iter().find(|handle| handle.number == number).unwrap()
        };
        assert_eq!(find(file.as_raw_fd()).kind, HandleKind::File);
        assert_eq!(find(file.as_raw_fd()).name.as_deref(), path.to_str());
        assert_eq!(find(folder.as_raw_fd()).kind, HandleKind::Directory);
        assert_eq!(find(null.as_raw_fd()).kind, HandleKind::Device);
        assert_eq!(find(reader.as_raw_fd()).kind, HandleKind::Pipe);
        assert_eq!(find(event.as_raw_fd()).kind, HandleKind::Other("eventfd".into()));
        let unix = find(unix.as_raw_fd());
        assert_eq!((&unix.kind, unix.socket.is_some()), (&HandleKind::Socket, false));
        assert!(unix.name.as_deref().is_some_and(|name| name.starts_with("UNIX")));
        for fd in [listener.as_raw_fd(), twin.as_raw_fd()] {
            let socket = find(fd).socket.as_ref().unwrap();
            assert_eq!((socket.state, socket.local()), (State::Listen, listener.local_addr().unwrap()));
            assert_eq!(socket.holders, Holders::One(me()));
        }
    }

    #[test]
    fn another_process_of_that_pid_is_not_listed() {
        let other = Owner { started: StartTime(me().started.0 - 1), ..me() };
        assert_eq!(handles().list(other).unwrap_err().reason, Reason::Ended);
    }
}
