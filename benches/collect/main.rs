//! How long it takes to see 30,000 sockets: for the kernel alone, for us, and for the tools people
//! reach for. The sockets are made in a network namespace of its own: `cargo bench --bench collect`.
#![cfg_attr(target_os = "linux", allow(clippy::unwrap_used, reason = "a bench that can't go on ends"))]

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
#[path = "../../tests/namespace/mod.rs"]
mod namespace;

fn main() {
    #[cfg(target_os = "linux")]
    linux::main();
    #[cfg(not(target_os = "linux"))]
    println!("this bench makes its sockets on Linux only");
}
