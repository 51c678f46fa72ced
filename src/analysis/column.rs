//! The columns of the three tables: their names and the order they put rows in. How a cell is drawn is
//! the view's.

use std::cmp::Ordering;

use super::{Destination, Row};
use crate::model::{Observed, Process, Socket, State};

/// Which way a table is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }
}

/// A column to sort by, and which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sort<C> {
    /// The column.
    pub column: C,
    /// The direction.
    pub direction: Direction,
}

impl<C: Column> Sort<C> {
    /// Sorted by `column` the way one wants to see it first: numbers descending, words ascending.
    #[must_use]
    pub fn by(column: C) -> Self {
        let direction = if column.is_number() { Direction::Descending } else { Direction::Ascending };
        Self { column, direction }
    }

    /// The places of the items that `keep` lets through, in order. What is equal keeps the order of
    /// [`Column::tie_break`], whichever the direction, so rows do not dance.
    pub fn places(self, items: &[C::Item], snapshot: &Observed, keep: impl Fn(usize) -> bool) -> Vec<u32> {
        let mut places: Vec<u32> = (0..u32::try_from(items.len()).unwrap_or(u32::MAX))
            .filter(|place| keep(*place as usize))
            .collect();
        places.sort_unstable_by(|a, b| {
            let (a, b) = (&items[*a as usize], &items[*b as usize]);
            let order = self.column.order(a, b, snapshot);
            let order = if self.direction == Direction::Descending { order.reverse() } else { order };
            order.then_with(|| C::tie_break(a, b))
        });
        places
    }
}

/// A column of a table.
pub trait Column: Copy + Eq + Sized + 'static {
    /// What a row of the table is.
    type Item;

    /// Every column, in the order of the table.
    const ALL: &'static [Self];

    /// Its name on the command line and in menus.
    fn key(self) -> &'static str;

    /// Its header.
    fn title(self) -> &'static str;

    /// Whether it holds numbers: right-aligned, and largest first.
    fn is_number(self) -> bool;

    /// The ascending order of two items; what was not read comes first.
    fn order(self, a: &Self::Item, b: &Self::Item, snapshot: &Observed) -> Ordering;

    /// The order of items that are equal in every column.
    fn tie_break(a: &Self::Item, b: &Self::Item) -> Ordering;

    /// The column of that name; case, and `-` for `_`, do not matter.
    ///
    /// # Errors
    /// When there is none: the message names those there are.
    fn parse(name: &str) -> Result<Self, UnknownColumn> {
        let wanted = name.to_lowercase().replace('-', "_");
        Self::ALL.iter().copied().find(|column| column.key() == wanted).ok_or_else(|| UnknownColumn {
            name: name.to_owned(),
            known: Self::ALL.iter().map(|column| column.key()).collect::<Vec<_>>().join(", "),
        })
    }
}

/// A column that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no column '{}'; there are: {known}", crate::text::safe(name))]
pub struct UnknownColumn {
    name: String,
    known: String,
}

/// The columns of the table of processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is documented by its title and by what it sorts")]
pub enum ProcessColumn {
    Pid,
    Name,
    Ports,
    Share,
    Bound,
    TimeWait,
    CloseWait,
    Established,
    New,
    Failures,
    Handles,
    Sockets,
    Trend,
    SynSent,
    FinWait,
    Listen,
    Udp,
    User,
    Service,
    Path,
}

impl Column for ProcessColumn {
    type Item = Row;

