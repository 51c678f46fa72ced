//! `/proc` as a directory: which processes there are, and what their descriptors refer to. Reads and
//! returns; remembers nothing.

use std::fmt::{self, Display, Write as _};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::thread;

use rustix::fs::{
    AtFlags, Mode, OFlags, RawDir, SeekFrom, StatxFlags, getxattr, openat, readlinkat_raw, statx,
};
use rustix::io::Errno;
use rustix::path::DecInt;

use super::stat::{Stat, number};
use super::{procfs, read};
use crate::model::{NamespaceId, Owner, Pid};

/// Enough for some 200 directory entries at a time.
const DIRECTORY_BUFFER: usize = 8 * 1024;
/// `/proc/PID/stat` is a line of about 350 bytes.
const STAT_BUFFER: usize = 2 * 1024;

/// So many links are worth a thread, which costs about as much as reading ten of them.
const MANY: usize = 1024;
const MOST_THREADS: usize = 4;

/// The open `/proc`, one for all: porttop has to get by with few descriptors.
static DIRECTORY: OnceLock<OwnedFd> = OnceLock::new();

/// An open `/proc`, with room to read into. Where none could be opened, every call tries again.
pub(super) struct Proc {
    entries: Box<[MaybeUninit<u8>]>,
    line: Vec<u8>,
    path: String,
    descriptors: Vec<u32>,
}

/// A process, and the thread through which its descriptors are reached: the first one, unless that has ended
/// before the others and has none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pid: Pid,
    thread: Option<Pid>,
}

impl Task {
    /// Whether it is reached through another thread than the first.
    pub fn is_detour(self) -> bool {
        self.thread.is_some()
    }
}

impl From<Pid> for Task {
    fn from(pid: Pid) -> Self {
        Self { pid, thread: None }
    }
}

/// Its directory below `/proc`.
impl Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.thread {
            None => self.pid.fmt(f),
            Some(thread) => write!(f, "{}/task/{thread}", self.pid),
        }
    }
}

/// What `stat` of `/proc/PID/fd` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptors {
    /// How many there are; the kernel counts them since 6.2 and says 0 before.
    pub count: u64,
    /// The user whose process it is; root when the process may not be looked into.
    pub uid: u32,
}

impl Proc {
    pub fn open() -> Self {
        // Kept open from the start: a machine out of files can still be read.
        let _ = directory();
        Self {
            entries: vec![MaybeUninit::uninit(); DIRECTORY_BUFFER].into(),
            line: Vec::with_capacity(STAT_BUFFER),
            path: String::new(),
            descriptors: Vec::new(),
        }
    }

    /// The processes there are, in ascending order.
    pub fn pids(&mut self, pids: &mut Vec<Pid>) -> io::Result<()> {
        pids.clear();
        // Others list it too, each from its own start.
        let listing = open_below(directory()?, ".", OFlags::RDONLY | OFlags::DIRECTORY)?;
        each_number(listing.as_fd(), &mut self.entries, |pid| pids.push(Pid(pid)))?;
        pids.sort_unstable();
        Ok(())
    }

