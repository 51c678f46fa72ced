//! The words of port exhaustion as types.
//!
//! Here lives what the whole program speaks about: ports, ranges, sockets, owners, processes, port
//! spaces, gaps, the snapshot that holds them, and what memory completes it to. No I/O, no clock, no
//! operating system, and
//! no conclusions: what a snapshot means is decided in `analysis`.

mod counts;
mod coverage;
mod destination;
mod ends;
mod gap;
mod handle;
mod limits;
mod nat;
mod observed;
mod owner;
mod port;
mod process;
mod range_limits;
mod share;
mod snapshot;
mod socket;
mod space;
mod trace;

pub use counts::Counts;
pub use coverage::Unread;
pub use destination::DestinationId;
pub use gap::{Gap, LogPart, Missing, Reason, Remedy, TracePart};
pub use handle::{Handle, HandleKind, Handles};
pub use limits::{Level, Limits, TimeWaitReuse};
pub use nat::{Nat, NatDestination, NatDestinationId, NatRange};
pub use observed::{Observed, SeenProgram, SeenThere, Suspect, TraceGaps};
pub use owner::{Attribution, Holders, Owner, Pid, StartTime};
pub use port::{Port, PortRange, PortSet};
pub use process::{Integrity, Process, WindowsProcess};
pub use range_limits::{RangeError, RangeLimits};
pub use share::Share;
pub use snapshot::{Backend, Host, Moment, Progress, Snapshot, System};
pub use socket::{Socket, State};
pub use space::{DynamicRange, Family, NamespaceId, PortSpace, Protocol, SpaceId};
pub use trace::{
    Connects, Glimpses, NewSockets, PortEvent, PortFailure, PortOperation, RefusedBind, Trace,
    TracedConnection, Tuple,
};
