//! What it costs the machine to be watched: connections that are closed at once and system calls that do
//! nothing, beside a porttop that traces, beside one that does not and looks in bursts instead, and alone. In a
//! network namespace of its own: `cargo bench --bench overhead`.
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
