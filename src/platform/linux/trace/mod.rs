//! Watches connections close and ports being refused through tracepoints (`perf_event_open(2)`).
//!
//! `sock:inet_sock_set_state` with the state `FIN_WAIT1` is passed by the process that closes first, the
//! one whose the TIME_WAIT will be. `syscalls:sys_exit_connect` with EADDRNOTAVAIL and
//! `syscalls:sys_exit_bind` with EADDRINUSE for port 0 say that there was no port.
//!
//! Nothing is left behind: the events are descriptors of this process and vanish with it.
//!
//! Whether `bind()` asked for port 0 is read from the address on its caller's stack, where most programs
//! and runtimes have it. Where it is elsewhere (Perl, for one), the call is counted apart: it may have asked
//! for a port of its own choice that another socket has. `EADDRNOTAVAIL` has another cause too: a
//! destination that no local address leads to, as IPv6 without an IPv6 address.
//!
//! What it costs: while the calls are watched, every system call of the machine takes some 40 ns more,
//! and stopping takes some 100 ms, in which the kernel waits for those under way.
//!
//! What it does not see: UDP sockets that are given their port by `connect()` or `sendto()`, whose
//! `EAGAIN` means too much else; system calls of 32-bit programs on a 64-bit kernel and those made
//! through `io_uring` (their closes it does see); processors that come online later; processes outside
//! the own PID namespace.

mod collector;
mod ffi;
mod format;
mod lives;
mod record;
mod refused;
mod sources;
mod tracefs;
mod tracepoint;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use compact_str::CompactString;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use self::collector::{Clock, Collector};
use self::ffi::{Ring, Wanted};
use self::format::Format;
use self::lives::Alive;
use self::refused::refused;
use self::sources::{Source, formats, tracepoints};
use super::super::{Reading, Tracing};
use super::descriptors;
use super::proc::Proc;
use super::read;
use crate::model::{NamespaceId, Owner, Pid, StartTime, Trace, TracePart};

/// The ring buffer of a processor: as large as anyone may lock (`perf_event_mlock_kb`, 516 KiB with its
/// first page), and less where there are many processors.
const RING: usize = 512 * 1024;
const RING_LEAST: usize = 32 * 1024;
const RINGS: usize = 16 * 1024 * 1024;

/// Starts to watch, where that is possible; otherwise and beside it, what can't be watched and why.
pub(super) fn open(start: Instant) -> Reading<Option<Box<dyn Tracing>>> {
    let (formats, mut missing) = formats();
    if formats.is_empty() {
        return Reading { value: None, gaps: missing };
    }
    match PerfTrace::start(&formats, start) {
        Ok(trace) => Reading { value: Some(Box::new(trace)), gaps: missing },
        Err(error) => {
            missing.push(refused(TracePart::Whole, "perf_event_open", &error));
            Reading { value: None, gaps: missing }
        }
    }
}

