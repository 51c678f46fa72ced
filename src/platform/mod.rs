//! The only place that talks to the operating system, and the only one with `unsafe` and `cfg`.
//!
//! One small trait per ability, with an implementation per system: `linux`, `windows`, and `portable`
//! (netstat2 and sysinfo) for everything else and as a second opinion anywhere. What they return is
//! the model's; what they could not read is a [`Gap`]. No conclusions are drawn here, nothing
//! is shown here.

pub mod clipboard;
pub mod clock;
pub mod console;
pub mod control;
pub mod files;
#[cfg(target_os = "linux")]
mod linux;
pub mod memory;
#[cfg(any(windows, test))]
mod patience;
mod portable;
mod program;
pub mod signals;
mod taken;
pub mod terminal;
#[cfg(any(windows, test))]
mod tool;
#[cfg(not(any(target_os = "linux", windows)))]
mod unsupported;
pub mod whole_file;
#[cfg(windows)]
pub(crate) mod windows;
/// What makes no calls is tested everywhere.
#[cfg(all(test, not(windows)))]
#[path = "windows/formats.rs"]
pub(crate) mod windows;
pub mod zone;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use control::{Controls, PortProbe, PortTrial};

use crate::model::{
    Backend, Gap, Glimpses, Handles, Host, Limits, NamespaceId, Owner, Port, PortEvent, PortSpace, Process,
    Socket, System, Trace,
};

/// What was read, and what could not be.
#[derive(Clone, Debug)]
pub struct Reading<T> {
    /// What was read; empty when nothing could be.
    pub value: T,
    /// What could not be, and why.
    pub gaps: Vec<Gap>,
}

impl<T> Reading<T> {
    /// A reading that lacks nothing.
    pub fn whole(value: T) -> Self {
        Self { value, gaps: Vec::new() }
    }
}

/// Lists sockets and knows who holds them.
pub trait Sockets: Send {
    /// Every socket of the namespace. A table that could not be read whole is left out whole and named
    /// in a gap; a short table is never passed off as a full one.
    ///
    /// This is the fast half: who holds a socket is filled in only where that costs nothing.
    fn list(&mut self) -> Reading<Vec<Socket>>;

    /// The same for whoever has them attributed next: what that takes may be begun meanwhile.
    fn list_to_attribute(&mut self) -> Reading<Vec<Socket>> {
        self.list()
    }

    /// Fills in the holders of sockets that were just listed.
    ///
    /// What was learned is kept for the next call, which then looks only where something may have
    /// changed.
    fn attribute(&mut self, sockets: &mut [Socket]) -> Vec<Gap>;
}

/// Knows the processes that are alive.
pub trait Processes: Send {
    /// Every process with its handle count. Kernel threads are left out.
    fn list(&mut self) -> Reading<HashMap<Owner, Arc<Process>>>;
}

/// Reads the dynamic port ranges.
pub trait PortRanges: Send {
    /// The four port spaces of the namespace, always all four, in the order of
    /// [`crate::model::SpaceId::all_of`]; one that could not be read has no range.
    ///
    /// Returns within milliseconds: an implementation that has to ask a slow tool does so on a thread
    /// of its own and returns what it knew last, with a gap as long as it knows nothing.
    fn read(&mut self) -> Reading<Vec<PortSpace>>;

    /// Waits until a slow tool has answered for the first time, but no longer than `limit`: for whoever
    /// looks only once.
    fn wait_first(&mut self, _limit: Duration) {}
}

/// Reads what the system limits beside the port ranges.
pub trait SystemLimits: Send {
    /// The limits; those of processes are read for some of the ones given, which have many handles.
    fn read(&mut self, processes: &HashMap<Owner, Arc<Process>>) -> Reading<Limits>;
}

/// Lists what one process has open.
pub trait HandleLists: Send {
    /// Every handle of a process. Never hangs: what does not answer in time is left without a name.
    ///
    /// # Errors
    /// When the process is gone or may not be looked into.
    fn list(&mut self, owner: Owner) -> Result<Reading<Handles>, Gap>;
}

/// Catches connections that are too short for a look.
pub trait Bursts: Send {
    /// Looks many times within a few milliseconds, where many of these sockets in `TIME_WAIT` are nobody's. What
    /// that costs is a small share of the time between two calls, and less when it finds nothing.
    fn look(&mut self, sockets: &[Socket]) -> Glimpses;
}

/// Watches connections close and ports being refused, as they happen.
///
/// It watches from when it is made until it is dropped, and leaves nothing behind in the system.
pub trait Tracing: Send {
    /// What was seen since the last call, and why nothing more will be when the trace has ended. Never
    /// waits.
    fn drain(&mut self) -> Reading<Trace>;
}

/// Reads the event log of the system.
pub trait PortEvents: Send {
    /// The entries since the last call; the first ones are those of the last 24 hours. Never waits.
    fn drain(&mut self) -> Reading<Vec<PortEvent>>;

    /// Waits until the entries of the last 24 hours are there, but no longer than `limit`: for whoever
    /// looks only once.
    fn wait_first(&mut self, _limit: Duration) {}
}

/// Starts a trace, as far as it can, and says what can't be traced. It tells times since the start it is
/// given. A trace costs the system something: it is started only where its records are looked at.
pub type StartTracing = Box<dyn FnOnce(Instant) -> Reading<Option<Box<dyn Tracing>>> + Send>;