    const ALL: &'static [Self] = &[
        Self::Pid,
        Self::Name,
        Self::Ports,
        Self::Share,
        Self::Bound,
        Self::TimeWait,
        Self::CloseWait,
        Self::Established,
        Self::New,
        Self::Failures,
        Self::Handles,
        Self::Sockets,
        Self::Trend,
        Self::SynSent,
        Self::FinWait,
        Self::Listen,
        Self::Udp,
        Self::User,
        Self::Service,
        Self::Path,
    ];

    fn key(self) -> &'static str {
        match self {
            Self::Pid => "pid",
            Self::Name => "name",
            Self::Ports => "ports",
            Self::Share => "share",
            Self::Bound => "bound",
            Self::TimeWait => "time_wait",
            Self::CloseWait => "close_wait",
            Self::Established => "established",
            Self::New => "new",
            Self::Failures => "failures",
            Self::Handles => "handles",
            Self::Sockets => "sockets",
            Self::Trend => "trend",
            Self::SynSent => "syn_sent",
            Self::FinWait => "fin_wait",
            Self::Listen => "listen",
            Self::Udp => "udp",
            Self::User => "user",
            Self::Service => "service",
            Self::Path => "path",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Pid => "PID",
            Self::Name => "NAME",
            Self::Ports => "PORTS",
            Self::Share => "%",
            Self::Bound => "BOUND",
            Self::TimeWait => "T-WAIT",
            Self::CloseWait => "C-WAIT",
            Self::Established => "ESTAB",
            Self::New => "NEW/s",
            Self::Failures => "FAIL/s",
            Self::Handles => "HANDLE",
            Self::Sockets => "SOCKS",
            Self::Trend => "TREND",
            Self::SynSent => "SYN-S",
            Self::FinWait => "F-WAIT",
            Self::Listen => "LISTEN",
            Self::Udp => "UDP",
            Self::User => "USER",
            Self::Service => "SERVICE",
            Self::Path => "PATH",
        }
    }

    fn is_number(self) -> bool {
        !matches!(self, Self::Pid | Self::Name | Self::User | Self::Service | Self::Path)
    }

    fn order(self, a: &Row, b: &Row, _: &Observed) -> Ordering {
        fn path(row: &Row) -> Option<&str> {
            row.process.as_ref()?.path.as_deref()
        }
        fn service(row: &Row) -> Option<&str> {
            row.process.as_ref()?.service.as_deref()
        }
        let by = |value: fn(&Row) -> u32| value(a).cmp(&value(b));
        match self {
            Self::Pid => a.key.cmp(&b.key),
            Self::Name => words(&a.name, &b.name),
            Self::Ports => by(|row| row.counts.seen_ports),
            Self::Share => decimals(a.share, b.share),
            Self::Bound => by(|row| row.counts.seen(State::Bound)),
            Self::TimeWait => by(|row| row.counts.seen(State::TimeWait)),
            Self::CloseWait => by(|row| row.counts.seen(State::CloseWait)),
            Self::Established => by(|row| row.counts.seen(State::Established)),
            Self::New => decimals(a.new_per_second, b.new_per_second),
            Self::Failures => decimals(a.failures_per_second, b.failures_per_second),
            Self::Handles => a.handles.cmp(&b.handles),
            Self::Sockets => by(|row| row.counts.seen_sockets()),
            Self::Trend => growth(&a.trend).cmp(&growth(&b.trend)),
            Self::SynSent => by(|row| row.counts.seen(State::SynSent)),
            Self::FinWait => a.counts.fin_wait().cmp(&b.counts.fin_wait()),
            Self::Listen => by(|row| row.counts.seen(State::Listen)),
            Self::Udp => by(|row| row.counts.seen(State::Udp)),
            Self::User => a.user().cmp(&b.user()),
            Self::Service => service(a).cmp(&service(b)),
            Self::Path => path(a).cmp(&path(b)),
        }
    }

    fn tie_break(a: &Row, b: &Row) -> Ordering {
        b.counts.seen_sockets().cmp(&a.counts.seen_sockets()).then_with(|| a.key.cmp(&b.key))
    }
}

/// The columns of the table of destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is documented by its title and by what it sorts")]
pub enum DestinationColumn {
    Protocol,
    Local,
    Remote,
    Ports,
    Fill,
    TimeWait,
    CloseWait,
    Established,
    Sockets,
    Owner,
}

impl Column for DestinationColumn {
    type Item = Destination;

    const ALL: &'static [Self] = &[
        Self::Protocol,
        Self::Local,
        Self::Remote,
        Self::Ports,
        Self::Fill,
        Self::TimeWait,
        Self::CloseWait,
        Self::Established,
        Self::Sockets,
        Self::Owner,
    ];

    fn key(self) -> &'static str {
        match self {
            Self::Protocol => "protocol",
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Ports => "ports",
            Self::Fill => "fill",
            Self::TimeWait => "time_wait",
            Self::CloseWait => "close_wait",
            Self::Established => "established",
            Self::Sockets => "sockets",
            Self::Owner => "owner",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Protocol => "PROTO",
            Self::Local => "LOCAL",
            Self::Remote => "REMOTE",
            Self::Ports => "PORTS",
            Self::Fill => "FILL%",
            Self::TimeWait => "T-WAIT",
            Self::CloseWait => "C-WAIT",
            Self::Established => "ESTAB",
            Self::Sockets => "SOCKS",
            Self::Owner => "PROCESS",
        }
    }

    fn is_number(self) -> bool {
        !matches!(self, Self::Protocol | Self::Local | Self::Remote | Self::Owner)
    }

    fn order(self, a: &Destination, b: &Destination, snapshot: &Observed) -> Ordering {
        let by = |state: State| a.counts.seen(state).cmp(&b.counts.seen(state));
        match self {
            Self::Protocol => a.protocol.cmp(&b.protocol),
            Self::Local => a.local.cmp(&b.local),
            Self::Remote => a.remote.cmp(&b.remote),
            Self::Ports => a.counts.seen_ports.cmp(&b.counts.seen_ports),
            Self::Fill => decimals(a.fill, b.fill),
            Self::TimeWait => by(State::TimeWait),
            Self::CloseWait => by(State::CloseWait),
            Self::Established => by(State::Established),
            Self::Sockets => a.counts.seen_sockets().cmp(&b.counts.seen_sockets()),
            Self::Owner => {
                let name = |destination: &Destination| {
                    let process = snapshot.processes.get(destination.owners.first()?)?;
                    Some(process.name.to_lowercase())
                };
                name(a).cmp(&name(b))
            }
        }
    }

    fn tie_break(a: &Destination, b: &Destination) -> Ordering {
        (a.remote, a.local, a.protocol, a.namespace).cmp(&(b.remote, b.local, b.protocol, b.namespace))
    }
}

