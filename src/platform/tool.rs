//! Running a tool of the system: by its full path, without a shell, with a time limit.

use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// The most that is read of an output.
const LONGEST: u64 = 1 << 20;

/// How often it is looked whether the tool has ended.
const GLANCE: Duration = Duration::from_millis(5);

/// What a tool gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it printed, in whatever encoding.
    pub output: Vec<u8>,
}

/// Runs a tool and waits for it. One that takes longer than `limit` is ended.
///
/// # Errors
/// When it can't be started, or [`io::ErrorKind::TimedOut`].
pub(crate) fn run(program: &Path, arguments: &[impl AsRef<OsStr>], limit: Duration) -> io::Result<Answer> {
    let deadline = Instant::now() + limit;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    without_window(&mut command);
    let mut child = command.spawn()?;
    let (sender, receiver) = channel();
    if let Some(stdout) = child.stdout.take() {
        thread::Builder::new().name("tool output".into()).spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.take(LONGEST).read_to_end(&mut bytes).map(|_| bytes);
            // Nobody waits for it any more when the tool took too long.
            let _ = sender.send(read);
        })?;
    }
    let too_long =
        || io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", limit.as_secs()));
    let Some(status) = wait(&mut child, deadline)? else {
        child.kill()?;
        child.wait()?;
        return Err(too_long());
    };
    let left = deadline.saturating_duration_since(Instant::now()).max(GLANCE);
    let output = receiver.recv_timeout(left).map_err(|_| too_long())??;
    Ok(Answer { code: status.code(), output })
}

fn wait(child: &mut Child, deadline: Instant) -> io::Result<Option<std::process::ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(GLANCE);
    }
}

#[cfg(windows)]
fn without_window(command: &mut Command) {
    use std::os::windows::process::CommandExt as _;
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    command.creation_flags(CREATE_NO_WINDOW);
}

#[cfg(not(windows))]
fn without_window(_: &mut Command) {}

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
        let arguments = ["--ignored", "--exact", "platform::tool::tests::never_ends"];
        let program = std::env::current_exe().unwrap();
        let error = run(&program, &arguments, Duration::from_millis(200)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn what_a_program_prints_is_returned_as_bytes() {
        let program = std::env::current_exe().unwrap();
        let answer = run(&program, &["--ignored", "--list"], Duration::from_mins(1)).unwrap();
        assert_eq!(answer.code, Some(0));
        assert!(String::from_utf8(answer.output).unwrap().contains("tool::tests::never_ends: test"));
    }
}
