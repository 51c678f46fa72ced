//! What a sample of one of our tracepoints means. Pure.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::format::{Field, Format};
use super::record::Bytes;
use crate::model::{PortOperation, Protocol, Tuple};

/// `IPPROTO_TCP`: the tracepoint also tells of SCTP and MPTCP.
const TCP: u64 = 6;
/// `TCP_SYN_SENT` and `TCP_FIN_WAIT1` of `net/tcp_states.h`.
const SYN_SENT: u64 = 2;
const FIN_WAIT_1: u64 = 4;
/// `EADDRINUSE` and `EADDRNOTAVAIL`.
const IN_USE: u32 = rustix::io::Errno::ADDRINUSE.raw_os_error().unsigned_abs();
const NOT_AVAILABLE: u32 = rustix::io::Errno::ADDRNOTAVAIL.raw_os_error().unsigned_abs();

/// How much of a caller's stack is looked at for the address it gave to `bind()`.
pub(super) const STACK: u32 = 1024;

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A connection was closed on this side first.
    Closed(Tuple),
    /// A connection was asked for, from an address here to one there.
    Connecting(IpAddr, SocketAddr),
    /// A port was asked for and not given.
    Refused(PortOperation, u32),
    /// `bind()` found its port in use, and which port it asked for can't be told.
    RefusedUnread,
}

/// The tracepoints that could be opened.
#[derive(Debug, Default)]
pub(super) struct Tracepoints {
    /// `sock:inet_sock_set_state`
    pub states: Option<StateChange>,
    /// `syscalls:sys_exit_connect`
    pub connect: Option<Return>,
    /// `syscalls:sys_exit_bind`
    pub bind: Option<Return>,
}

/// Where `sock:inet_sock_set_state` has its fields.
#[derive(Debug)]
pub(super) struct StateChange {
    pub id: u16,
    new_state: Field,
    protocol: Field,
    source_port: Field,
    destination_port: Field,
    /// IPv6, or IPv4 mapped into it.
    source: Field,
    destination: Field,
}

/// Where the return of a system call has its value.
#[derive(Debug)]
pub(super) struct Return {
    pub id: u16,
    value: Field,
}

impl StateChange {
    pub fn new(format: &Format) -> Option<Self> {
        Some(Self {
            id: format.id,
            new_state: format.field("newstate")?,
            protocol: format.field("protocol")?,
            source_port: format.field("sport")?,
            destination_port: format.field("dport")?,
            source: format.field("saddr_v6")?,
            destination: format.field("daddr_v6")?,
        })
    }

    fn event(&self, raw: &[u8]) -> Option<Event> {
        if self.protocol.unsigned(raw)? != TCP {
            return None;
        }
        let end = |address: Field, port: Field| {
            let address = Ipv6Addr::from(address.array::<16>(raw)?).to_canonical();
            Some(SocketAddr::new(address, u16::try_from(port.unsigned(raw)?).ok()?))
        };
        let local = end(self.source, self.source_port)?;
        let remote = end(self.destination, self.destination_port)?;
        match self.new_state.unsigned(raw)? {
            FIN_WAIT_1 => Some(Event::Closed(Tuple { protocol: Protocol::Tcp, local, remote })),
            // Its port is chosen after this: a connection that gets none is asked for all the same.
            SYN_SENT => Some(Event::Connecting(local.ip(), remote)),
            _ => None,
        }
    }
}

impl Return {
    pub fn new(format: &Format) -> Option<Self> {
        Some(Self { id: format.id, value: format.field("ret")? })
    }

    fn is(&self, raw: &[u8], error: u32) -> bool {
        self.value.signed(raw) == Some(-i64::from(error))
    }
}

impl Tracepoints {
    /// What a sample says, if it is of interest.
    pub fn event(&self, raw: &[u8], rest: &[u8]) -> Option<Event> {
        let id = Bytes(raw).u16()?;
        if let Some(states) = self.states.as_ref().filter(|states| states.id == id) {
            return states.event(raw);
        }
        if let Some(connect) = self.connect.as_ref().filter(|connect| connect.id == id) {
            let refused = Event::Refused(PortOperation::Connect, NOT_AVAILABLE);
            return connect.is(raw, NOT_AVAILABLE).then_some(refused);
        }
        let bind = self.bind.as_ref().filter(|bind| bind.id == id)?;
        if !bind.is(raw, IN_USE) {
            return None;
        }
        match requested_port(rest) {
            Some(0) => Some(Event::Refused(PortOperation::Bind, IN_USE)),
            // A port of its own choice that another socket has: no sign of exhaustion.
            Some(_) => None,
            None => Some(Event::RefusedUnread),
        }
    }
}

/// The port in the address that was given to `bind()`, if that address lies on the caller's stack.
///
/// The sample's end: `{ u64 abi; u64 argument, stack pointer; }` where there were registers, then
/// `{ u64 size; char stack[size]; u64 used; }` where the size is not 0.
fn requested_port(rest: &[u8]) -> Option<u16> {
    let mut bytes = Bytes(rest);
    if bytes.u64()? == 0 {
        return None;
    }
    let (address, pointer) = (bytes.u64()?, bytes.u64()?);
    let size = bytes.u64()?;
    let stack = bytes.take(usize::try_from(size).ok()?)?;
    let used = stack.get(..usize::try_from(bytes.u64()?).ok()?)?;
    let at = usize::try_from(address.checked_sub(pointer)?).ok()?;
    // `sin_port` and `sin6_port` both follow a family of two bytes, in network order.
    let port = used.get(at.checked_add(2)?..at.checked_add(4)?)?;
    Some(u16::from_be_bytes(port.try_into().ok()?))
}

