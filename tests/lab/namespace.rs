//! Makes a fresh network namespace fit to play in.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

use super::Outcome;

/// Brings up loopback and sets the dynamic range, in the fresh namespace this process must be in.
pub fn prepare(start: &str, end: &str, reserved: &str) -> Outcome<()> {
    if !is_fresh()? {
        return Err("not in a fresh network namespace: start it with unshare --net".into());
    }
    bring_loopback_up().map_err(|error| format!("loopback can't be brought up: {error}"))?;
    set("net/ipv4/ip_local_port_range", &format!("{start} {end}"))?;
    set("net/ipv4/ip_local_reserved_ports", reserved)?;
    // With its default of 2 a later connection takes over a TIME_WAIT of loopback, and counts vary.
    set("net/ipv4/tcp_tw_reuse", "0")
}

/// Whether this namespace has an IPv6 loopback.
pub fn has_ipv6() -> bool {
    fs::read_to_string("/proc/net/if_inet6").is_ok_and(|table| !table.is_empty())
}

/// Returns when no TCP socket is on its way from one state to another.
pub fn wait_for_rest() -> Outcome<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while tcp_is_moving()? {
        if Instant::now() > deadline {
            return Err("the connections do not come to rest".into());
        }
        thread::yield_now();
    }
    Ok(())
}

/// Whether no interface has an address yet: the routing table of a namespace is empty until then.
fn is_fresh() -> io::Result<bool> {
    Ok(fs::read_to_string("/proc/net/fib_trie")?.is_empty())
}

fn set(key: &str, value: &str) -> Outcome<()> {
    let path = Path::new("/proc/sys").join(key);
    fs::write(&path, value).map_err(|error| format!("{} can't be set: {error}", path.display()).into())
}

/// One `RTM_NEWLINK` that sets `IFF_UP` on interface 1, which loopback is in every namespace
/// (`linux/netlink.h`, `linux/rtnetlink.h`).
fn bring_loopback_up() -> io::Result<()> {
    const NLM_F_REQUEST_ACK: u16 = 0x1 | 0x4;
    const RTM_NEWLINK: u16 = 16;
    const IFF_UP: u32 = 1;
    const LOOPBACK: i32 = 1;

    let mut request = Vec::with_capacity(32);
    request.extend(32u32.to_ne_bytes());
    request.extend(RTM_NEWLINK.to_ne_bytes());
    request.extend(NLM_F_REQUEST_ACK.to_ne_bytes());
    request.extend([0; 8]); // sequence, sender
    request.extend([0; 4]); // family, padding, type
    request.extend(LOOPBACK.to_ne_bytes());
    request.extend(IFF_UP.to_ne_bytes());
    request.extend(IFF_UP.to_ne_bytes()); // which flags to change

    // Protocol 0 is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    sendto(&socket, &request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0; 64];
    let (length, _) = recv(&socket, &mut answer, RecvFlags::empty())?;
    let error = answer.get(16..20).filter(|_| length >= 20).and_then(|bytes| bytes.try_into().ok());
    match error.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(-error)),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Whether a socket is in SYN_SENT, SYN_RECEIVED, FIN_WAIT_1, LAST_ACK or CLOSING (`net/tcp_states.h`).
fn tcp_is_moving() -> io::Result<bool> {
    const MOVING: [&str; 6] = ["02", "03", "04", "09", "0B", "0C"];
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let table = match fs::read_to_string(table) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            table => table?,
        };
        let mut states = table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(3));
        if states.any(|state| MOVING.contains(&state)) {
            return Ok(true);
        }
    }
    Ok(false)
}
