//! In which order the tables are read, and what is only bound.
//!
//! The tables of bound endpoints list every binding, also of sockets that have connected or listen since. A socket
//! is BOUND when it is in them both before and after the TCP tables were read, and not in these: whatever is
//! opened, connected or closed meanwhile lacks from one of the three, or is in the TCP tables.

use std::collections::HashSet;
use std::fmt::Display;
use std::net::SocketAddr;

use foldhash::fast::RandomState;

use super::format::{Row, Rows};
use super::layout::Table;
use crate::model::{Family, Gap, Missing, NamespaceId, Protocol, Reason, SpaceId};
use crate::platform::Reading;

/// Where tables come from.
pub trait Source {
    /// Why one could not be read.
    type Error: Display;

    /// A table as it is at this moment.
    fn rows(&mut self, table: Table) -> Result<Rows, Self::Error>;
}

/// Every socket of the tables that could be read.
pub fn read<S: Source>(source: &mut S) -> Reading<Vec<Row>> {
    let mut gaps = Vec::new();
    let before = FAMILIES.map(|family| source.rows(Table::Bound(family)));
    let (mut rows, whole) = listed(source, Protocol::Tcp, &mut gaps);
    if whole {
        let mut bound = Vec::new();
        for (family, before) in FAMILIES.into_iter().zip(before) {
            let after = before.and_then(|before| Ok((before, source.rows(Table::Bound(family))?)));
            match after {
                Ok((before, after)) => bound.extend(in_both(&before.sockets, after.sockets)),
                Err(error) => {
                    let reason = Reason::NoCall(error.to_string());
                    gaps.push(Gap::new(Missing::Bound(Some(family)), reason));
                }
            }
        }
        add_bound(&mut rows, bound);
    } else {
        gaps.push(Gap::new(Missing::Bound(None), Reason::NoTcpTables));
    }
    rows.extend(listed(source, Protocol::Udp, &mut gaps).0);
    Reading { value: rows, gaps }
}

const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

/// Both families of a protocol, and whether both could be read.
fn listed<S: Source>(source: &mut S, protocol: Protocol, gaps: &mut Vec<Gap>) -> (Vec<Row>, bool) {
    let mut rows = Vec::new();
    let mut whole = true;
    for family in FAMILIES {
        let space = SpaceId { namespace: NamespaceId::ONLY, protocol, family };
        match source.rows(Table::Listed(protocol, family)) {
            Ok(read) => {
                rows.extend(read.sockets);
                if read.unknown > 0 {
                    let unknown = Missing::SomeSockets(space, read.unknown);
                    gaps.push(Gap::new(unknown, Reason::NotUnderstood(None)));
                }
            }
            Err(error) => {
                whole = false;
                gaps.push(Gap::error(Missing::Sockets(space), error));
            }
        }
    }
    (rows, whole)
}

/// The bindings that were there at both times.
fn in_both(before: &[Row], after: Vec<Row>) -> impl Iterator<Item = Row> {
    let before: HashSet<_, RandomState> = before.iter().map(binding).collect();
    after.into_iter().filter(move |row| before.contains(&binding(row)))
}

fn binding(row: &Row) -> (SocketAddr, Option<u32>) {
    (row.local, row.pid)
}

