//! The sockets of this namespace: four tables, and who holds what is in them.

use std::io;
use std::thread;

use super::super::{Reading, Sockets};
use super::bound::Bound;
use super::netlink::{DumpError, Dumper};
use super::owners::Owners;
use super::proc::{Proc, threads};
use super::sock_diag::Table;
use crate::model::{Gap, Missing, NamespaceId, Protocol, Remedy, Socket, SpaceId};

pub(super) struct NetlinkSockets {
    namespace: NamespaceId,
    dumper: Dumper,
    owners: Owners,
    bound: Bound,
    /// Whether the tables of TCP could be read: only then what is in none of them may be BOUND.
    tcp_is_whole: bool,
    /// How many sockets there were, which is about how many there will be.
    expected: usize,
}

impl NetlinkSockets {
    /// What looks at the machine all the time: it keeps what it reads through, to see a machine that is out of
    /// file handles.
    pub fn open(namespace: NamespaceId) -> Self {
        Self::over(Dumper::open(), namespace)
    }

    /// What is seldom asked: it takes a descriptor only while it is.
    pub fn later(namespace: NamespaceId) -> Self {
        Self::over(Dumper::later(), namespace)
    }

    fn over(dumper: Dumper, namespace: NamespaceId) -> Self {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        Self {
            namespace,
            dumper,
            owners: Owners::new(Proc::open()),
            bound: Bound::new(namespace, release),
            tcp_is_whole: false,
            expected: 0,
        }
    }
}

impl Sockets for NetlinkSockets {
    fn list(&mut self) -> Reading<Vec<Socket>> {
        let mut sockets = Vec::with_capacity(self.expected + self.expected / 8);
        let mut gaps = Vec::new();
        let Self { namespace, dumper, owners, .. } = self;
        thread::scope(|scope| {
            // The first look reads every descriptor of every process: where there is a processor for it, beside
            // the listing. Where the system gives no thread, that is done when the sockets are attributed.
            if owners.is_new() && threads() > 1 {
                let _ = thread::Builder::new().spawn_scoped(scope, || owners.read_ahead());
            }
            for table in Table::ALL {
                if let Err(error) = dumper.dump(table, *namespace, &mut sockets) {
                    gaps.push(gap(table, *namespace, &error));
                }
            }
        });
        self.expected = sockets.len();
        self.tcp_is_whole = !gaps.iter().any(|gap| gap.subject.space().1 == Some(Protocol::Tcp));
        if self.tcp_is_whole {
            gaps.extend(self.bound.hidden(&sockets));
        }
        Reading { value: sockets, gaps }
    }

    fn attribute(&mut self, sockets: &mut [Socket]) -> Vec<Gap> {
        let mut gaps = self.owners.attribute(sockets);
        if self.tcp_is_whole {
            gaps.extend(self.bound.holders(&mut self.owners));
        }
        gaps
    }
}

fn gap(table: Table, namespace: NamespaceId, error: &DumpError) -> Gap {
    let Table { protocol, family } = table;
    let subject = Missing::Sockets(SpaceId { namespace, protocol, family });
    let gap = Gap::error(subject, format!("sock_diag: {error}"));
    // A kernel without the table's module, and without a way to load it.
    if matches!(error, DumpError::System(error) if error.kind() == io::ErrorKind::NotFound) {
        return gap.fixed_by(match protocol {
            Protocol::Tcp => Remedy::Module("tcp_diag"),
            Protocol::Udp => Remedy::Module("udp_diag"),
        });
    }
    gap
}
