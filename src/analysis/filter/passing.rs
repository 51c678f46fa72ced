//! What a filter lets through of one snapshot.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::SocketAddr;

use foldhash::fast::RandomState;

use super::{Filter, Test};
use crate::analysis::Row;
use crate::model::{Observed, Owner, Pid, Port, PortRange, Process, Socket};

/// A filter over a snapshot. A process is looked at once, however many sockets it holds.
pub struct Passing<'a> {
    filter: &'a Filter,
    snapshot: &'a Observed,
    /// For each term, whether the process meets it.
    meets: HashMap<Owner, Box<[bool]>, RandomState>,
    addresses: String,
}

impl<'a> Passing<'a> {
    pub(super) fn new(filter: &'a Filter, snapshot: &'a Observed) -> Self {
        Self { filter, snapshot, meets: HashMap::default(), addresses: String::new() }
    }

    /// Whether a socket passes, with what is known of the processes that hold it.
    pub fn socket(&mut self, socket: &Socket) -> bool {
        let holders = socket.holders.all();
        for owner in holders {
            self.look_at(*owner);
        }
        self.addresses.clear();
        self.filter.terms.iter().enumerate().all(|(nth, term)| {
            let meets = holders.iter().any(|owner| self.meets.get(owner).is_some_and(|meets| meets[nth]))
                || term.test.meets_socket(socket, &mut self.addresses);
            meets != term.negated
        })
    }

    /// Whether a row without sockets passes: one of its processes does.
    pub fn row(&mut self, row: &Row) -> bool {
        row.owners.iter().any(|owner| {
            self.look_at(*owner);
            let terms = self.filter.terms.iter().zip(&self.meets[owner]);
            terms.into_iter().all(|(term, meets)| *meets != term.negated)
        })
    }

    fn look_at(&mut self, owner: Owner) {
        self.meets.entry(owner).or_insert_with(|| {
            let process = self.snapshot.processes.get(&owner).map(AsRef::as_ref);
            self.filter.terms.iter().map(|term| term.test.meets_process(owner.pid, process)).collect()
        });
    }
}

impl Test {
    fn meets_process(&self, pid: Pid, process: Option<&Process>) -> bool {
        let has = |of: fn(&Process) -> Option<&str>, text: &str| {
            process.and_then(of).is_some_and(|found| contains(found, text))
        };
        let (name, user, service) = (
            |text: &str| has(|process| Some(&process.name), text),
            |text: &str| has(|process| process.user.as_deref(), text),
            |text: &str| has(|process| process.service.as_deref(), text),
        );
        match self {
            Self::Text { text, .. } => name(text) || user(text) || service(text) || pid.to_string() == *text,
            Self::Name(text) => name(text),
            Self::User(text) => user(text),
            Self::Service(text) => service(text),
            Self::Pid(wanted) => pid == *wanted,
            _ => false,
        }
    }

    /// Whether the socket itself meets it; `addresses` keeps the text of its addresses from term to term.
    fn meets_socket(&self, socket: &Socket, addresses: &mut String) -> bool {
        let (local, remote) = (Some(socket.local()), socket.remote());
        let port_in = |address: Option<SocketAddr>, range: PortRange| {
            address.is_some_and(|address| range.contains(Port(address.port())))
        };
        let serves = |text| socket.service().is_some_and(|service| contains(service, text));
        match self {
            Self::Text { text, may_be_address } => {
                serves(text) || *may_be_address && text_of(socket, addresses).contains(text.as_str())
            }
            Self::Service(text) => serves(text),
            Self::State(states) => states.contains(&socket.state),
            Self::Protocol(protocol) => socket.protocol == *protocol,
            Self::Family(family) => socket.family() == *family,
            Self::How(how) => socket.attribution == *how,
            Self::Port(range) => port_in(local, *range) || port_in(remote, *range),
            Self::LocalPort(range) => port_in(local, *range),
            Self::RemotePort(range) => port_in(remote, *range),
            Self::Local(net) => net.contains(&socket.local().ip()),
            Self::Remote(net) => remote.is_some_and(|remote| net.contains(&remote.ip())),
            Self::Name(_) | Self::User(_) | Self::Pid(_) => false,
        }
    }
}

/// Both addresses of a socket, apart.
fn text_of<'a>(socket: &Socket, addresses: &'a mut String) -> &'a str {
    if addresses.is_empty() {
        // Writing to a string does not fail.
        write!(addresses, "{}", socket.local()).ok();
        socket.remote().iter().for_each(|remote| write!(addresses, " {remote}").unwrap_or_default());
    }
    addresses
}

/// Whether `text` contains `wanted`, which is lower case, in any case.
fn contains(text: &str, wanted: &str) -> bool {
    text.to_lowercase().contains(wanted)
}