    /// Reads `/proc/PID/stat`; nothing when the process is gone.
    pub fn stat(&mut self, pid: Pid) -> io::Result<Option<Stat<'_>>> {
        match self.read(pid, "/stat") {
            Ok(line) => Ok(Stat::parse(line)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Who has this pid, and how its descriptors are reached; nothing when the process is gone.
    pub fn identify(&mut self, pid: Pid) -> io::Result<Option<(Owner, Task)>> {
        let Some(stat) = self.stat(pid)? else { return Ok(None) };
        let (owner, detour) = (stat.owner, stat.ended && stat.threads > 1);
        let thread = if detour { self.live_thread(pid)? } else { None };
        Ok(Some((owner, Task { pid, thread })))
    }

    /// A thread of a process that has not ended.
    fn live_thread(&mut self, pid: Pid) -> io::Result<Option<Pid>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut threads = Vec::new();
        match open_below(directory()?, path(&mut self.path, pid, "/task"), flags) {
            Ok(directory) => {
                each_number(directory.as_fd(), &mut self.entries, |thread| threads.push(Pid(thread)))?;
            }
            Err(errno) if is_gone(&errno.into()) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(threads.into_iter().find(|thread| {
            let line = self.read(Task { pid, thread: Some(*thread) }, "/stat");
            line.ok().and_then(Stat::parse).is_some_and(|stat| !stat.ended)
        }))
    }

    /// Asks about `/proc/PID/fd`; nothing when the process is gone.
    pub fn descriptors(&mut self, task: impl Into<Task>) -> Option<Descriptors> {
        let path = path(&mut self.path, task, "/fd");
        let wanted = StatxFlags::SIZE | StatxFlags::UID;
        let stat = statx(directory().ok()?, path, AtFlags::empty(), wanted).ok()?;
        Some(Descriptors { count: stat.stx_size, uid: stat.stx_uid })
    }

    /// Appends the inodes of the sockets a process holds, in the order of its descriptors, as
    /// (inode, descriptor).
    pub fn socket_inodes(&mut self, task: impl Into<Task>, found: &mut Vec<(u32, u32)>) -> io::Result<()> {
        let list = self.open_descriptors(task)?;
        let refused = self.sockets_among(&list, |_| false, threads(), found)?;
        refused.map_or(Ok(()), |errno| Err(errno.into()))
    }

    /// Opens the list of a process's descriptors, to be read again and again.
    pub fn open_descriptors(&mut self, task: impl Into<Task>) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        Ok(open_below(directory()?, path(&mut self.path, task, "/fd"), flags)?)
    }

    /// Appends the sockets among what such a list has now, as (inode, descriptor), but for the descriptors to
    /// be left out.
    pub fn sockets_in(
        &mut self,
        list: &OwnedFd,
        leave_out: impl FnMut(u32) -> bool,
        found: &mut Vec<(u32, u32)>,
    ) -> io::Result<()> {
        rustix::fs::seek(list, SeekFrom::Start(0))?;
        self.sockets_among(list, leave_out, 1, found).map(drop)
    }

    /// The same of a list that was not read yet, by so many threads, and why one could not be read.
    fn sockets_among(
        &mut self,
        list: &OwnedFd,
        mut leave_out: impl FnMut(u32) -> bool,
        threads: usize,
        found: &mut Vec<(u32, u32)>,
    ) -> io::Result<Option<Errno>> {
        self.descriptors.clear();
        each_number(list.as_fd(), &mut self.entries, |fd| {
            if !leave_out(fd) {
                self.descriptors.push(fd);
            }
        })?;
        let (sockets, refused) = sockets_of(list, &self.descriptors, threads);
        found.extend(sockets);
        Ok(refused)
    }

    /// The network namespace a process is in, where that may be known.
    pub fn namespace(&mut self, pid: Pid) -> Option<NamespaceId> {
        self.namespace_through(pid.into()).or_else(|| {
            let (_, task) = self.identify(pid).ok()??;
            if task.is_detour() { self.namespace_through(task) } else { None }
        })
    }

    fn namespace_through(&mut self, task: Task) -> Option<NamespaceId> {
        let path = path(&mut self.path, task, "/ns/net");
        let stat = statx(directory().ok()?, path, AtFlags::empty(), StatxFlags::INO).ok()?;
        NamespaceId::of_inode(stat.stx_ino)
    }

    /// Counts the descriptors of a process one by one, on kernels that do not.
    pub fn count_descriptors(&mut self, task: Task) -> io::Result<u64> {
        let list = self.open_descriptors(task)?;
        let mut count = 0;
        each_number(list.as_fd(), &mut self.entries, |_| count += 1)?;
        Ok(count)
    }

    /// Reads a small file of a process, whole.
    pub fn read(&mut self, task: impl Into<Task>, file: &str) -> io::Result<&[u8]> {
        read::below(directory()?, path(&mut self.path, task, file), &mut self.line)?;
        Ok(&self.line)
    }
}

/// Whether a descriptor is a TCP socket, by the name of its protocol, `TCP` or `TCPv6`.
pub(super) fn is_tcp(task: Task, descriptor: u32) -> io::Result<bool> {
    let mut value = [0; 32];
    let length = getxattr(format!("/proc/{task}/fd/{descriptor}"), "system.sockprotoname", &mut value)?;
    // The name comes with its NUL.
    Ok(matches!(value.get(..length), Some(b"TCP\0" | b"TCPv6\0")))
}

/// Whether an error only says that the process ended meanwhile.
pub(super) fn is_gone(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::NOENT | Errno::SRCH))
}

fn path<'a>(buffer: &'a mut String, task: impl Into<Task>, file: &str) -> &'a str {
    buffer.clear();
    // Writing to a string can't fail.
    let _ = write!(buffer, "{}{file}", task.into());
    buffer
}

/// `/proc`, if that is a proc file system.
fn directory() -> io::Result<&'static OwnedFd> {
    if let Some(directory) = DIRECTORY.get() {
        return Ok(directory);
    }
    if !procfs::is_there() {
        return Err(procfs::absent());
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open("/proc", flags, Mode::empty())?;
    Ok(DIRECTORY.get_or_init(|| directory))
}

fn open_below(directory: &OwnedFd, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    openat(directory, path, flags | OFlags::CLOEXEC, Mode::empty())
}