/// Adds to the TCP rows of both families the bindings that none of these is of.
///
/// A socket of IPv6 that is bound to any address may connect and listen over IPv4 too. Where IPv4 has the same
/// binding, the two may be one socket.
fn add_bound(tcp: &mut Vec<Row>, bound: Vec<Row>) {
    let connected: HashSet<_, RandomState> =
        tcp.iter().map(|row| (row.local.is_ipv4(), row.local.port(), row.pid)).collect();
    let of_both: HashSet<_, RandomState> = bound
        .iter()
        .filter(|row| row.local.is_ipv6() && row.local.ip().is_unspecified())
        .map(|row| (row.local.port(), row.pid))
        .collect();
    tcp.extend(bound.into_iter().filter(|row| {
        let (is_ipv4, port) = (row.local.is_ipv4(), row.local.port());
        let may_be_of_both = row.local.ip().is_unspecified() && of_both.contains(&(port, row.pid));
        let is_connected = |is_ipv4| connected.contains(&(is_ipv4, port, row.pid));
        !is_connected(is_ipv4) && (!may_be_of_both || !is_connected(!is_ipv4))
    }));
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::model::State;

    const PID: Option<u32> = Some(7);

    fn row(state: State, local: &str, pid: Option<u32>) -> Row {
        let protocol = if state == State::Udp { Protocol::Udp } else { Protocol::Tcp };
        Row { protocol, state, local: local.parse().unwrap(), remote: None, pid, created: None, tag: None }
    }

    /// A machine on which time goes on with every table that is read.
    struct Machine<F> {
        now: u32,
        sockets: F,
        refuses: Vec<Table>,
        read: Vec<Table>,
    }

    impl<F: FnMut(u32) -> Vec<Row>> Machine<F> {
        fn new(sockets: F) -> Self {
            Self { now: 0, sockets, refuses: Vec::new(), read: Vec::new() }
        }
    }

    impl<F: FnMut(u32) -> Vec<Row>> Source for Machine<F> {
        type Error = &'static str;

        /// Every socket with an owner is in the table of its binding too.
        fn rows(&mut self, table: Table) -> Result<Rows, &'static str> {
            self.read.push(table);
            let now = self.now;
            self.now += 1;
            if self.refuses.contains(&table) {
                return Err("refused");
            }
            let is_of = |row: &Row, family| row.local.is_ipv4() == (family == Family::Ipv4);
            let mut rows = (self.sockets)(now);
            rows.retain_mut(|row| match table {
                Table::Listed(protocol, family) => {
                    row.protocol == protocol && row.state != State::Bound && is_of(row, family)
                }
                Table::Bound(family) => {
                    let is_bound = row.protocol == Protocol::Tcp && row.pid.is_some() && is_of(row, family);
                    row.state = State::Bound;
                    is_bound
                }
            });
            Ok(Rows { sockets: rows, unknown: 0, length: 0 })
        }
    }

    fn seen(sockets: impl FnMut(u32) -> Vec<Row>) -> Vec<(State, String)> {
        let reading = read(&mut Machine::new(sockets));
        assert_eq!(reading.gaps, []);
        let mut seen: Vec<_> = reading.value.iter().map(|row| (row.state, row.local.to_string())).collect();
        seen.sort();
        seen
    }

    #[test]
    fn a_socket_is_in_one_state() {
        let sockets = [
            row(State::Bound, "0.0.0.0:1", PID),
            row(State::Established, "10.0.0.1:2", PID),
            row(State::Listen, "[::]:3", PID),
            row(State::TimeWait, "10.0.0.1:4", None),
            row(State::Udp, "0.0.0.0:5", PID),
        ];
        let expected: Vec<_> = sockets.iter().map(|row| (row.state, row.local.to_string())).collect();
        let mut seen = seen(|_| sockets.to_vec());
        seen.sort_by_key(|(_, local)| local.rsplit(':').next().map(str::to_owned));
        assert_eq!(seen, expected);
    }

    /// Sockets that are opened, connected and closed while the tables are read, at every pace and moment.
    #[test]
    fn what_changes_while_the_tables_are_read_is_bound_only_if_it_is_beside_the_tcp_tables() {
        for (pace, start) in (1..5).flat_map(|pace| (0..16).map(move |start| (pace, start))) {
            // Closed, bound, connected, in TIME_WAIT, closed: each for so many tables.
            let state = |now: u32| match (now + 10).checked_sub(start).map(|age| age / pace) {
                Some(0) => Some((State::Bound, PID)),
                Some(1 | 2) => Some((State::Established, PID)),
                Some(3) => Some((State::TimeWait, None)),
                _ => None,
            };
            let mut machine = Machine::new(|now| {
                state(now).map(|(state, pid)| row(state, "10.0.0.1:50000", pid)).into_iter().collect()
            });
            let is_bound = read(&mut machine).value.iter().any(|row| row.state == State::Bound);
            let tcp = Table::Listed(Protocol::Tcp, Family::Ipv4);
            let moment = (0..).zip(&machine.read).find(|(_, read)| **read == tcp).unwrap().0;
            let really = state(moment).is_some_and(|(state, _)| state == State::Bound);
            assert!(really || !is_bound, "pace {pace}, start {start}");
        }
    }

    #[rstest]
    #[case::the_same_family("10.0.0.1:1", "0.0.0.0:1", false)]
    #[case::another_family("[2001:db8::1]:1", "0.0.0.0:1", true)]
    #[case::another_family_of_one_address("10.0.0.1:1", "[2001:db8::1]:1", true)]
    #[case::ipv6_that_serves_ipv4_too("10.0.0.1:1", "[::]:1", false)]
    #[case::another_port("10.0.0.1:1", "0.0.0.0:2", true)]
    fn a_binding_is_left_out_when_its_socket_is_listed(
        #[case] connected: &str,
        #[case] binding: &str,
        #[case] is_bound: bool,
    ) {
        let mut rows = vec![row(State::Established, connected, PID)];
        add_bound(&mut rows, vec![row(State::Bound, binding, PID)]);
        assert_eq!(rows.len() == 2, is_bound);
        // That of another process is another socket, and a TIME_WAIT has none.
        for pid in [Some(8), None] {
            let mut rows = vec![row(State::TimeWait, connected, pid)];
            add_bound(&mut rows, vec![row(State::Bound, binding, PID)]);
            assert_eq!(rows.len(), 2);
        }
    }

    #[test]
    fn one_socket_of_both_families_is_left_out_of_both() {
        let both = || vec![row(State::Bound, "0.0.0.0:1", PID), row(State::Bound, "[::]:1", PID)];
        for connected in ["10.0.0.1:1", "[2001:db8::1]:1"] {
            let mut rows = vec![row(State::Established, connected, PID)];
            add_bound(&mut rows, both());
            assert_eq!(rows.len(), 1, "{connected}");
        }
        let mut rows = Vec::new();
        add_bound(&mut rows, both());
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn a_table_that_can_not_be_read_costs_only_what_it_would_have_told() {
        let sockets = [
            row(State::Bound, "0.0.0.0:1", PID),
            row(State::Bound, "[::1]:2", PID),
            row(State::Listen, "0.0.0.0:3", PID),
            row(State::Udp, "[::]:4", PID),
        ];
        let read_without = |table| {
            let mut machine = Machine::new(|_| sockets.to_vec());
            machine.refuses.push(table);
            let Reading { value, gaps } = read(&mut machine);
            let subjects: Vec<_> = gaps.into_iter().map(|gap| gap.subject).collect();
            (value.iter().map(|row| row.local.port()).collect::<Vec<_>>(), subjects)
        };
        let space = |protocol, family| SpaceId { namespace: NamespaceId::ONLY, protocol, family };
        assert_eq!(
            read_without(Table::Bound(Family::Ipv4)),
            (vec![3, 2, 4], vec![Missing::Bound(Some(Family::Ipv4))])
        );
        assert_eq!(
            read_without(Table::Listed(Protocol::Udp, Family::Ipv6)),
            (vec![3, 1, 2], vec![Missing::Sockets(space(Protocol::Udp, Family::Ipv6))])
        );
        let tcp = space(Protocol::Tcp, Family::Ipv6);
        assert_eq!(
            read_without(Table::Listed(Protocol::Tcp, Family::Ipv6)),
            (vec![3, 4], vec![Missing::Sockets(tcp), Missing::Bound(None)])
        );
    }

    /// 60,000 sockets, of which 2,000 are replaced with every table that is read, and 500 that are only bound.
    #[test]
    fn of_many_sockets_that_come_and_go_only_those_that_stay_bound_are_bound() {
        let churning = |now: u16| {
            let replaced = now * 2_000;
            (replaced..60_000 + replaced).map(move |number| {
                // One that was just opened is bound first.
                let state = if number < 58_000 + replaced { State::Established } else { State::Bound };
                Row { local: SocketAddr::new([10, 0, 0, 1].into(), number), ..row(state, "0.0.0.0:0", PID) }
            })
        };
        let leaked = (0..500).map(|number| Row {
            local: SocketAddr::new([0, 0, 0, 0].into(), number),
            ..row(State::Bound, "0.0.0.0:0", Some(8))
        });
        let sockets = |now| churning(u16::try_from(now).unwrap().min(2)).chain(leaked.clone()).collect();
        let reading = read(&mut Machine::new(sockets));
        let bound: Vec<_> = reading.value.iter().filter(|row| row.state == State::Bound).collect();
        assert_eq!(bound.len(), 500);
        assert!(bound.iter().all(|row| row.pid == Some(8)));
    }

    #[test]
    fn the_tcp_tables_are_read_between_the_bound_ones_and_nothing_else_is() {
        let mut machine = Machine::new(|_| Vec::new());
        read(&mut machine);
        let of = |table: &Table| matches!(table, Table::Listed(Protocol::Tcp, _));
        let first = machine.read.iter().position(of).unwrap();
        assert!(machine.read[..first].iter().all(|table| matches!(table, Table::Bound(_))));
        assert!(machine.read[first..first + 2].iter().all(of));
        assert!(machine.read[first + 2..first + 4].iter().all(|table| matches!(table, Table::Bound(_))));
    }
}
