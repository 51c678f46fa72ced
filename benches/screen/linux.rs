use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::namespace::enter_own_namespace;
use crate::support::pty::{Screen, Terminal};

/// Connections that wait: what a kernel holds most cheaply. They last a minute, so the keys must be
/// pressed by then.
const TIME_WAITS: usize = 300_000;
/// Toward each destination.
const EACH: usize = 50_000;
/// Keys pressed, and the time between two of them: they fall on every part of a look.
const KEYS: usize = 200;
const PAUSE: Duration = Duration::from_millis(73);

pub fn main() {
    if !enter_own_namespace() {
        println!("skipped: no network namespace can be made here");
        return;
    }
    for (key, value) in
        [("ip_local_port_range", "1024 65535"), ("tcp_tw_reuse", "0"), ("tcp_max_tw_buckets", "1000000")]
    {
        std::fs::write(format!("/proc/sys/net/ipv4/{key}"), value).unwrap();
    }
    let started = Instant::now();
    make_time_waits();
    println!("{TIME_WAITS} TIME_WAIT made in {:.1} s", started.elapsed().as_secs_f64());
    measure();
}

fn make_time_waits() {
    let makers = (1u8..).take(TIME_WAITS / EACH).map(|host| {
        std::thread::spawn(move || {
            let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, host), 80)).unwrap();
            let to: SocketAddr = listener.local_addr().unwrap();
            for _ in 0..EACH {
                drop(TcpStream::connect(to).unwrap());
                drop(listener.accept().unwrap());
            }
        })
    });
    makers.collect::<Vec<_>>().into_iter().for_each(|maker| maker.join().unwrap());
}

/// Moves the selection through the view of all sockets, and times each move until it is on the screen.
fn measure() {
    let mut terminal = Terminal::start((200, 60), &["--no-trace"]);
    terminal.wait_for("PORTS▼");
    terminal.press("3");
    terminal.wait_until("the sockets", |screen| selected(screen).is_some() && screen.contains("TIME_WAIT"));
    let mut taken = Vec::with_capacity(KEYS);
    for turn in 0..KEYS {
        let before = selected(&terminal.screen()).unwrap();
        let pressed = Instant::now();
        terminal.press(if turn % 2 == 0 { "j" } else { "k" });
        terminal
            .wait_until("the selection moved", |screen| selected(screen).is_some_and(|row| row != before));
        taken.push(pressed.elapsed());
        std::thread::sleep(PAUSE);
    }
    taken.sort_unstable();
    let at = |share: usize| taken[(taken.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!(
        "a key on the screen: median {:.1} ms, 99th percentile {:.1} ms, longest {:.1} ms of {KEYS}",
        at(50),
        at(99),
        at(100)
    );
    println!("{}", terminal.screen().rows[..3].join("\n"));
}

/// The row of the screen that is selected.
fn selected(screen: &Screen) -> Option<usize> {
    screen.rows.iter().position(|row| row.starts_with('>'))
}
