//! A network namespace of one's own, as root or in a user namespace, for tests and benches.
#![allow(dead_code, reason = "each program that has this module uses a part of it")]

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, netlink};

/// Set in the process that is in the namespace.
const INSIDE: &str = "PORTTOP_TEST_NAMESPACE";

/// Runs the body of the test of this name in a process of its own, whose network has a loopback
/// interface and nothing else. Says so and does nothing where that is not allowed.
pub fn in_own_namespace(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        raise_loopback();
        body();
        return;
    }
    let Some(mut inside) = unshared() else {
        let reason = format!("skipped {test}: `unshare` makes no network namespace here");
        assert!(std::env::var_os("PORTTOP_NO_SKIP").is_none(), "{reason}");
        eprintln!("{reason}");
        return;
    };
    let output = inside.args([test, "--exact", "--nocapture", "--test-threads=1"]).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Starts this program anew in a namespace of its own; true in there, false where that is not allowed.
pub fn enter_own_namespace() -> bool {
    if std::env::var_os(INSIDE).is_some() {
        raise_loopback();
        return true;
    }
    if let Some(mut inside) = unshared() {
        eprintln!("{}", inside.args(std::env::args_os().skip(1)).exec());
    }
    false
}

/// A command that runs this program in a namespace of its own, where that is allowed.
fn unshared() -> Option<Command> {
    let flags = if rustix::process::geteuid().is_root() { "-n" } else { "-rn" };
    let possible = Command::new("unshare").args([flags, "true"]).stderr(Stdio::null()).status();
    possible.is_ok_and(|status| status.success()).then(|| {
        let mut command = Command::new("unshare");
        command.arg(flags).arg(std::env::current_exe().unwrap()).env(INSIDE, "1");
        command
    })
}

/// `ip link set lo up` (rtnetlink(7)): `RTM_NEWLINK` for interface 1 with `IFF_UP`.
fn raise_loopback() {
    let mut request = Vec::new();
    request.extend(32u32.to_ne_bytes());
    request.extend(16u16.to_ne_bytes()); // RTM_NEWLINK
    request.extend(5u16.to_ne_bytes()); // NLM_F_REQUEST | NLM_F_ACK
    request.extend([0; 8]);
    request.extend([0; 4]); // AF_UNSPEC
    request.extend(1i32.to_ne_bytes()); // the interface
    request.extend(1u32.to_ne_bytes()); // IFF_UP
    request.extend(1u32.to_ne_bytes()); // is what changes
    // Protocol 0 is NETLINK_ROUTE.
    let socket = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None).unwrap();
    let kernel = netlink::SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, &request, SendFlags::empty(), &kernel).unwrap();
    let mut answer = [0; 256];
    rustix::net::recv(&socket, &mut answer, RecvFlags::empty()).unwrap();
    assert_eq!(answer[16..20], [0; 4], "loopback comes up");
}