/// One way of seeing this machine.
pub struct Platform {
    /// The machine.
    pub host: Arc<Host>,
    /// Which implementation this is.
    pub backend: Backend,
    /// The network namespace it sees.
    pub namespace: NamespaceId,
    /// Its sockets.
    pub sockets: Box<dyn Sockets>,
    /// Its processes.
    pub processes: Box<dyn Processes>,
    /// Its dynamic port ranges.
    pub ranges: Box<dyn PortRanges>,
    /// Its limits, where they can be read.
    pub limits: Option<Box<dyn SystemLimits>>,
    /// Its handles, where they can be listed.
    pub handles: Option<Box<dyn HandleLists>>,
    /// Catches short connections where nothing traces them, if it can.
    pub bursts: Option<Box<dyn Bursts>>,
    /// Starts its trace, where there is one.
    pub start_tracing: Option<StartTracing>,
    /// Its event log, where it keeps one that speaks of ports.
    pub events: Option<Box<dyn PortEvents>>,
    /// Why abilities are missing that this system could have.
    pub missing: Vec<Gap>,
}

impl Platform {
    /// Opens the platform: this system's own implementation where there is one, unless `backend` asks
    /// for another.
    ///
    /// # Errors
    /// When this system has no such backend.
    pub fn open(backend: Option<Backend>) -> Result<Self, OpenError> {
        match backend {
            Some(Backend::Portable) => Ok(portable()),
            #[cfg(target_os = "linux")]
            _ => Ok(linux::open()),
            #[cfg(windows)]
            _ => Ok(windows::open()),
            #[cfg(not(any(target_os = "linux", windows)))]
            Some(Backend::Native) => Err(OpenError::NoNative),
            #[cfg(not(any(target_os = "linux", windows)))]
            None => Ok(portable()),
        }
    }
}

/// Whether the system lets porttop open as many files as it takes to start.
///
/// # Errors
/// [`OpenError::Descriptors`] when it does not.
pub fn enough_descriptors() -> Result<(), OpenError> {
    #[cfg(target_os = "linux")]
    return linux::enough();
    #[cfg(not(target_os = "linux"))]
    Ok(())
}

/// What can be changed on this system.
#[must_use]
pub fn controls() -> Controls {
    #[cfg(target_os = "linux")]
    return linux::controls(std::path::Path::new(linux::RANGE_FILE));
    #[cfg(windows)]
    return windows::controls();
    #[cfg(not(any(target_os = "linux", windows)))]
    return unsupported::controls();
}

/// The same with another file for what is to hold beyond the next start: no test may touch the one of the
/// system.
#[cfg(target_os = "linux")]
#[must_use]
pub fn controls_with_range_file(path: &std::path::Path) -> Controls {
    linux::controls(path)
}

/// Dropping it leaves nothing of porttop behind in the system, however the program ends: threads that nobody waits
/// for may still have something there.
#[must_use]
pub struct Leaving(());

impl Leaving {
    /// To be kept until the program ends.
    pub const fn at_the_end() -> Self {
        Self(())
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        #[cfg(windows)]
        windows::leave();
    }
}

/// Who changes something here: the account that this process runs under, or the one that became root.
#[must_use]
pub fn user() -> Option<String> {
    #[cfg(windows)]
    return windows::user();
    #[cfg(not(windows))]
    return ["SUDO_USER", "USER"]
        .into_iter()
        .find_map(std::env::var_os)
        .map(|user| user.to_string_lossy().into_owned());
}

/// Takes ports of this system.
#[must_use]
pub fn probe() -> Box<dyn PortProbe> {
    #[cfg(target_os = "linux")]
    return linux::probe();
    #[cfg(not(target_os = "linux"))]
    return Box::new(portable::Probe);
}

/// Takes very ports of this system.
#[must_use]
pub fn trial() -> Box<dyn PortTrial> {
    #[cfg(target_os = "linux")]
    return linux::trial();
    #[cfg(windows)]
    return windows::trial();
    #[cfg(not(any(target_os = "linux", windows)))]
    return Box::new(portable::Probe);
}

/// The sockets that wait on a port in other network namespaces, each known by processes in it: listeners, and UDP
/// without a peer. Only Linux has any.
#[must_use]
pub fn elsewhere(port: Port, namespaces: &[(NamespaceId, Vec<Owner>)]) -> Reading<Vec<Socket>> {
    #[cfg(target_os = "linux")]
    return linux::on_port(port, namespaces);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (port, namespaces);
        Reading::whole(Vec::new())
    }
}

/// The network namespace this process is in; [`NamespaceId::ONLY`] where there is one, or it can't be told.
#[must_use]
pub fn namespace() -> NamespaceId {
    #[cfg(target_os = "linux")]
    return linux::own_namespace().unwrap_or(NamespaceId::ONLY);
    #[cfg(not(target_os = "linux"))]
    return NamespaceId::ONLY;
}

/// netstat2 and sysinfo, with what has to be asked of each system in its own way.
fn portable() -> Platform {
    #[cfg(target_os = "linux")]
    {
        let namespace = namespace();
        let ranges = Box::new(linux::Sysctl { namespace });
        Platform { missing: linux::unseen(), ..portable::open(namespace, ranges, portable::elevated()) }
    }
    #[cfg(windows)]
    return portable::open(NamespaceId::ONLY, Box::new(windows::Ranges::new()), windows::elevated());
    #[cfg(not(any(target_os = "linux", windows)))]
    return portable::open(NamespaceId::ONLY, portable::ranges(NamespaceId::ONLY), portable::elevated());
}

/// What kind of system this is.
#[must_use]
pub fn system() -> System {
    match std::env::consts::OS {
        "linux" => System::Linux,
        "windows" => System::Windows,
        _ => System::Other,
    }
}

/// Why a platform could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no native implementation for this system.
    #[error("this system has no native backend; use --backend portable")]
    NoNative,
    /// porttop may open too few files.
    #[error("too few file descriptors: porttop needs {needed} and may have {free} more (ulimit -n)")]
    Descriptors {
        /// How many it may open.
        free: u64,
        /// How many it needs.
        needed: u64,
    },
}
