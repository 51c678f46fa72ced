//! Sockets through netstat2, table by table, so that one that fails does not lose the others.

use std::net::{IpAddr, SocketAddr};

use foldhash::HashMap;
use netstat2::{AddressFamilyFlags, ProtocolFlags, ProtocolSocketInfo, SocketInfo, TcpState};
use sysinfo::{ProcessRefreshKind, System};

use super::super::{Reading, Sockets};
use super::processes::{owner, refreshed};
use crate::model::{
    Attribution, Family, Gap, Holders, Missing, NamespaceId, Owner, Protocol, Reason, Socket, SpaceId, State,
};

/// netstat2 names the holders with the sockets, so nothing is left to attribute.
pub(super) struct Netstat {
    namespace: NamespaceId,
    system: Option<System>,
}

impl Netstat {
    pub fn new(namespace: NamespaceId) -> Self {
        Self { namespace, system: None }
    }

    /// The processes alive by pid: netstat2 knows no start times.
    fn owners(&mut self) -> Result<HashMap<u32, Owner>, sysinfo::Error> {
        let system = refreshed(&mut self.system, ProcessRefreshKind::nothing())?;
        Ok(system.processes().values().map(|process| (process.pid().as_u32(), owner(process))).collect())
    }
}

impl Sockets for Netstat {
    fn list(&mut self) -> Reading<Vec<Socket>> {
        let mut value = Vec::new();
        let mut gaps = vec![Gap::new(Missing::Bound(None), Reason::Backend)];
        let owners = self.owners().unwrap_or_else(|error| {
            gaps.push(Gap::error(Missing::Owners(None), format!("sysinfo: {error}")));
            HashMap::default()
        });
        for id in SpaceId::all_of(self.namespace) {
            match netstat2::get_sockets_info(family_flag(id.family), protocol_flag(id.protocol)) {
                Ok(listed) => {
                    value.extend(listed.iter().filter_map(|info| socket(self.namespace, info, &owners)));
                }
                Err(error) => gaps.push(Gap::error(Missing::Sockets(id), error)),
            }
        }
        Reading { value, gaps }
    }

    fn attribute(&mut self, _: &mut [Socket]) -> Vec<Gap> {
        Vec::new()
    }
}

fn family_flag(family: Family) -> AddressFamilyFlags {
    match family {
        Family::Ipv4 => AddressFamilyFlags::IPV4,
        Family::Ipv6 => AddressFamilyFlags::IPV6,
    }
}

fn protocol_flag(protocol: Protocol) -> ProtocolFlags {
    match protocol {
        Protocol::Tcp => ProtocolFlags::TCP,
        Protocol::Udp => ProtocolFlags::UDP,
    }
}

/// The socket, when it holds a port.
fn socket(namespace: NamespaceId, info: &SocketInfo, owners: &HashMap<u32, Owner>) -> Option<Socket> {
    let (protocol, state, remote) = match &info.protocol_socket_info {
        ProtocolSocketInfo::Tcp(tcp) => {
            (Protocol::Tcp, tcp_state(tcp.state)?, remote(tcp.remote_addr, tcp.remote_port))
        }
        ProtocolSocketInfo::Udp(_) => (Protocol::Udp, State::Udp, None),
    };
    if info.local_port() == 0 {
        return None;
    }
    let local = SocketAddr::new(info.local_addr().to_canonical(), info.local_port());
    let holders =
        Holders::of(info.associated_pids.iter().filter_map(|pid| owners.get(pid)).copied().collect());
    let attribution = match holders {
        Holders::Nobody => Attribution::Unknown,
        Holders::One(_) | Holders::Several(_) => Attribution::Exact,
    };
    let remote = remote.filter(|_| !matches!(state, State::Listen | State::Bound));
    let mut socket = Socket::new(namespace, protocol, state, local);
    socket.set_remote(remote);
    (socket.holders, socket.attribution) = (holders, attribution);
    Some(socket)
}

fn remote(address: IpAddr, port: u16) -> Option<SocketAddr> {
    (port != 0).then(|| SocketAddr::new(address.to_canonical(), port))
}

/// None for a state in which a socket holds no port any more, or that netstat2 can't name.
fn tcp_state(state: TcpState) -> Option<State> {
    Some(match state {
        // Closed and still there with a port: it is bound to it.
        TcpState::Closed => State::Bound,
        TcpState::Listen => State::Listen,
        TcpState::SynSent => State::SynSent,
        TcpState::SynReceived => State::SynReceived,
        TcpState::Established => State::Established,
        TcpState::FinWait1 => State::FinWait1,
        TcpState::FinWait2 => State::FinWait2,
        TcpState::CloseWait => State::CloseWait,
        TcpState::Closing => State::Closing,
        TcpState::LastAck => State::LastAck,
        TcpState::TimeWait => State::TimeWait,
        TcpState::DeleteTcb | TcpState::Unknown => return None,
    })
}