/// The trace, read by whoever asks and by a thread of its own when much has come together.
struct PerfTrace {
    reader: Arc<Mutex<Reader>>,
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

/// The rings and what was made of them so far.
struct Reader {
    rings: Vec<Ring>,
    /// Events that write to the ring of another one; open as long as they are to.
    _guests: Vec<OwnedFd>,
    collector: Collector<Proc>,
    bytes: Vec<u8>,
    /// From when on times are told.
    start: Instant,
    /// Whether those that were there before the trace are known.
    ready: bool,
}

impl PerfTrace {
    fn start(formats: &[(&'static Source, Format)], start: Instant) -> io::Result<Self> {
        let reader = Reader::open(formats, start)?;
        let rings: Vec<_> = reader.rings.iter().map(|ring| Arc::clone(ring.event())).collect();
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let reader = Arc::new(Mutex::new(reader));
        let thread = std::thread::Builder::new().name("trace".into()).spawn({
            let (reader, stop) = (Arc::clone(&reader), Arc::clone(&stop));
            move || {
                let there = processes();
                lock(&reader).found(there);
                watch(&reader, &rings, &stop);
            }
        })?;
        Ok(Self { reader, stop, thread: Some(thread) })
    }
}

impl Tracing for PerfTrace {
    fn drain(&mut self) -> Reading<Trace> {
        let mut reader = lock(&self.reader);
        reader.read();
        Reading::whole(reader.collector.take())
    }
}

impl Drop for PerfTrace {
    fn drop(&mut self) {
        let stopped = rustix::io::write(&self.stop, &1u64.to_ne_bytes()).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| stopped) {
            // A thread that panicked has nothing more to say here.
            let _ = thread.join();
        }
    }
}

/// Reads the rings whenever one of them fills up, until it is told to stop.
fn watch(reader: &Mutex<Reader>, rings: &[Arc<OwnedFd>], stop: &OwnedFd) {
    let mut polled = vec![PollFd::new(stop, PollFlags::IN)];
    polled.extend(rings.iter().map(|ring| PollFd::new(ring, PollFlags::IN)));
    loop {
        match poll(&mut polled, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        if !polled[0].revents().is_empty() {
            return;
        }
        // The ring of a processor that went offline has an end, which poll would tell for ever.
        polled.retain(|fd| !fd.revents().intersects(PollFlags::HUP | PollFlags::ERR));
        lock(reader).read();
    }
}

impl Reader {
    fn open(formats: &[(&'static Source, Format)], start: Instant) -> io::Result<Self> {
        let cpus = online(&read::text("/sys/devices/system/cpu/online")?)
            .ok_or_else(|| io::Error::other("which processors are online can't be read"))?;
        allow_descriptors(cpus.len() * formats.len())?;
        let (mut rings, mut guests) = (Vec::new(), Vec::new());
        let mut size = (RINGS / cpus.len().max(1)).clamp(RING_LEAST, RING).next_power_of_two();
        for cpu in cpus {
            let mut ring: Option<Ring> = None;
            for (source, format) in formats {
                let event = match source.open(format.id, ring.is_none(), size, cpu) {
                    // It went offline meanwhile.
                    Err(error) if error.raw_os_error() == Some(libc::ENODEV) => break,
                    event => event?,
                };
                match &ring {
                    None => ring = Some(map(event, &mut size)?),
                    Some(ring) => {
                        ring.adopt(&event)?;
                        guests.push(event);
                    }
                }
            }
            rings.extend(ring);
        }
        for event in rings.iter().map(|ring| &**ring.event()).chain(&guests) {
            ffi::enable(event)?;
        }
        let collector = Collector::new(tracepoints(formats), Proc::open());
        Ok(Self { rings, _guests: guests, collector, bytes: Vec::new(), start, ready: false })
    }

    fn found(&mut self, there: Vec<(Owner, CompactString)>) {
        for (owner, name) in there {
            self.collector.lives.found(owner, name);
        }
        self.ready = true;
    }

    fn read(&mut self) {
        if !self.ready {
            return;
        }
        let clock = clock(self.start);
        for ring in &mut self.rings {
            self.bytes.clear();
            if !ring.take(&mut self.bytes) {
                self.collector.lose(1);
            }
            self.collector.add(&self.bytes);
        }
        self.collector.interpret(clock);
    }
}

impl Source {
    fn open(&self, tracepoint: u16, processes: bool, size: usize, cpu: u32) -> io::Result<OwnedFd> {
        let watermark = u32::try_from(size / 4).unwrap_or(u32::MAX);
        let event = ffi::open(&Wanted { tracepoint, processes, stack: self.stack, watermark }, cpu)?;
        ffi::filter(&event, self.filter)?;
        Ok(event)
    }
}

/// Maps a ring of the size, or of the largest that is allowed.
fn map(event: OwnedFd, size: &mut usize) -> io::Result<Ring> {
    let event = Arc::new(event);
    loop {
        match Ring::map(Arc::clone(&event), *size) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && *size > RING_LEAST => *size /= 2,
            ring => return ring,
        }
    }
}

/// Raises the soft limit of descriptors as far as many processors ask for. The trace is the first thing that is
/// given up: what it leaves must do for everything else.
fn allow_descriptors(events: usize) -> io::Result<()> {
    /// What it opens beside the events, and for a moment.
    const OTHERS: u64 = 2;
    /// For everything else, where there may be more, and at least.
    const ROOM: u64 = 512;
    const LEAST_ROOM: u64 = 8;
    let wanted = u64::try_from(events).unwrap_or(u64::MAX).saturating_add(OTHERS);
    let mut limit = getrlimit(Resource::Nofile);
    let enough = wanted.saturating_add(ROOM);
    if limit.current.is_some_and(|current| current < enough) {
        limit.current = Some(limit.maximum.map_or(enough, |maximum| enough.min(maximum)));
        // Where it is refused, there are too few.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    match descriptors::free() {
        Some(free) if free < wanted.saturating_add(LEAST_ROOM) => Err(io::Error::other(format!(
            "it takes {wanted} open files; the rest needs those {free} that are left (ulimit -n)"
        ))),
        _ => Ok(()),
    }
}

/// `0-3,8`, the format of `/sys/devices/system/cpu/online`.
fn online(text: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        cpus.extend(u32::from(first)..=u32::from(last));
    }
    Some(cpus)
}

fn clock(start: Instant) -> Clock {
    let nanoseconds = |id| {
        let time = clock_gettime(id);
        u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap_or(0)
    };
    let now = nanoseconds(ClockId::Monotonic);
    Clock {
        now,
        boot_ahead: nanoseconds(ClockId::Boottime).saturating_sub(now),
        elapsed: start.elapsed(),
        ticks: rustix::param::clock_ticks_per_second(),
    }
}

/// Everyone who is there.
fn processes() -> Vec<(Owner, CompactString)> {
    let mut pids = Vec::new();
    let mut proc = Proc::open();
    // Without it, those are known that live when something is seen of them.
    let _ = proc.pids(&mut pids);
    let one = |pid| Alive::stat(&mut proc, pid).map(|(started, name)| (Owner { pid, started }, name));
    pids.into_iter().filter_map(one).collect()
}

impl Alive for Proc {
    fn stat(&mut self, pid: Pid) -> Option<(StartTime, CompactString)> {
        let stat = Proc::stat(self, pid).ok().flatten()?;
        Some((stat.owner.started, CompactString::from_utf8_lossy(stat.comm)))
    }

    fn network(&mut self, pid: Pid) -> Option<NamespaceId> {
        self.namespace(pid)
    }
}

fn lock(reader: &Mutex<Reader>) -> MutexGuard<'_, Reader> {
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("0\n", Some(vec![0]))]
    #[case("0-2,8,10-11\n", Some(vec![0, 1, 2, 8, 10, 11]))]
    #[case("", None)]
    #[case("0-", None)]
    #[case("3-1", Some(vec![]))]
    #[case("70000", None)]
    fn processors_are_listed_as_ranges(#[case] text: &str, #[case] expected: Option<Vec<u32>>) {
        assert_eq!(online(text), expected);
    }

    proptest! {
        #[test]
        fn hostile_lists_of_processors_are_refused(text in "[0-9,-]{0,40}") {
            let _ = online(&text);
        }
    }
}