/// Calls for every entry of a directory whose name is a number.
fn each_number(
    directory: BorrowedFd<'_>,
    buffer: &mut [MaybeUninit<u8>],
    mut each: impl FnMut(u32),
) -> io::Result<()> {
    let mut entries = RawDir::new(directory, buffer);
    while let Some(entry) = entries.next() {
        if let Some(value) = number(entry?.file_name().to_bytes()) {
            each(value);
        }
    }
    Ok(())
}

/// How many threads may share the work of a look.
pub(super) fn threads() -> usize {
    static THREADS: OnceLock<usize> = OnceLock::new();
    *THREADS.get_or_init(|| thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS))
}

/// The sockets among some descriptors of a process as (inode, descriptor), in their order, and why one of them
/// could not be read. Reading a link is nearly all work of the kernel's: several threads share many of them.
fn sockets_of(directory: &OwnedFd, descriptors: &[u32], threads: usize) -> (Vec<(u32, u32)>, Option<Errno>) {
    if threads > 1 && descriptors.len() >= MANY {
        let (here, there) = descriptors.split_at(descriptors.len() / 2);
        return thread::scope(|scope| {
            let there = || sockets_of(directory, there, threads / 2);
            // Where the system gives no thread, this one does it all.
            let helper = thread::Builder::new().spawn_scoped(scope, there).ok();
            let (mut found, refused) = sockets_of(directory, here, threads.div_ceil(2));
            let joined = helper.and_then(|helper| helper.join().ok());
            let (more, also_refused) = joined.unwrap_or_else(there);
            found.extend(more);
            (found, refused.or(also_refused))
        });
    }
    let mut found = Vec::with_capacity(descriptors.len());
    let mut refused = None;
    for fd in descriptors {
        let mut target = [MaybeUninit::uninit(); 32];
        match readlinkat_raw(directory, DecInt::new(*fd), target.as_mut_slice()) {
            Ok((target, _)) => found.extend(socket_inode(target).map(|inode| (inode, *fd))),
            // Closed since it was listed.
            Err(Errno::NOENT) => {}
            Err(errno) => refused = Some(errno),
        }
    }
    (found, refused)
}

/// The inode in the target of a descriptor's link, `socket:[123]`.
fn socket_inode(target: &[u8]) -> Option<u32> {
    number(target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(b"socket:[123]", Some(123))]
    #[case(b"socket:[4294967295]", Some(u32::MAX))]
    #[case(b"socket:[4294967296]", None)]
    #[case(b"socket:[]", None)]
    #[case(b"socket:[+1]", None)]
    #[case(b"socket:[12", None)]
    #[case(b"pipe:[12]", None)]
    #[case(b"/tmp/socket:[12]", None)]
    fn only_a_socket_has_a_socket_inode(#[case] target: &[u8], #[case] inode: Option<u32>) {
        assert_eq!(socket_inode(target), inode);
    }

    #[test]
    fn several_threads_find_the_same_in_the_same_order() {
        use std::os::fd::AsRawFd as _;
        let open = [(); 2].map(|()| std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
        let descriptors = open.each_ref().map(|socket| u32::try_from(socket.as_raw_fd()).unwrap());
        let many: Vec<u32> = descriptors.into_iter().cycle().take(4 * MANY + 1).chain([u32::MAX]).collect();
        let path = format!("{}/fd", std::process::id());
        let own = open_below(directory().unwrap(), &path, OFlags::RDONLY | OFlags::DIRECTORY).unwrap();
        let alone = sockets_of(&own, &many, 1);
        assert_eq!(alone.0.iter().map(|(_, fd)| *fd).collect::<Vec<_>>(), many[..many.len() - 1]);
        for threads in 2..=4 {
            assert_eq!(sockets_of(&own, &many, threads), alone, "{threads}");
        }
    }

    #[test]
    fn we_are_in_proc_with_our_sockets() {
        use std::os::fd::AsRawFd as _;
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let me = Pid(std::process::id());
        let mut proc = Proc::open();
        let (mut pids, mut found) = (Vec::new(), Vec::new());
        proc.pids(&mut pids).unwrap();
        assert!(pids.contains(&me) && pids.is_sorted());
        proc.socket_inodes(me, &mut found).unwrap();
        let inode = u32::try_from(rustix::fs::fstat(&socket).unwrap().st_ino).unwrap();
        let fd = u32::try_from(socket.as_raw_fd()).unwrap();
        assert!(found.contains(&(inode, fd)), "{found:?}");
        // Twice the same: the directory is read from its start again.
        let first = pids.len();
        proc.pids(&mut pids).unwrap();
        assert!(first > 0 && pids.contains(&me));
    }
}