/// The columns of the tables of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is documented by its title and by what it sorts")]
pub enum SocketColumn {
    Protocol,
    Local,
    Remote,
    State,
    How,
    Left,
    Pid,
    Name,
    ReceiveQueue,
    SendQueue,
    Uid,
}

impl Column for SocketColumn {
    type Item = Socket;

    const ALL: &'static [Self] = &[
        Self::Protocol,
        Self::Local,
        Self::Remote,
        Self::State,
        Self::How,
        Self::Left,
        Self::Pid,
        Self::Name,
        Self::ReceiveQueue,
        Self::SendQueue,
        Self::Uid,
    ];

    fn key(self) -> &'static str {
        match self {
            Self::Protocol => "protocol",
            Self::Local => "local",
            Self::Remote => "remote",
            Self::State => "state",
            Self::How => "how",
            Self::Left => "left",
            Self::Pid => "pid",
            Self::Name => "name",
            Self::ReceiveQueue => "receive_queue",
            Self::SendQueue => "send_queue",
            Self::Uid => "uid",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Protocol => "PROTO",
            Self::Local => "LOCAL",
            Self::Remote => "REMOTE",
            Self::State => "STATE",
            Self::How => "HOW",
            Self::Left => "LEFT",
            Self::Pid => "PID",
            Self::Name => "NAME",
            Self::ReceiveQueue => "RECV-Q",
            Self::SendQueue => "SEND-Q",
            Self::Uid => "UID",
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Left | Self::ReceiveQueue | Self::SendQueue)
    }

    fn order(self, a: &Socket, b: &Socket, snapshot: &Observed) -> Ordering {
        fn process<'a>(socket: &Socket, snapshot: &'a Observed) -> Option<&'a Process> {
            snapshot.processes.get(&socket.holders.counted()?).map(AsRef::as_ref)
        }
        match self {
            Self::Protocol => (a.protocol, a.family()).cmp(&(b.protocol, b.family())),
            Self::Local => a.local.cmp(&b.local),
            Self::Remote => a.remote.cmp(&b.remote),
            Self::State => a.state.cmp(&b.state),
            Self::How => a.attribution.cmp(&b.attribution),
            Self::Left => a.expires.cmp(&b.expires),
            Self::Pid => a.holders.counted().cmp(&b.holders.counted()),
            Self::Name if a.holders.counted() == b.holders.counted() => Ordering::Equal,
            Self::Name => {
                let name = |socket| process(socket, snapshot).map(|process| process.name.as_str());
                words(name(a).unwrap_or(""), name(b).unwrap_or(""))
            }
            Self::ReceiveQueue => a.receive_queue.cmp(&b.receive_queue),
            Self::SendQueue => a.send_queue.cmp(&b.send_queue),
            Self::Uid => a.uid.cmp(&b.uid),
        }
    }

    fn tie_break(a: &Socket, b: &Socket) -> Ordering {
        (a.protocol, a.local, a.remote, a.cookie, a.inode)
            .cmp(&(b.protocol, b.local, b.remote, b.cookie, b.inode))
    }
}

fn words(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        let lower = |byte: u8| byte.to_ascii_lowercase();
        return a.bytes().map(lower).cmp(b.bytes().map(lower));
    }
    a.chars().flat_map(char::to_lowercase).cmp(b.chars().flat_map(char::to_lowercase))
}

fn decimals(a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

/// How much a trend has gained from its first sample to its last.
fn growth(trend: &[u32]) -> i64 {
    match (trend.first(), trend.last()) {
        (Some(first), Some(last)) => i64::from(*last) - i64::from(*first),
        _ => 0,
    }
}
