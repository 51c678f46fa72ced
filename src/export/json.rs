//! One JSON object for programs, `porttop.snapshot/1`.
//!
//! Each process, destination and socket stands on a line of its own, so that it reads and greps without
//! a tool. What was not read is null, never 0. Control, invisible and direction-changing characters in
//! text from outside are written as `\uXXXX`. The names below stay; new ones may be added.
//!
//! A filter chooses processes, destinations and sockets, and `--top` cuts each of the three; what is left
//! keeps its whole numbers, and the port spaces are always whole.
//!
//! ## the object
//! - `schema`: `"porttop.snapshot/1"`
//! - `time`: when the snapshot was taken, RFC 3339
//! - `host`: the name of the machine
//! - `os`: its system, as a person calls it
//! - `backend`: `"native"` or `"portable"`
//! - `namespace`: the number of the network namespace; null where there is but one
//! - `port_spaces`: the four port spaces
//! - `processes`: who holds the sockets; each socket is counted in exactly one
//! - `destinations`: where outgoing connections lead to
//! - `sockets`: every socket; only with `--sockets`
//! - `degradations`: what could not be read
//! - `findings`: what is wrong and what to do, the worst first
//! - `events`: what the event log says of ports, the last 24 hours
//! - `settings`: what Linux is set to beside the ranges
//! - `nat`: what this machine translates the source of (Linux, root): `translated`, how many connections, and
//!   `destinations`, the fullest of them; null where there is nothing
//! - `snat_budget`: the use of `--snat-budget`: `budget`, and `destinations` with the most connections; null
//!   without it
//!
//! ## `port_spaces`
//! - `family`: `"ipv4"` or `"ipv6"`; v4-mapped addresses are IPv4
//! - `protocol`: `"tcp"` or `"udp"`
//! - `start`: first port of the dynamic range
//! - `end`: last port of it
//! - `reserved`: ports of the range that are reserved or excluded
//! - `capacity`: size of the range less `reserved`
//! - `in_use`: distinct local ports of the range that sockets hold, in any state but BOUND where `bound` is
//!   null; null when not all its sockets could be read
//! - `free`: `capacity` less `in_use`
//! - `largest_free_block`: the most ports of the range in a row that are neither in use nor reserved
//! - `free_blocks_of_64`: how many rows of 64 such ports begin at a multiple of 64, as WinNAT and HNS need them
//! - `by_state`: sockets, inside the range and outside, by state: `bound`, `listen`, `syn_sent`,
//!   `syn_received`, `established`, `fin_wait_1`, `fin_wait_2`, `close_wait`, `closing`, `last_ack`,
//!   `time_wait`, `udp`
//!
//! ## `processes`, `destinations` and `sockets`
//! The fields of the columns in [`crate::analysis::column`], which says what each means.
//!
//! ## `degradations`
//! - `what`: what is missing
//! - `reason`: why
//! - `remedy`: what would make it readable
//! - `subject`: `what` as one of `sockets`, `bound_sockets`, `owners`, `processes`, `process_details`,
//!   `services`, `handle_counts`, `handles`, `dynamic_range`, `reserved_ports`, `time_wait_limit`, `trace`,
//!   `event_log`, `state`, `audit`, `namespaces`, `nat`
//! - `family`, `protocol`: its port space, when it is about one
//! - `cause`: `reason` as one of `error`, `not_understood`, `missing_right`, `held_elsewhere`, `ended`,
//!   `backend`, `system_lacks_it`, `still_reading`, `timed_out`, `lost`
//!
//! ## `findings`
//! - `id`: the rule, such as `pool_full`; it stays the same from version to version
//! - `severity`: `"note"`, `"unknown"`, `"warn"` or `"critical"`
//! - `title`: one sentence with the numbers
//! - `evidence`: what shows it, one line a fact
//! - `why`: what it means, and what it does not
//! - `next`: what to do, each with `does` and one of `key` (of the screen) and `command` (for a shell), or
//!   neither
//! - `view`, `filter`: where the screen shows it
//! - `pid`: the process it is about; null when it is about none
//!
//! ## `events`
//! - `id`: 4227, 4231 or 4266, oldest first
//! - `time`: RFC 3339
//! - `meaning`: what it says
//!
//! ## `settings`
//! By the names of their sysctls, null where they are not there: `tcp_tw_reuse` (0, 1 or 2), `tcp_timestamps`
//! and `tcp_tw_recycle` (true or false), `tcp_max_tw_buckets`, and in seconds `tcp_fin_timeout`,
//! `nf_conntrack_tcp_timeout_time_wait` and `nf_conntrack_tcp_timeout_established`
//!
//! ## `nat.destinations`
//! - `protocol`, `public_address`, `remote_address`, `remote_port`: which
//! - `start`, `end`, `capacity`: the ports that its connections get
//! - `range_from`: `"rule"` where a rule names them, `"kernel"` where the rules leave it to the kernel, `"assumed"`
//!   where they could not be read
//! - `used`, `share`: those of them that have one
//! - `time_wait`, `unanswered`: of these, in TIME_WAIT, and not answered yet
//! - `inside`: who has most of them: `address`, `connections`
//!
//! ## `snat_budget.destinations`
//! - `protocol`, `remote_address`, `remote_port`: which
//! - `used`, `share`: all connections there that leave this machine, in any state, from any address
//! - `time_wait`: of these, in TIME_WAIT

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

