//! The dynamic port ranges, through `netsh`: Windows documents no other way that tells IPv4 from IPv6.

use std::io::Read;
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use super::background::Latest;
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

/// [`PortRanges`] of Windows.
pub struct Netsh(Result<Latest<Ranges>, Ranges>);

impl Netsh {
    pub fn new() -> Self {
        let waiting = unknown("netsh has not answered yet");
        Self(
            Latest::new("netsh", FRESH, waiting, ask_all)
                .map_err(|error| unknown(&format!("no thread to run netsh: {error}"))),
        )
    }
}

impl PortRanges for Netsh {
    fn read(&mut self) -> Ranges {
        match &mut self.0 {
            Ok(latest) => latest.get(),
            Err(unknown) => unknown.clone(),
        }
    }

    fn settle(&mut self, limit: Duration) {
        if let Ok(latest) = &self.0 {
            latest.settle(limit);
        }
    }
}

fn unknown(reason: &str) -> Ranges {
    let value = SpaceId::all_of(NamespaceId::ONLY).map(|id| PortSpace { id, dynamic: None });
    Reading { value: value.into(), degradations: vec![Degradation::new("dynamic port ranges", reason)] }
}

/// Asks for all four at once: one `netsh` takes its time to start.
fn ask_all() -> Ranges {
    let answers = SpaceId::all_of(NamespaceId::ONLY).map(|id| {
        let (answer, answered) = channel();
        let asking = thread::Builder::new().name("netsh".into()).spawn(move || answer.send(ask(id)));
        (id, asking, answered)
    });
    let mut all = Reading::whole(Vec::new());
    for (id, asking, answered) in answers {
        let answer = asking
            .map_err(|error| error.to_string())
            .and_then(|_| answered.recv().map_err(|_| "the thread that asked has ended".to_owned()));
        let Reading { value, degradations } = answer.unwrap_or_else(|reason| unread(id, reason));
        all.value.push(PortSpace { id, dynamic: value });
        all.degradations.extend(degradations);
    }
    all
}

fn unread(id: SpaceId, reason: String) -> Reading<Option<DynamicRange>> {
    let degradations = vec![Degradation::new(format!("dynamic port range of {id}"), reason)];
    Reading { value: None, degradations }
}

fn ask(id: SpaceId) -> Reading<Option<DynamicRange>> {
    let (family, protocol) = (id.family.key(), id.protocol.key());
    let shown = run(&["int", family, "show", "dynamicport", protocol]);
    let range = match shown.and_then(|output| dynamic_range(&output).map_err(|error| error.to_string())) {
        Ok(range) => range,
        Err(reason) => return unread(id, reason),
    };
    let shown = run(&["int", family, "show", "excludedportrange", &format!("protocol={protocol}")]);
    let excluded = shown.and_then(|output| excluded_ranges(&output).map_err(|error| error.to_string()));
    let (excluded, degradations) = match excluded {
        Ok(excluded) => (excluded, Vec::new()),
        Err(reason) => {
            let what = format!("excluded ports of {id} (its capacity may be smaller than shown)");
            (Vec::new(), vec![Degradation::new(what, reason)])
        }
    };
    Reading { value: Some(DynamicRange { range, reserved: excluded.into_iter().collect() }), degradations }
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
