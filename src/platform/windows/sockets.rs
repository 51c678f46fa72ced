//! Sockets: four tables of what listens or is connected, two of what is only bound.

use std::collections::HashMap;
use std::sync::Arc;

use super::ffi::{CallError, tables};
use super::processes::{Alive, owner};
use super::services::{Tags, tags};
use crate::model::{Attribution, Degradation, Family, Holders, NamespaceId, Owner, Protocol, Socket};
use crate::platform::windows_format::layout::Table;
use crate::platform::windows_format::rows::{Row, Rows, add_bound, decode};
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
    fn owners(&self, degradations: &mut Vec<Degradation>) -> HashMap<u32, Owner> {
        match self.alive.read() {
            Ok(entries) => entries.iter().map(|entry| (entry.pid, owner(entry))).collect(),
            Err(error) => {
                degradations.push(Degradation::new("owners of sockets", error.to_string()));
                HashMap::new()
            }
        }
    }
}

impl Sockets for Tables {
    fn list(&mut self) -> Reading<Vec<Socket>> {
        let mut degradations = Vec::new();
        let (mut tcp, tcp_is_whole) = both(Protocol::Tcp, &mut degradations);
        let (udp, _) = both(Protocol::Udp, &mut degradations);
        if tcp_is_whole {
            let bound = bound(&mut degradations);
            add_bound(&mut tcp, bound);
        } else {
            let reason = "they can't be told from connected ones without the TCP tables";
            degradations.push(Degradation::new("BOUND sockets", reason));
        }
        let owners = self.owners(&mut degradations);
        let value = tcp.into_iter().chain(udp).map(|row| socket(&row, &owners, &mut self.tags)).collect();
        Reading { value, degradations }
    }

    fn attribute(&mut self, _: &mut [Socket]) -> Vec<Degradation> {
        // The tables themselves name the owner of every socket that has one.
        Vec::new()
    }
}

/// Both families of a protocol, and whether both could be read.
fn both(protocol: Protocol, degradations: &mut Vec<Degradation>) -> (Vec<Row>, bool) {
    let mut rows = Vec::new();
    let mut whole = true;
    for family in [Family::Ipv4, Family::Ipv6] {
        match listed(protocol, family) {
            Ok(read) => {
                rows.extend(read.rows);
                if read.unknown > 0 {
                    let what = format!("{} {} sockets", read.unknown, title(protocol, family));
                    degradations.push(Degradation::new(what, "their state is none that porttop knows"));
                }
            }
            Err(error) => {
                whole = false;
                let what = format!("{} sockets", title(protocol, family));
                degradations.push(Degradation::new(what, error.to_string()));
            }
        }
    }
    (rows, whole)
}

fn listed(protocol: Protocol, family: Family) -> Result<Rows, CallError> {
    let buffer = tables::listed(protocol, family)?;
    decode(Table::Listed(protocol, family), buffer.bytes())
        .map_err(|source| CallError::Decode { call: "socket table", source })
}

fn bound(degradations: &mut Vec<Degradation>) -> Vec<Row> {
    let mut rows = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        let read = tables::bound(family).and_then(|bytes| {
            decode(Table::Bound(family), &bytes)
                .map_err(|source| CallError::Decode { call: "table of bound endpoints", source })
        });
        match read {
            Ok(read) => rows.extend(read.rows),
            Err(error) => {
                let what = format!("BOUND sockets of {}", title(Protocol::Tcp, family));
                let reason = format!("not available on this Windows, because {error}");
                degradations.push(Degradation::new(what, reason));
            }
        }
    }
    rows
}

fn socket(row: &Row, owners: &HashMap<u32, Owner>, tags: &mut Tags) -> Socket {
    let owner = row.pid.and_then(|pid| owners.get(&pid).copied());
    Socket {
        remote: row.remote,
        holders: owner.map_or(Holders::Nobody, Holders::One),
        attribution: owner.map_or(Attribution::Unknown, |_| Attribution::Exact),
        created: row.created,
        service: owner.zip(row.tag).and_then(|key| tags.get(&key)),
        ..Socket::new(NamespaceId::ONLY, row.protocol, row.state, row.local)
    }
}

fn title(protocol: Protocol, family: Family) -> &'static str {
    match (protocol, family) {
        (Protocol::Tcp, Family::Ipv4) => "TCP IPv4",
        (Protocol::Tcp, Family::Ipv6) => "TCP IPv6",
        (Protocol::Udp, Family::Ipv4) => "UDP IPv4",
        (Protocol::Udp, Family::Ipv6) => "UDP IPv6",
    }
}