use super::Excerpt;
use super::finding::{EventRecord, FindingRecord, KeyOf};
use super::gap::GapRecord;
use super::nat;
use super::record::{Records, SpaceRecord};
use super::settings::SettingsRecord;
use crate::analysis::{Destination, Row};
use crate::model::{Backend, Socket};
use crate::text::SafeWriter;

const SCHEMA: &str = "porttop.snapshot/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    time: Timestamp,
    host: &'a str,
    os: &'a str,
    backend: Backend,
    namespace: Option<u64>,
    port_spaces: Vec<SpaceRecord>,
    processes: Records<'a, Row>,
    destinations: Records<'a, Destination>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sockets: Option<Records<'a, Socket>>,
    degradations: Vec<GapRecord>,
    findings: Vec<FindingRecord<'a>>,
    events: Vec<EventRecord>,
    settings: SettingsRecord,
    nat: Value,
    snat_budget: Value,
}

impl<'a> Document<'a> {
    fn of(excerpt: &'a Excerpt<'a>, sockets: bool, key_of: KeyOf) -> Self {
        let picture = excerpt.picture;
        let snapshot = picture.snapshot.as_ref();
        Self {
            schema: SCHEMA,
            time: snapshot.taken.wall,
            host: &snapshot.host.name,
            os: &snapshot.host.os,
            backend: snapshot.backend,
            namespace: snapshot.namespace.number(),
            port_spaces: picture
                .spaces
                .iter()
                .map(|space| SpaceRecord::of(space, &snapshot.spaces))
                .collect(),
            processes: Records::of(&excerpt.processes, picture),
            destinations: Records::of(&excerpt.destinations, picture),
            sockets: sockets.then(|| Records::of(&excerpt.sockets, picture)),
            degradations: snapshot.gaps.iter().map(GapRecord::of).collect(),
            findings: FindingRecord::all(picture, key_of),
            events: picture.events.iter().map(EventRecord::of).collect(),
            settings: SettingsRecord::of(&snapshot.limits),
            nat: nat::nat(snapshot.limits.nat.as_ref()),
            snat_budget: nat::budget(picture.budget.as_ref()),
        }
    }
}

/// Writes the object and a line end; the sockets one by one only when asked for.
///
/// # Errors
/// When the writer fails.
pub fn write(excerpt: &Excerpt, sockets: bool, key_of: KeyOf, out: &mut impl Write) -> io::Result<()> {
    let document = Document::of(excerpt, sockets, key_of);
    let mut out = SafeWriter::escaping(out);
    document.serialize(&mut Serializer::with_formatter(&mut out, Lines::default()))?;
    writeln!(out)
}

/// The fields of the object each on a line, the items of its arrays each on a line, and all within them
/// on that line.
#[derive(Default)]
struct Lines {
    depth: usize,
    array_is_empty: bool,
}

impl Lines {
    fn separate<W: ?Sized + Write>(&self, out: &mut W, first: bool, own_line: bool) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        match (own_line, first) {
            (true, _) => write!(out, "\n{:1$}", "", 2 * self.depth),
            (false, true) => Ok(()),
            (false, false) => out.write_all(b" "),
        }
    }
}

impl Formatter for Lines {
    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth += 1;
        out.write_all(b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth -= 1;
        out.write_all(if self.depth == 0 { b"\n}" } else { b"}" })
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.separate(out, first, self.depth == 1)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.array_is_empty = true;
        out.write_all(b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth -= 1;
        out.write_all(if self.depth == 1 && !self.array_is_empty { b"\n  ]" } else { b"]" })
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.separate(out, first, self.depth == 2)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.array_is_empty = false;
        Ok(())
    }
}
