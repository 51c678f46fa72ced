//! The socket tables of `iphlpapi.dll`, row by row.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use jiff::Timestamp;

use super::layout::{Endpoint, Table};
use crate::model::{Protocol, State};
use crate::platform::windows::format::bytes::Bytes;
use crate::platform::windows::format::{DecodeError, timestamp};

/// One row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Its state.
    pub state: State,
    /// Its local endpoint, v4-mapped addresses as IPv4.
    pub local: SocketAddr,
    /// The peer, when the state has one.
    pub remote: Option<SocketAddr>,
    /// The process; none for 0, which owns TIME_WAIT.
    pub pid: Option<u32>,
    /// When the port was bound.
    pub created: Option<Timestamp>,
    /// The service tag within the process.
    pub tag: Option<u32>,
}

/// The rows of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Those that are sockets.
    pub sockets: Vec<Row>,
    /// How many are in a state that is none of the known ones.
    pub unknown: usize,
    /// How many bytes the table takes.
    pub length: usize,
}

/// Decodes a whole table, or nothing of it. Rows of endpoints that are gone (CLOSED, `DELETE_TCB`) hold
/// no port and are left out.
///
/// # Errors
/// When the table is shorter than it says.
pub fn decode(table: Table, bytes: &[u8]) -> Result<Rows, DecodeError> {
    let layout = table.layout();
    let count = Bytes(bytes).u32(0)?;
    let misfit = DecodeError::Count { count, size: layout.size, length: bytes.len() };
    let rows = usize::try_from(count).ok().and_then(|count| count.checked_mul(layout.size));
    let length = rows.and_then(|rows| rows.checked_add(layout.rows_at)).ok_or(misfit)?;
    let mut decoded = Rows { sockets: Vec::new(), unknown: 0, length };
    if count == 0 {
        return Ok(decoded);
    }
    let rows = bytes.get(layout.rows_at..length).ok_or(misfit)?;
    for row in rows.chunks_exact(layout.size).map(Bytes) {
        match state(table, row)? {
            Seen::Socket(state) => decoded.sockets.push(decode_row(table, row, state)?),
            Seen::Gone => {}
            Seen::Unknown => decoded.unknown += 1,
        }
    }
    Ok(decoded)
}

enum Seen {
    Socket(State),
    Gone,
    Unknown,
}

fn state(table: Table, row: Bytes<'_>) -> Result<Seen, DecodeError> {
    let Some(at) = table.layout().state else {
        return Ok(Seen::Socket(if table.protocol() == Protocol::Udp { State::Udp } else { State::Bound }));
    };
    Ok(match row.u32(at)? {
        1 | 12 => Seen::Gone,
        2 => Seen::Socket(State::Listen),
        3 => Seen::Socket(State::SynSent),
        4 => Seen::Socket(State::SynReceived),
        5 => Seen::Socket(State::Established),
        6 => Seen::Socket(State::FinWait1),
        7 => Seen::Socket(State::FinWait2),
        8 => Seen::Socket(State::CloseWait),
        9 => Seen::Socket(State::Closing),
        10 => Seen::Socket(State::LastAck),
        11 => Seen::Socket(State::TimeWait),
        100 => Seen::Socket(State::Bound),
        _ => Seen::Unknown,
    })
}

fn decode_row(table: Table, row: Bytes<'_>, state: State) -> Result<Row, DecodeError> {
    let layout = table.layout();
    let local = endpoint(row, &layout.local)?;
    let has_peer = !matches!(state, State::Listen | State::Bound | State::Udp);
    let remote = layout.remote.as_ref().filter(|_| has_peer).map(|at| endpoint(row, at)).transpose()?;
    let pid = row.u32(layout.pid)?;
    let created = layout.created.map(|at| row.u64(at)).transpose()?;
    let tag = layout.tag.map(|at| row.u32(at)).transpose()?;
    Ok(Row {
        protocol: table.protocol(),
        state,
        local,
        remote,
        pid: (pid != 0).then_some(pid),
        created: created.and_then(timestamp),
        tag: tag.filter(|tag| *tag != 0),
    })
}

