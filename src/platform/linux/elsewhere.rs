//! What waits on a port in the network namespaces of other processes, from their `/proc/PID/net`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::Reading;
use super::owners::RIGHTS;
use super::proc::Proc;
use super::read;
use super::sock_diag::tcp_state;
use super::stat::number;
use crate::model::{Attribution, Gap, Holders, Missing, NamespaceId, Owner, Port, Protocol, Socket, State};

/// So many namespaces are looked into: each has tables of its own, and there may be one for each container.
const MOST: usize = 64;

const TABLES: [(&str, Protocol); 4] =
    [("tcp", Protocol::Tcp), ("tcp6", Protocol::Tcp), ("udp", Protocol::Udp), ("udp6", Protocol::Udp)];

/// The sockets that wait on a port in other namespaces, each known by processes in it. Connections there
/// interest nobody here.
pub(in crate::platform) fn on_port(
    port: Port,
    namespaces: &[(NamespaceId, Vec<Owner>)],
) -> Reading<Vec<Socket>> {
    let mut proc = Proc::open();
    let mut reading = Reading::whole(Vec::new());
    let mut refused = Vec::new();
    for (namespace, owners) in namespaces.iter().take(MOST) {
        match through_any(&mut proc, *namespace, owners, port) {
            Ok(mut sockets) => {
                attribute(&mut proc, owners, &mut sockets);
                reading.value.extend(sockets);
            }
            Err(error) => refused.push(error),
        }
    }
    if let Some(error) = refused.first() {
        reading.gaps.push(Gap::error(Missing::Namespaces(Some(refused.len())), error).fixed_by(RIGHTS));
    }
    if let Some(more) = namespaces.len().checked_sub(MOST).filter(|more| *more > 0) {
        let why = format!("only {MOST} are looked into");
        reading.gaps.push(Gap::error(Missing::Namespaces(Some(more)), why));
    }
    reading
}

/// Looks through the first process that lets itself be looked through: others may have ended since.
fn through_any(
    proc: &mut Proc,
    namespace: NamespaceId,
    owners: &[Owner],
    port: Port,
) -> io::Result<Vec<Socket>> {
    let mut refused = io::ErrorKind::NotFound.into();
    for owner in owners {
        match through(proc, namespace, *owner, port) {
            Ok(sockets) => return Ok(sockets),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn through(proc: &mut Proc, namespace: NamespaceId, owner: Owner, port: Port) -> io::Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    for (table, protocol) in TABLES {
        let path = format!("/proc/{}/net/{table}", owner.pid);
        let text = match read::bytes(&path) {
            // Without IPv6 there are two tables.
            Err(error) if table.ends_with('6') && error.kind() == io::ErrorKind::NotFound => continue,
            read => read?,
        };
        let lines = text.split(|byte| *byte == b'\n').skip(1);
        sockets.extend(lines.filter_map(|line| parse(line, namespace, protocol, port)));
    }
    // Whose tables these are is only known if that process was there all the time.
    let is_it = proc.stat(owner.pid)?.is_some_and(|stat| stat.owner == owner);
    if is_it && proc.namespace(owner.pid) == Some(namespace) {
        Ok(sockets)
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// A line of a table, if it is of a socket that waits on this port:
/// `0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12345 …`.
fn parse(line: &[u8], namespace: NamespaceId, protocol: Protocol, port: Port) -> Option<Socket> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).skip(1);
    let local = end(words.next()?)?;
    if local.port() != port.0 {
        return None;
    }
    let has_peer = end(words.next()?)?.port() != 0;
    let state = u8::from_str_radix(str::from_utf8(words.next()?).ok()?, 16).ok()?;
    let state = if protocol == Protocol::Udp { State::Udp } else { tcp_state(state)? };
    if has_peer || !matches!(state, State::Listen | State::Udp) {
        return None;
    }
    let inode: u32 = number(words.nth(5)?)?;
    let mut socket = Socket::new(namespace, protocol, state, local);
    socket.set_inode((inode != 0).then_some(inode));
    Some(socket)
}

/// `0100007F:1F90`: words of the machine's own order, and a port.
fn end(text: &[u8]) -> Option<SocketAddr> {
    let (address, port) = str::from_utf8(text).ok()?.split_once(':')?;
    let word =
        |at: usize| Some(u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match address.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for at in 0..4 {
                bytes[at * 4..at * 4 + 4].copy_from_slice(&word(at)?);
            }
            IpAddr::from(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// Finds who holds them, among the processes of their namespace.
fn attribute(proc: &mut Proc, owners: &[Owner], sockets: &mut [Socket]) {
    if sockets.iter().all(|socket| socket.inode().is_none()) {
        return;
    }
    let mut found = Vec::new();
    for owner in owners {
        found.clear();
        if proc.socket_inodes(owner.pid, &mut found).is_err() {
            continue;
        }
        for socket in sockets.iter_mut() {
            if found.iter().any(|(inode, _)| Some(*inode) == socket.inode()) {
                let holders = socket.holders.all().iter().copied().chain([*owner]).collect();
                (socket.holders, socket.attribution) = (Holders::of(holders), Attribution::Exact);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const HERE: NamespaceId = NamespaceId(7);

    fn end_of(text: &str) -> Option<String> {
        end(text.as_bytes()).map(|end| end.to_string())
    }

    #[cfg(target_endian = "little")]
    #[rstest]
    #[case("0100007F:1F90", Some("127.0.0.1:8080"))]
    #[case("00000000000000000000000000000000:0050", Some("[::]:80"))]
    #[case("00000000000000000000000001000000:0050", Some("[::1]:80"))]
    #[case("0000000000000000FFFF00000100007F:0050", Some("127.0.0.1:80"))]
    #[case("0100007F", None)]
    #[case("0100007:1F90", None)]
    #[case("0100007F:11F90", None)]
    fn an_end_is_an_address_and_a_port(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(end_of(text).as_deref(), expected);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn a_line_of_the_port_is_a_socket() {
        let line = b"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1";
        let socket = parse(line, HERE, Protocol::Tcp, Port(8080)).unwrap();
        assert_eq!((socket.state, socket.inode(), socket.remote()), (State::Listen, Some(12345), None));
        assert_eq!(parse(line, HERE, Protocol::Tcp, Port(80)), None);
        assert_eq!(parse(line, HERE, Protocol::Udp, Port(8080)).unwrap().state, State::Udp);
        let connected =
            b"0: 0100007F:1F90 0100007F:0050 01 00000000:00000000 00:00000000 00000000 0 0 12345 1";
        assert_eq!(parse(connected, HERE, Protocol::Tcp, Port(8080)), None);
        assert_eq!(parse(connected, HERE, Protocol::Udp, Port(8080)), None);
    }

    proptest! {
        #[test]
        fn any_line_will_do(line: Vec<u8>) {
            let _ = parse(&line, HERE, Protocol::Tcp, Port(0));
            let _ = parse(&[b"0: 0100007F:0050 ", &line[..]].concat(), HERE, Protocol::Tcp, Port(80));
        }
    }
}
