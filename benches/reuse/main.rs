//! Whether the connections a second that porttop foretells are those that the kernel gives, with ports in
//! `TIME_WAIT` taken again and not: `cargo bench --bench reuse`. It takes three minutes, and a processor that is
//! free for it: what is measured is a rate.
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
    println!("this bench makes its connections on Linux only");
}
