//! Runs a command that is refused some system calls, as a container's or a service's seccomp filter
//! does.
//!
//! `confine ERRNO CALL[,CALL…] COMMAND [ARGUMENT…]`: each CALL of the command fails with that number. A CALL
//! is a name, or a name with the value of its first argument: `socket=16` is `socket(AF_NETLINK, …)`.
//! One confine may run another.
//!
//! ```sh
//! target/debug/examples/confine 1 sendto,recvfrom target/debug/porttop check
//! ```
//!
//! The tests use it through `tests/support/confine.rs`.

#[cfg(target_os = "linux")]
#[path = "seccomp.rs"]
mod seccomp;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    eprintln!("confine: {}", seccomp::run(&arguments));
    std::process::ExitCode::FAILURE
}

#[cfg(not(target_os = "linux"))]
fn main() {}
