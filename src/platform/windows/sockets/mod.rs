//! Sockets: four tables of what listens or is connected, two of what is only bound.

mod ffi;
pub mod format;
pub mod layout;

use std::collections::HashMap;
use std::sync::Arc;

use self::format::{Row, Rows, add_bound, decode};
use self::layout::Table;
use super::ffi::CallError;
use super::processes::{Alive, owner};
use super::services::{Tags, tags};
use crate::model::{
    Attribution, Family, Gap, Holders, Missing, NamespaceId, Owner, Protocol, Reason, Socket, SpaceId,
};
use crate::platform::{Reading, Sockets};

/// [`Sockets`] of Windows.
pub struct Tables {
    alive: Arc<Alive>,
    tags: Tags,
}

impl Tables {
    pub fn new(alive: Arc<Alive>) -> Self {
        Self { alive, tags: tags() }
    }

    /// Who is behind which number. It is asked for after the tables, so that whoever is in them and
    /// still alive is in it too.
    fn owners(&self, gaps: &mut Vec<Gap>) -> HashMap<u32, Owner> {
        match self.alive.read() {
            Ok(entries) => entries.iter().map(|entry| (entry.pid, owner(entry))).collect(),
            Err(error) => {
                gaps.push(Gap::error(Missing::Owners(None), error));
                HashMap::new()
            }
        }
    }
}

impl Sockets for Tables {
    fn list(&mut self) -> Reading<Vec<Socket>> {
        let mut gaps = Vec::new();
        let (mut tcp, tcp_is_whole) = both(Protocol::Tcp, &mut gaps);
        let (udp, _) = both(Protocol::Udp, &mut gaps);
        if tcp_is_whole {
            let bound = bound(&mut gaps);
            add_bound(&mut tcp, bound);
        } else {
            gaps.push(Gap::new(Missing::Bound(None), Reason::NoTcpTables));
        }
        let owners = self.owners(&mut gaps);
        let value = tcp.into_iter().chain(udp).map(|row| socket(&row, &owners, &mut self.tags)).collect();
        Reading { value, gaps }
    }

    fn attribute(&mut self, _: &mut [Socket]) -> Vec<Gap> {
        // The tables themselves name the owner of every socket that has one.
        Vec::new()
    }
}

/// Both families of a protocol, and whether both could be read.
fn both(protocol: Protocol, gaps: &mut Vec<Gap>) -> (Vec<Row>, bool) {
    let mut rows = Vec::new();
    let mut whole = true;
    for family in [Family::Ipv4, Family::Ipv6] {
        match listed(protocol, family) {
            Ok(read) => {
                rows.extend(read.rows);
                if read.unknown > 0 {
                    let unknown = Missing::SomeSockets(space(protocol, family), read.unknown);
                    gaps.push(Gap::new(unknown, Reason::NotUnderstood(None)));
                }
            }
            Err(error) => {
                whole = false;
                gaps.push(Gap::error(Missing::Sockets(space(protocol, family)), error));
            }
        }
    }
    (rows, whole)
}

fn listed(protocol: Protocol, family: Family) -> Result<Rows, CallError> {
    let buffer = ffi::listed(protocol, family)?;
    decode(Table::Listed(protocol, family), buffer.bytes())
        .map_err(|source| CallError::Decode { call: "socket table", source })
}

fn bound(gaps: &mut Vec<Gap>) -> Vec<Row> {
    let mut rows = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        let read = ffi::bound(family).and_then(|bytes| {
            decode(Table::Bound(family), &bytes)
                .map_err(|source| CallError::Decode { call: "table of bound endpoints", source })
        });
        match read {
            Ok(read) => rows.extend(read.rows),
            Err(error) => {
                let reason = Reason::NoCall(error.to_string());
                gaps.push(Gap::new(Missing::Bound(Some(family)), reason));
            }
        }
    }
    rows
}

fn socket(row: &Row, owners: &HashMap<u32, Owner>, tags: &mut Tags) -> Socket {
    let owner = row.pid.and_then(|pid| owners.get(&pid).copied());
    let mut socket = Socket::new(NamespaceId::ONLY, row.protocol, row.state, row.local);
    socket.set_remote(row.remote);
    socket.set_created(row.created);
    socket.set_service(owner.zip(row.tag).and_then(|key| tags.get(&key)));
    if let Some(owner) = owner {
        (socket.holders, socket.attribution) = (Holders::One(owner), Attribution::Exact);
    }
    socket
}

const fn space(protocol: Protocol, family: Family) -> SpaceId {
    SpaceId { namespace: NamespaceId::ONLY, protocol, family }
}
