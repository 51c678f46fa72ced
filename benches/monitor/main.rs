//! What it costs to make sense of very many sockets, and how much memory they take: `cargo bench --bench
//! monitor`. The sockets are made up, so that what the kernel does is not measured.
#![allow(clippy::unwrap_used, reason = "a bench that can't go on ends")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use porttop::analysis::{Filter, GroupBy, Sort, Thresholds};
use porttop::model::Socket;
use porttop::monitor::Monitor;
use porttop::platform;

use crowd::{Crowd, memory};

#[path = "../../tests/support/crowd.rs"]
mod crowd;

/// How many looks are taken, of which the last ones are measured.
const LOOKS: usize = 12;
const MEASURED: usize = 6;

fn main() {
    // A process for each, so that it starts with nothing.
    if let Some(sockets) = std::env::args().find_map(|argument| argument.parse().ok()) {
        return measure(sockets);
    }
    println!(
        "{:>10} {:>12} {:>12} {:>12} {:>12} {:>12} {:>14} {:>14}",
        "sockets", "look", "by program", "filter name", "address", "sort by name", "bytes/socket", "at most"
    );
    for sockets in ["10000", "100000", "300000", "1000000"] {
        let own = std::env::current_exe().unwrap();
        assert!(std::process::Command::new(own).arg(sockets).status().unwrap().success());
    }
}

fn measure(sockets: u32) {
    platform::memory::give_back_what_is_large();
    let before = memory("VmRSS");
    let mut monitor = Monitor::new(Box::new(Crowd::new(sockets)), Thresholds::default(), GroupBy::Process);
    let mut times = Vec::new();
    let mut grouping = Vec::new();
    let mut shown = None;
    for _ in 0..LOOKS {
        let started = Instant::now();
        let picture = monitor.look().unwrap();
        times.push(started.elapsed());
        let started = Instant::now();
        let _ = picture.grouped_by(GroupBy::Program);
        grouping.push(started.elapsed());
        shown = Some(Arc::new(picture));
    }
    let per_socket = |bytes: u64| bytes.saturating_sub(before) / u64::from(sockets);
    let (held, most) = (per_socket(memory("VmRSS")), per_socket(memory("VmHWM")));
    let picture = shown.as_deref().unwrap();
    let filtered = |text: &str| {
        let filter = Filter::parse(text).unwrap();
        let started = || {
            let started = Instant::now();
            assert!(picture.select(&filter).sockets.contains(&true));
            started.elapsed()
        };
        median((0..MEASURED).map(|_| started()).collect())
    };
    let sorted = || {
        let started = Instant::now();
        let sort = Sort::<Socket>::by_key("name");
        assert_eq!(sort.indices(&picture.snapshot.sockets, picture, |_| true).len(), sockets as usize);
        started.elapsed()
    };
    println!(
        "{sockets:>10} {:>9.1} ms {:>9.1} ms {:>9.1} ms {:>9.1} ms {:>9.1} ms {held:>14} {most:>14}",
        median(times.split_off(LOOKS - MEASURED)),
        median(grouping.split_off(LOOKS - MEASURED)),
        filtered("program7"),
        filtered("10.9.3"),
        median((0..MEASURED).map(|_| sorted()).collect()),
    );
    drop(shown);
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}
