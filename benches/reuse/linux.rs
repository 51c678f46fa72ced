use std::fs;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::namespace::enter_own_namespace;

/// A setting of the kernel, and how long it is measured.
struct Setting {
    reuse: &'static str,
    delay: &'static str,
    ports: u16,
    /// Until it is as it stays.
    until: Duration,
    window: Duration,
}

const SETTINGS: [Setting; 3] = [
    Setting { reuse: "2", delay: "1000", ports: 1000, until: seconds(4), window: seconds(10) },
    // Fewer ports, so that they run out before the processor does.
    Setting { reuse: "2", delay: "100", ports: 300, until: seconds(4), window: seconds(10) },
    // Two minutes are two turns of every port.
    Setting { reuse: "0", delay: "1000", ports: 1000, until: seconds(8), window: seconds(120) },
];

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn main() {
    if !enter_own_namespace() {
        println!("skipped: no network namespace can be made here");
        return;
    }
    println!("{:<44} {:>11} {:>11} {:>7}", "connections a second", "foretold", "measured", "ratio");
    for (setting, port) in SETTINGS.iter().zip(80..) {
        measure(setting, port);
    }
}

fn measure(setting: &Setting, port: u16) {
    let set = |key: &str, value: &str| fs::write(format!("/proc/sys/net/ipv4/{key}"), value);
    set("ip_local_port_range", &format!("10000 {}", 10_000 + setting.ports - 1)).unwrap();
    set("tcp_tw_reuse", setting.reuse).unwrap();
    // Before Linux 6.14 it is always a second.
    if set("tcp_tw_reuse_delay", setting.delay).is_err() && setting.delay != "1000" {
        println!("skipped: there is no tcp_tw_reuse_delay here");
        return;
    }
    let to = serve(port);
    let (made, ends) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let client = {
        let (made, ends) = (Arc::clone(&made), Arc::clone(&ends));
        thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                match connect_and_close(to) {
                    Ok(()) => drop(made.fetch_add(1, Ordering::Relaxed)),
                    Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                        thread::sleep(Duration::from_micros(200));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        })
    };
    thread::sleep(setting.until);
    let foretold = foretold();
    let (before, start) = (made.load(Ordering::Relaxed), Instant::now());
    thread::sleep(setting.window);
    let measured = (made.load(Ordering::Relaxed) - before) as f64 / start.elapsed().as_secs_f64();
    ends.store(true, Ordering::Relaxed);
    client.join().unwrap();
    println!(
        "{:<44} {foretold:>11.1} {measured:>11.1} {:>7.3}",
        format!("{} ports, reuse {}, delay {} ms", setting.ports, setting.reuse, setting.delay),
        measured / foretold
    );
}

/// What porttop says is the most.
fn foretold() -> f64 {
    let porttop =
        Command::new(env!("CARGO_BIN_EXE_porttop")).args(["range", "suggest", "--format", "json"]).output();
    let said: Value = serde_json::from_slice(&porttop.unwrap().stdout).unwrap();
    said["what_if"]["most_per_second"].as_f64().unwrap()
}

/// The client closes first, so that the port waits on its side.
fn connect_and_close(to: SocketAddr) -> io::Result<()> {
    let mut connection = TcpStream::connect(to)?;
    connection.shutdown(Shutdown::Write)?;
    connection.read_to_end(&mut Vec::new()).map(|_| ())
}

fn serve(port: u16) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let to = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            connection.read_to_end(&mut Vec::new()).ok();
        }
    });
    to
}