/// The tracepoints and their samples as on kernel 6.18.
#[cfg(test)]
pub(super) mod written {
    use super::*;

    pub fn tracepoints() -> Tracepoints {
        let format = |text| Format::parse(text).unwrap();
        Tracepoints {
            states: StateChange::new(&format(include_str!("fixtures/inet_sock_set_state.txt"))),
            connect: Return::new(&format(include_str!("fixtures/sys_exit_connect.txt"))),
            bind: Return::new(&format(include_str!("fixtures/sys_exit_bind.txt"))),
        }
    }

    pub fn state_change(new_state: u32, protocol: u16, local: SocketAddr, remote: SocketAddr) -> Vec<u8> {
        let mapped = |address: SocketAddr| match address.ip() {
            std::net::IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            std::net::IpAddr::V6(v6) => v6.octets(),
        };
        let mut raw = vec![0; 72];
        raw[..2].copy_from_slice(&2287u16.to_ne_bytes());
        raw[20..24].copy_from_slice(&new_state.to_ne_bytes());
        raw[24..26].copy_from_slice(&local.port().to_ne_bytes());
        raw[26..28].copy_from_slice(&remote.port().to_ne_bytes());
        raw[30..32].copy_from_slice(&protocol.to_ne_bytes());
        raw[40..56].copy_from_slice(&mapped(local));
        raw[56..72].copy_from_slice(&mapped(remote));
        raw
    }
}

#[cfg(test)]
mod tests {
    use super::written::{state_change, tracepoints};
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn returned(id: u16, value: i64) -> Vec<u8> {
        let mut raw = vec![0; 24];
        raw[..2].copy_from_slice(&id.to_ne_bytes());
        raw[16..].copy_from_slice(&value.to_ne_bytes());
        raw
    }

    fn stack(address: u64, pointer: u64, stack: &[u8], used: u64) -> Vec<u8> {
        let words = |words: &[u64]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<_>>();
        [words(&[2, address, pointer, stack.len() as u64]), stack.to_vec(), words(&[used])].concat()
    }

    #[rstest]
    #[case("127.0.0.1:40000", "127.0.0.1:8080")]
    #[case("[2001:db8::1]:40000", "[2001:db8::2]:443")]
    fn a_change_of_state_says_both_ends(#[case] local: &str, #[case] remote: &str) {
        let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
        let raw = state_change(4, 6, local, remote);
        let tuple = Tuple { protocol: Protocol::Tcp, local, remote };
        assert_eq!(tracepoints().event(&raw, &[]), Some(Event::Closed(tuple)));
        let connecting = Event::Connecting(local.ip(), remote);
        assert_eq!(tracepoints().event(&state_change(2, 6, local, remote), &[]), Some(connecting));
        assert_eq!(tracepoints().event(&state_change(6, 6, local, remote), &[]), None);
        assert_eq!(tracepoints().event(&state_change(4, 132, local, remote), &[]), None);
        assert_eq!(tracepoints().event(&raw[..71], &[]), None);
    }

    #[test]
    fn connect_fails_for_want_of_a_port_with_one_error_only() {
        let refused = Event::Refused(PortOperation::Connect, 99);
        assert_eq!(tracepoints().event(&returned(2229, -99), &[]), Some(refused));
        assert_eq!(tracepoints().event(&returned(2229, -111), &[]), None);
        assert_eq!(tracepoints().event(&returned(9, -99), &[]), None);
    }

    #[rstest]
    #[case::port_zero(16, [0, 0], Some(Event::Refused(PortOperation::Bind, 98)))]
    #[case::own_port(16, [0x1f, 0x90], None)]
    #[case::at_the_end(28, [0, 0], Some(Event::Refused(PortOperation::Bind, 98)))]
    #[case::past_what_was_copied(30, [0, 0], Some(Event::RefusedUnread))]
    fn bind_to_port_zero_is_told_from_a_taken_port(
        #[case] at: usize,
        #[case] port: [u8; 2],
        #[case] expected: Option<Event>,
    ) {
        let mut memory = [0xff; 40];
        memory[at + 2..at + 4].copy_from_slice(&port);
        let rest = stack(0x7000 + at as u64, 0x7000, &memory, 32);
        assert_eq!(tracepoints().event(&returned(2237, -98), &rest), expected);
    }

    #[test]
    fn an_address_that_is_not_on_the_stack_is_not_read() {
        for rest in
            [stack(0x6fff, 0x7000, &[0; 16], 16), stack(u64::MAX, 0, &[0; 16], 16), vec![0; 8], vec![]]
        {
            assert_eq!(tracepoints().event(&returned(2237, -98), &rest), Some(Event::RefusedUnread));
        }
    }

    proptest! {
        #[test]
        fn hostile_samples_are_refused(id in 2220u16..2300, raw: Vec<u8>, rest: Vec<u8>) {
            let raw = [&id.to_ne_bytes()[..], &raw].concat();
            let _ = tracepoints().event(&raw, &rest);
        }

        #[test]
        fn hostile_stacks_are_refused(address: u64, pointer: u64, memory: Vec<u8>, used: u64, cut: usize) {
            let mut rest = stack(address, pointer, &memory, used);
            rest.truncate(cut % (rest.len() + 1));
            let _ = requested_port(&rest);
        }
    }
}
