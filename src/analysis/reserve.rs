//! The commands that keep ports from being handed out, on each system.

use crate::model::{DynamicRange, Port, PortSet, SpaceId, System};

/// The commands that reserve ports of a port space beside those that are reserved already, which all have to be
/// known; none where the system has no such command.
#[must_use]
pub fn commands(system: System, space: SpaceId, dynamic: &DynamicRange, ports: &[Port]) -> Vec<String> {
    match system {
        System::Linux => {
            let mut reserved = dynamic.reserved.clone();
            for port in ports {
                reserved.insert(*port);
            }
            vec![sysctl(&reserved)]
        }
        System::Windows => ports.iter().map(|port| exclude(space, *port)).collect(),
        System::Other => Vec::new(),
    }
}

/// Linux: sets the whole list, for every port space.
#[must_use]
pub fn sysctl(reserved: &PortSet) -> String {
    format!("sysctl -w net.ipv4.ip_local_reserved_ports=\"{reserved}\"")
}

/// Windows: excludes one port, which nobody may hold meanwhile.
#[must_use]
pub fn exclude(SpaceId { family, protocol, .. }: SpaceId, port: Port) -> String {
    let (family, protocol) = (family.key(), protocol.key());
    format!(
        "netsh int {family} add excludedportrange protocol={protocol} startport={port} numberofports=1 \
         store=persistent"
    )
}
