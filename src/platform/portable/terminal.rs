//! The terminal as crossterm knows it, where there are no jobs to stop.

use std::io::{self, Write as _, stdout};
use std::ops::ControlFlow;
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};

use super::super::taken::Taken;

/// How long it is tried to give the terminal back: a console in which somebody selects text takes nothing.
const PATIENCE: Duration = Duration::from_millis(400);
/// Between two looks whether somebody else has given it back.
const PAUSE: Duration = Duration::from_millis(10);

static TAKEN: Taken = Taken::new();
static LEAVE: OnceLock<fn(&mut dyn io::Write) -> io::Result<()>> = OnceLock::new();

/// Nothing: a console is nobody's job.
///
/// # Errors
/// Never.
pub fn claim() -> io::Result<()> {
    Ok(())
}

/// Always.
#[must_use]
pub fn is_ours() -> bool {
    true
}

/// Takes the terminal over: raw mode now; [`give_back`] calls `leave`.
///
/// # Errors
/// When there is no terminal, or it refuses.
pub fn take(leave: fn(&mut dyn io::Write) -> io::Result<()>) -> io::Result<()> {
    enable_raw_mode()?;
    LEAVE.get_or_init(|| leave);
    TAKEN.set(true);
    Ok(())
}

/// Whether it is taken over, and not yet given back by anyone.
#[must_use]
pub fn is_taken() -> bool {
    TAKEN.is_set()
}

/// Whether somebody has given it back, and is done with that.
#[must_use]
pub fn is_given_back() -> bool {
    TAKEN.is_over()
}

/// Gives the terminal back as it was, at any time and any number of times. What fails is skipped, and a
/// console that takes nothing is given up after a moment.
pub fn give_back() {
    TAKEN.end(leave, || thread::sleep(PAUSE));
}

fn leave() {
    let (done, awaited) = mpsc::channel();
    let leave = move || {
        if let Some(leave) = LEAVE.get() {
            let mut out = stdout().lock();
            leave(&mut out).and_then(|()| out.flush()).ok();
        }
        done.send(()).ok();
    };
    if thread::Builder::new().spawn(leave).is_ok() {
        awaited.recv_timeout(PATIENCE).ok();
    }
    disable_raw_mode().ok();
}

/// Writes all of it, however long that takes; nothing once the terminal is given back.
///
/// # Errors
/// When it can't be written to.
pub fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = stdout().lock();
    if is_taken() { out.write_all(bytes).and_then(|()| out.flush()) } else { Ok(()) }
}

/// Calls `read` whenever there is something to read, until it breaks off.
///
/// # Errors
/// When it can't be waited for, or those of `read`.
pub fn while_there_is_input(mut read: impl FnMut() -> io::Result<ControlFlow<()>>) -> io::Result<()> {
    loop {
        crossterm::event::poll(Duration::from_hours(1))?;
        if read()?.is_break() {
            return Ok(());
        }
    }
}

/// Whether an error means that the terminal is gone.
#[must_use]
pub fn is_lost(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

/// Nothing: there is no shell that could go on with us.
pub fn stop(_whole_job: bool) {}
