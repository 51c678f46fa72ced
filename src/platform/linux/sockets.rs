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

    /// Reads the tables, and beside that who holds what.
    fn read(&mut self, ahead: bool) -> Reading<Vec<Socket>> {
        let mut sockets = Vec::with_capacity(self.expected + self.expected / 8);
        let mut gaps = Vec::new();
        let Self { namespace, dumper, owners, .. } = self;
        thread::scope(|scope| {
            // Where the system gives no thread, that is done when the sockets are attributed.
            if ahead {
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
}

impl Sockets for NetlinkSockets {
    fn list(&mut self) -> Reading<Vec<Socket>> {
        self.read(false)
    }

    /// The first time every descriptor of every process is read, which takes about as long as the tables: that
    /// is done at once where there is a second processor.
    fn list_to_attribute(&mut self) -> Reading<Vec<Socket>> {
        self.read(self.owners.is_new() && threads() > 1)
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

#[cfg(test)]
mod tests {
    use super::super::own_namespace;
    use super::*;

    #[test]
    fn who_holds_what_is_read_only_for_whoever_wants_to_know() {
        let mut sockets = NetlinkSockets::open(own_namespace().unwrap());
        sockets.list();
        assert!(!sockets.owners.knows_anyone());
        sockets.list_to_attribute();
        assert_eq!(sockets.owners.knows_anyone(), threads() > 1);
        let mut listed = sockets.list_to_attribute().value;
        sockets.attribute(&mut listed);
        assert!(sockets.owners.knows_anyone());
    }
}