fn endpoint(row: Bytes<'_>, at: &Endpoint) -> Result<SocketAddr, DecodeError> {
    let port = u16::from_be_bytes(row.array(at.port)?);
    let Some(scope) = at.scope else {
        return Ok(SocketAddr::new(Ipv4Addr::from(row.array::<4>(at.address)?).into(), port));
    };
    let address = Ipv6Addr::from(row.array::<16>(at.address)?);
    Ok(match IpAddr::V6(address).to_canonical() {
        IpAddr::V4(mapped) => SocketAddr::new(mapped.into(), port),
        // Only a link-local address needs its scope (RFC 4007, 6); elsewhere it would tell equal ones apart.
        IpAddr::V6(_) if address.is_unicast_link_local() => {
            SocketAddrV6::new(address, port, 0, row.u32(scope)?).into()
        }
        IpAddr::V6(_) => SocketAddr::new(address.into(), port),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Family;
    use proptest::prelude::*;
    use rstest::rstest;

    const TABLES: [Table; 6] = [
        Table::Listed(Protocol::Tcp, Family::Ipv4),
        Table::Listed(Protocol::Tcp, Family::Ipv6),
        Table::Listed(Protocol::Udp, Family::Ipv4),
        Table::Listed(Protocol::Udp, Family::Ipv6),
        Table::Bound(Family::Ipv4),
        Table::Bound(Family::Ipv6),
    ];

    fn put(row: &mut [u8], at: usize, bytes: &[u8]) {
        row[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// A table as Windows lays it out, written down by hand from the headers.
    fn table_of(rows_at: usize, rows: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![0; rows_at];
        put(&mut bytes, 0, &u32::try_from(rows.len()).unwrap().to_le_bytes());
        bytes.extend(rows.iter().flatten());
        bytes
    }

    fn tcp4(state: u32, pid: u32) -> Vec<u8> {
        let mut row = vec![0xEE; 160];
        put(&mut row, 0, &state.to_le_bytes());
        put(&mut row, 4, &[10, 0, 0, 5]);
        put(&mut row, 8, &[0xC0, 0x01, 0xAA, 0xBB]);
        put(&mut row, 12, &[10, 0, 0, 9]);
        put(&mut row, 16, &[0x05, 0x99, 0xAA, 0xBB]);
        put(&mut row, 20, &pid.to_le_bytes());
        put(&mut row, 24, &133_485_408_000_000_000_u64.to_le_bytes());
        put(&mut row, 32, &77_u64.to_le_bytes());
        row
    }

    fn tcp6(local: Ipv6Addr, remote: Ipv6Addr, state: u32) -> Vec<u8> {
        let mut row = vec![0; 192];
        put(&mut row, 0, &local.octets());
        put(&mut row, 16, &7_u32.to_le_bytes());
        put(&mut row, 20, &[0x1F, 0x90, 0, 0]);
        put(&mut row, 24, &remote.octets());
        put(&mut row, 40, &9_u32.to_le_bytes());
        put(&mut row, 44, &[0xFF, 0xFF, 0, 0]);
        put(&mut row, 48, &state.to_le_bytes());
        put(&mut row, 52, &4312_u32.to_le_bytes());
        row
    }

    #[test]
    fn a_tcp4_row_is_read_field_by_field() {
        let decoded = decode(TABLES[0], &table_of(8, &[tcp4(5, 4312)])).unwrap();
        assert_eq!(
            decoded.sockets,
            [Row {
                protocol: Protocol::Tcp,
                state: State::Established,
                local: "10.0.0.5:49153".parse().unwrap(),
                remote: Some("10.0.0.9:1433".parse().unwrap()),
                pid: Some(4312),
                created: Some("2024-01-01T00:00:00Z".parse().unwrap()),
                tag: Some(77),
            }]
        );
    }

    #[test]
    fn a_time_wait_has_a_peer_and_no_process() {
        let decoded = decode(TABLES[0], &table_of(8, &[tcp4(11, 0)])).unwrap();
        assert_eq!(decoded.sockets[0].state, State::TimeWait);
        assert_eq!(decoded.sockets[0].pid, None);
        assert!(decoded.sockets[0].remote.is_some());
    }

    #[test]
    fn a_listener_and_a_bound_socket_have_no_peer() {
        let decoded = decode(TABLES[0], &table_of(8, &[tcp4(2, 4), tcp4(100, 4)])).unwrap();
        let states: Vec<_> = decoded.sockets.iter().map(|row| (row.state, row.remote)).collect();
        assert_eq!(states, [(State::Listen, None), (State::Bound, None)]);
    }

    #[test]
    fn endpoints_that_are_gone_hold_nothing_and_unknown_states_are_counted() {
        let decoded =
            decode(TABLES[0], &table_of(8, &[tcp4(1, 4), tcp4(12, 4), tcp4(13, 4), tcp4(0, 4)])).unwrap();
        assert_eq!((decoded.sockets.len(), decoded.unknown), (0, 2));
    }

    #[test]
    fn a_tcp6_row_keeps_its_scopes_and_a_mapped_one_is_ipv4() {
        let link = "fe80::1".parse().unwrap();
        let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
        let decoded =
            decode(TABLES[1], &table_of(8, &[tcp6(link, link, 8), tcp6(mapped, mapped, 5)])).unwrap();
        assert_eq!(decoded.sockets[0].local, SocketAddrV6::new(link, 8080, 0, 7).into());
        assert_eq!(decoded.sockets[0].remote, Some(SocketAddrV6::new(link, 65535, 0, 9).into()));
        assert_eq!(decoded.sockets[0].state, State::CloseWait);
        assert_eq!(decoded.sockets[1].local, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(decoded.sockets[1].remote, Some("127.0.0.1:65535".parse().unwrap()));
        assert_eq!((decoded.sockets[1].created, decoded.sockets[1].tag), (None, None));
    }

    #[test]
    fn an_address_that_is_not_link_local_has_no_scope() {
        let decoded =
            decode(TABLES[1], &table_of(8, &[tcp6(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, 2)])).unwrap();
        assert_eq!(decoded.sockets[0].local, "[::1]:8080".parse().unwrap());
    }

    #[test]
    fn udp_rows_are_read_past_their_padding() {
        let mut four = vec![0xEE; 160];
        put(&mut four, 0, &[0, 0, 0, 0]);
        put(&mut four, 4, &[0, 53, 0, 0]);
        put(&mut four, 8, &1180_u32.to_le_bytes());
        put(&mut four, 16, &116_444_736_000_000_000_u64.to_le_bytes());
        put(&mut four, 32, &5_u64.to_le_bytes());
        let mut six = vec![0xEE; 176];
        put(&mut six, 0, &Ipv6Addr::LOCALHOST.octets());
        put(&mut six, 16, &0_u32.to_le_bytes());
        put(&mut six, 20, &[0, 53, 0, 0]);
        put(&mut six, 24, &1181_u32.to_le_bytes());
        put(&mut six, 32, &116_444_736_000_000_000_u64.to_le_bytes());
        put(&mut six, 48, &6_u64.to_le_bytes());
        let four = decode(TABLES[2], &table_of(8, &[four])).unwrap().sockets.remove(0);
        let six = decode(TABLES[3], &table_of(8, &[six])).unwrap().sockets.remove(0);
        assert_eq!((four.local, four.pid, four.tag), ("0.0.0.0:53".parse().unwrap(), Some(1180), Some(5)));
        assert_eq!((six.local, six.pid, six.tag), ("[::1]:53".parse().unwrap(), Some(1181), Some(6)));
        assert_eq!((four.created, six.created), (Some(Timestamp::UNIX_EPOCH), Some(Timestamp::UNIX_EPOCH)));
        assert_eq!((four.state, six.state), (State::Udp, State::Udp));
    }

    #[test]
    fn bound_rows_start_right_after_the_count() {
        let mut four = vec![0; 28];
        put(&mut four, 0, &100_u32.to_le_bytes());
        put(&mut four, 8, &[0xC0, 0x00, 0, 0]);
        put(&mut four, 20, &4312_u32.to_le_bytes());
        let mut six = vec![0; 60];
        put(&mut six, 20, &[0xC0, 0x02, 0, 0]);
        put(&mut six, 48, &100_u32.to_le_bytes());
        put(&mut six, 52, &4313_u32.to_le_bytes());
        let four = decode(TABLES[4], &table_of(4, &[four])).unwrap().sockets.remove(0);
        let six = decode(TABLES[5], &table_of(4, &[six])).unwrap().sockets.remove(0);
        assert_eq!((four.local, four.pid), ("0.0.0.0:49152".parse().unwrap(), Some(4312)));
        assert_eq!((six.local, six.pid), ("[::]:49154".parse().unwrap(), Some(4313)));
        assert_eq!((four.state, six.state), (State::Bound, State::Bound));
    }

    #[rstest]
    fn a_table_shorter_than_it_says_is_no_table(#[values(0, 1, 2, 3, 4, 5)] which: usize) {
        let table = TABLES[which];
        let layout = table.layout();
        let whole = table_of(layout.rows_at, &[vec![0; layout.size], vec![0; layout.size]]);
        assert!(decode(table, &whole).is_ok());
        for length in 0..whole.len() {
            assert!(decode(table, &whole[..length]).is_err(), "{length} bytes of {}", whole.len());
        }
        assert!(decode(table, &u32::MAX.to_le_bytes()).is_err());
    }

    #[rstest]
    fn room_after_the_last_row_is_not_read(#[values(0, 1, 2, 3, 4, 5)] which: usize) {
        let table = TABLES[which];
        let layout = table.layout();
        let mut bytes = table_of(layout.rows_at, &[vec![2; layout.size]]);
        let exact = decode(table, &bytes).unwrap();
        bytes.resize(bytes.len() + 10 * layout.size, 0xFF);
        assert_eq!(decode(table, &bytes), Ok(exact));
        assert_eq!(
            decode(table, &[0; 4]),
            Ok(Rows { sockets: Vec::new(), unknown: 0, length: layout.rows_at })
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_read_past_the_end(which in 0..6usize, bytes in prop::collection::vec(any::<u8>(), 0..900)) {
            let rows = decode(TABLES[which], &bytes).map_or(0, |decoded| decoded.sockets.len() + decoded.unknown);
            prop_assert!(rows * TABLES[which].layout().size <= bytes.len());
        }
    }
}
