//! The dynamic port ranges, through `netsh`: Windows documents no other way that tells IPv4 from IPv6.

use std::io::Read;
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::ffi::process::wait;
use super::ffi::system::system_directory;
use crate::model::{Degradation, DynamicRange, NamespaceId, PortSpace, SpaceId};
use crate::platform::windows_format::netsh::{dynamic_range, excluded_ranges};
use crate::platform::{PortRanges, Reading};

/// How long one `netsh` may take before it is ended.
const LIMIT: Duration = Duration::from_secs(10);
/// How long an answer counts as fresh.
const FRESH: Duration = Duration::from_mins(1);
/// The most that is read of an output.
const LONGEST: u64 = 1 << 20;

type Ranges = Reading<Vec<PortSpace>>;

/// [`PortRanges`] of Windows. A thread runs `netsh`, [`PortRanges::read`] returns what it found last.
pub struct Netsh {
    latest: Arc<Mutex<Ranges>>,
    wishes: SyncSender<()>,
    asked: Option<Instant>,
}

impl Netsh {
    pub fn new() -> Self {
        let unknown = SpaceId::all_of(NamespaceId::ONLY).map(|id| PortSpace { id, dynamic: None });
        let waiting = Degradation::new("dynamic port ranges", "netsh has not answered yet");
        let latest = Arc::new(Mutex::new(Reading { value: unknown.into(), degradations: vec![waiting] }));
        let (wishes, orders) = sync_channel(1);
        let found = Arc::clone(&latest);
        let worker = thread::Builder::new().name("netsh".into()).spawn(move || {
            for () in orders {
                let ranges = ask_all();
                *found.lock().unwrap_or_else(PoisonError::into_inner) = ranges;
            }
        });
        if let Err(error) = worker {
            let dead = Degradation::new("dynamic port ranges", format!("no thread to run netsh: {error}"));
            latest.lock().unwrap_or_else(PoisonError::into_inner).degradations = vec![dead];
        }
        let mut netsh = Self { latest, wishes, asked: None };
        netsh.refresh();
        netsh
    }

    fn refresh(&mut self) {
        if self.asked.is_none_or(|asked| asked.elapsed() >= FRESH) && self.wishes.try_send(()).is_ok() {
            self.asked = Some(Instant::now());
        }
    }
}

impl PortRanges for Netsh {
    fn read(&mut self) -> Ranges {
        self.refresh();
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn ask_all() -> Ranges {
    let mut degradations = Vec::new();
    let value = SpaceId::all_of(NamespaceId::ONLY)
        .map(|id| PortSpace { id, dynamic: ask(id, &mut degradations) })
        .into();
    Reading { value, degradations }
}

fn ask(id: SpaceId, degradations: &mut Vec<Degradation>) -> Option<DynamicRange> {
    let (family, protocol) = (id.family.key(), id.protocol.key());
    let shown = run(&["int", family, "show", "dynamicport", protocol]);
    let range = shown.and_then(|output| dynamic_range(&output).map_err(|error| error.to_string()));
    let range = match range {
        Ok(range) => range,
        Err(reason) => {
            degradations.push(Degradation::new(format!("dynamic port range of {id}"), reason));
            return None;
        }
    };
    let shown = run(&["int", family, "show", "excludedportrange", &format!("protocol={protocol}")]);
    let excluded = shown.and_then(|output| excluded_ranges(&output).map_err(|error| error.to_string()));
    let excluded = excluded.unwrap_or_else(|reason| {
        let what = format!("excluded ports of {id} (its capacity may be smaller than shown)");
        degradations.push(Degradation::new(what, reason));
        Vec::new()
    });
    Some(DynamicRange { range, reserved: excluded.into_iter().collect() })
}

/// Runs `netsh` from the system directory, without a shell and without a window, and returns what it
/// printed. What it says in its exit code is not believed either way.
fn run(arguments: &[&str]) -> Result<Vec<u8>, String> {
    let directory = system_directory().map_err(|error| error.to_string())?;
    output(&directory.join("netsh.exe"), arguments, LIMIT).map_err(|error| format!("netsh: {error}"))
}

fn output(program: &Path, arguments: &[&str], limit: Duration) -> std::io::Result<Vec<u8>> {
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    let started = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .creation_flags(CREATE_NO_WINDOW)
        .spawn()?;
    let (sender, receiver) = channel();
    if let Some(stdout) = child.stdout.take() {
        thread::Builder::new().name("netsh output".into()).spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.take(LONGEST).read_to_end(&mut bytes);
            let _ = sender.send(read.map(|_| bytes));
        })?;
    }
    let ended = wait(&child, limit);
    if !ended {
        child.kill()?;
    }
    child.wait()?;
    let too_long = || std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no answer in {limit:?}"));
    if !ended {
        return Err(too_long());
    }
    receiver.recv_timeout(limit.saturating_sub(started.elapsed())).map_err(|_| too_long())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "run by the test below, in a process of its own"]
    fn never_ends() {
        loop {
            thread::park();
        }
    }

    #[test]
    fn a_program_that_never_ends_is_ended() {
        let arguments = ["--ignored", "--exact", "platform::windows::ranges::tests::never_ends"];
        let program = std::env::current_exe().unwrap();
        let error = output(&program, &arguments, Duration::from_millis(200)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    }

    #[test]
    fn what_a_program_prints_is_returned_as_bytes() {
        let program = std::env::current_exe().unwrap();
        let printed = output(&program, &["--ignored", "--list"], Duration::from_mins(1)).unwrap();
        assert!(String::from_utf8(printed).unwrap().contains("ranges::tests::never_ends: test"));
    }
}
