//! The sockets of most tests: listeners, BOUND, ESTABLISHED, TIME_WAIT, CLOSE_WAIT and UDP, over several
//! processes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::lab::{Lab, RoleProcess};
use super::protocol::{Fate, Role};

pub const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// An address of 127.0.0.1.
pub fn local(port: u16) -> SocketAddr {
    (LOCALHOST, port).into()
}

/// Its processes.
pub struct Scenario {
    /// 40 listeners: 30 below the dynamic range, 10 in it. Its ends of all connections.
    pub server: RoleProcess,
    /// 300 BOUND.
    pub leaker: RoleProcess,
    /// 500 ESTABLISHED, to every listener in turn.
    pub client: RoleProcess,
    /// Has left 700 TIME_WAIT, to three listeners.
    pub polite: RoleProcess,
    /// 20 CLOSE_WAIT; the server has as many FIN_WAIT_2.
    pub sloppy: RoleProcess,
    /// 30 UDP sockets that are not connected.
    pub collector: RoleProcess,
    /// 11 UDP sockets that are connected.
    pub resolver: RoleProcess,
}

/// Starts them all in an empty lab.
pub fn start(lab: &mut Lab) -> Scenario {
    let outside = (5000..5030).map(local);
    let inside = (0..10).map(|_| local(0));
    let server = lab.start("server", Role::Server { listen: outside.chain(inside).collect() });
    let to = server.listens();
    let three = to[..3].to_vec();
    let client = |to, count, fate| Role::Client { to, count, fate };
    Scenario {
        leaker: lab.start("leaker", Role::Bound { at: LOCALHOST, count: 300 }),
        client: lab.start("client", client(to.clone(), 500, Fate::Kept)),
        sloppy: lab.start("sloppy", client(to, 20, Fate::ClosedByServer)),
        collector: lab.start("collector", Role::Udp { at: LOCALHOST, count: 30, to: None }),
        resolver: lab.start("resolver", Role::Udp { at: LOCALHOST, count: 11, to: Some(local(53)) }),
        // Last, because a TIME_WAIT ends after a minute.
        polite: lab.start("polite", client(three, 700, Fate::ClosedByClient)),
        server,
    }
}
