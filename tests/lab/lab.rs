//! The lab: real sockets in a network namespace of its own, held until told to stop.
//!
//! It is started inside a fresh namespace, brings up its loopback interface, sets the dynamic range
//! and then plays the roles it is asked for (see [`protocol`]), each in a child process with a name of
//! its own, so that what porttop shows per process can be checked to the last socket. Every request
//! is one line of JSON on standard input, every reply one on standard output; a reply comes when the
//! sockets exist, so nobody has to wait a while and hope. The end of standard input ends it all.
//!
//! ```sh
//! unshare --map-root-user --net target/debug/examples/lab 20000 29999
//! ```
//!
//! The tests drive it through `tests/support/lab.rs`, the picture through `assets/picture.py`.

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod lab;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    lab::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {}
