//! Sockets: four tables of what listens or is connected, two of what is only bound.

mod ffi;
pub mod format;
pub mod layout;
pub mod reading;

use std::collections::HashMap;
use std::sync::Arc;

use self::format::{Row, Rows, decode};
use self::layout::Table;
use super::ffi::CallError;
use super::ffi::buffer::with_slack;
use super::processes::{Alive, owner};
use super::services::{Tags, tags};
use crate::model::{Attribution, Family, Gap, Holders, Missing, NamespaceId, Owner, Protocol, Socket};
use crate::platform::{Reading, Sockets};

/// [`Sockets`] of Windows.
pub struct Tables {
    alive: Arc<Alive>,
    tags: Tags,
    rooms: Rooms,
}

impl Tables {
    pub fn new(alive: Arc<Alive>) -> Self {
        Self { alive, tags: tags(), rooms: Rooms::default() }
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
        let Reading { value: rows, mut gaps } = reading::read(&mut self.rooms);
        let owners = self.owners(&mut gaps);
        let value = rows.iter().map(|row| socket(row, &owners, &mut self.tags)).collect();
        Reading { value, gaps }
    }

    fn attribute(&mut self, _: &mut [Socket]) -> Vec<Gap> {
        // The tables themselves name the owner of every socket that has one.
        Vec::new()
    }
}

/// How much room the tables took when they were read last.
#[derive(Default)]
struct Rooms(HashMap<(Protocol, Family), usize>);

/// The room for a table that was not read yet.
const FIRST_ROOM: usize = 64 << 10;

impl reading::Source for Rooms {
    type Error = CallError;

    fn rows(&mut self, table: Table) -> Result<Rows, CallError> {
        let (decoded, call) = match table {
            Table::Listed(protocol, family) => {
                let room = self.0.entry((protocol, family)).or_insert(FIRST_ROOM);
                let buffer = ffi::listed(protocol, family, *room)?;
                let decoded = decode(table, buffer.bytes());
                *room = decoded.as_ref().map_or(FIRST_ROOM, |rows| with_slack(rows.length).max(FIRST_ROOM));
                (decoded, "socket table")
            }
            Table::Bound(family) => (decode(table, &ffi::bound(family)?), "table of bound endpoints"),
        };
        decoded.map_err(|source| CallError::Decode { call, source })
    }
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
