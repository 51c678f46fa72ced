//! The fields of an export: names, order and types, the same in JSON and CSV. The names are a promise:
//! they stay, new ones come at the end. What was not read is none.

use std::borrow::Cow;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::analysis::{Attributions, Destination, GroupBy, Row, RowKey, SpaceUsage};
use crate::model::{Attribution, Counts, DynamicRange, Family, Port, PortSpace, Protocol, Socket, State};

/// A port space.
#[derive(Serialize)]
pub(super) struct SpaceRecord {
    family: Family,
    protocol: Protocol,
    start: Option<Port>,
    end: Option<Port>,
    reserved: Option<u32>,
    capacity: Option<u32>,
    in_use: Option<u32>,
    free: Option<u32>,
    by_state: ByState,
}

impl SpaceRecord {
    pub fn of(usage: &SpaceUsage, spaces: &[PortSpace]) -> Self {
        let space = spaces.iter().find(|space| space.id == usage.id);
        let dynamic = space.and_then(|space| space.dynamic.as_ref());
        Self {
            family: usage.id.family,
            protocol: usage.id.protocol,
            start: dynamic.map(|dynamic| dynamic.range.start()),
            end: dynamic.map(|dynamic| dynamic.range.end()),
            reserved: dynamic.map(DynamicRange::reserved_inside),
            capacity: usage.capacity,
            in_use: usage.in_use,
            free: usage.free(),
            by_state: ByState(usage.counts),
        }
    }
}

struct ByState(Counts);

impl Serialize for ByState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = |state| self.0.of(state).filter(|_| self.0.is_whole());
        serializer.collect_map(State::ALL.map(|state| (state.key(), count(state))))
    }
}

/// A row of the table of processes.
#[derive(Serialize)]
pub(super) struct ProcessRecord<'a> {
    pid: Option<u32>,
    start_time: Option<Timestamp>,
    name: Option<Cow<'a, str>>,
    path: Option<Cow<'a, str>>,
    user: Option<Cow<'a, str>>,
    ports: Option<u32>,
    bound: Option<u32>,
    time_wait: Option<u32>,
    close_wait: Option<u32>,
    established: Option<u32>,
    syn_sent: Option<u32>,
    fin_wait: Option<u32>,
    listen: Option<u32>,
    udp: Option<u32>,
    sockets: Option<u32>,
    handles: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pids: Option<Vec<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribution: Option<ByAttribution>,
}

/// None where not all sockets were read.
struct ByAttribution(Option<Attributions>);

impl Serialize for ByAttribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Attribution::ALL.map(|how| (how.name(), self.0.map(|known| known.of(how)))))
    }
}

impl<'a> ProcessRecord<'a> {
    /// The fields that every row has.
    pub const FIELDS: [&'static str; 16] = [
        "pid",
        "start_time",
        "name",
        "path",
        "user",
        "ports",
        "bound",
        "time_wait",
        "close_wait",
        "established",
        "syn_sent",
        "fin_wait",
        "listen",
        "udp",
        "sockets",
        "handles",
    ];

    /// The record of a row; outside text goes through `text`.
    pub fn of(row: &'a Row, text: impl Fn(&'a str) -> Cow<'a, str>) -> Self {
        let process = row.process.as_deref();
        let name = match row.key {
            RowKey::Process(_) => process.map(|process| process.name.as_str()),
            _ => Some(row.name.as_str()),
        };
        Self {
            pid: row.pid(),
            start_time: process.and_then(|process| process.started),
            name: name.map(&text),
            path: process.and_then(|process| process.path.as_deref()).map(&text),
            user: row.user().map(&text),
            ports: row.counts.ports,
            bound: row.counts.of(State::Bound),
            time_wait: row.counts.of(State::TimeWait),
            close_wait: row.counts.of(State::CloseWait),
            established: row.counts.of(State::Established),
            syn_sent: row.counts.of(State::SynSent),
            fin_wait: row.counts.fin_wait(),
            listen: row.counts.of(State::Listen),
            udp: row.counts.of(State::Udp),
            sockets: row.counts.sockets(),
            handles: row.handles,
            pids: None,
            ended: None,
            attribution: None,
        }
    }

    /// The same with what only JSON has room for: whether it has ended, how its sockets are known to be
    /// its own, and the processes it stands for, where a row can be several.
    pub fn in_full(self, row: &Row, group_by: GroupBy) -> Self {
        let pids = || row.owners.iter().map(|owner| owner.pid.0).collect();
        Self {
            pids: (group_by != GroupBy::Process).then(pids),
            ended: Some(row.ended),
            attribution: Some(ByAttribution(row.counts.is_whole().then_some(row.attributions))),
            ..self
        }
    }
}

/// A destination.
#[derive(Serialize)]
pub(super) struct DestinationRecord {
    protocol: Protocol,
    local_address: IpAddr,
    remote_address: IpAddr,
    remote_port: u16,
    ports: Option<u32>,
    fill: Option<f64>,
    pids: Vec<u32>,
}

impl DestinationRecord {
    pub fn of(destination: &Destination) -> Self {
        Self {
            protocol: destination.protocol,
            local_address: destination.local.to_canonical(),
            remote_address: destination.remote.ip().to_canonical(),
            remote_port: destination.remote.port(),
            ports: destination.counts.ports,
            fill: destination.fill,
            pids: destination.owners.iter().map(|owner| owner.pid.0).collect(),
        }
    }
}

/// A socket.
#[derive(Serialize)]
pub(super) struct SocketRecord {
    protocol: Protocol,
    family: Family,
    local_address: IpAddr,
    local_port: Port,
    remote_address: Option<IpAddr>,
    remote_port: Option<u16>,
    state: &'static str,
    pid: Option<u32>,
    attribution: Attribution,
    expires_ms: Option<u64>,
}

impl SocketRecord {
    /// The fields that every socket has.
    pub const FIELDS: [&'static str; 10] = [
        "protocol",
        "family",
        "local_address",
        "local_port",
        "remote_address",
        "remote_port",
        "state",
        "pid",
        "attribution",
        "expires_ms",
    ];

    pub fn of(socket: &Socket) -> Self {
        Self {
            protocol: socket.protocol,
            family: socket.family(),
            local_address: socket.local.ip().to_canonical(),
            local_port: socket.local_port(),
            remote_address: socket.remote.map(|remote| remote.ip().to_canonical()),
            remote_port: socket.remote.map(|remote| remote.port()),
            state: socket.state.key(),
            pid: socket.holders.counted().map(|owner| owner.pid.0),
            attribution: socket.attribution,
            expires_ms: socket.expires.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}
