//! How long a key takes to show on the screen while 300,000 sockets are sampled each second: the real
//! porttop in a real terminal, in a network namespace of its own: `cargo bench --bench screen`.
#![cfg_attr(target_os = "linux", allow(clippy::unwrap_used, reason = "a bench that can't go on ends"))]

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
#[path = "../../tests/namespace/mod.rs"]
mod namespace;
#[cfg(target_os = "linux")]
#[path = "../../tests/support/mod.rs"]
mod support;

fn main() {
    #[cfg(target_os = "linux")]
    linux::main();
    #[cfg(not(target_os = "linux"))]
    println!("this bench makes its sockets on Linux only");
}
