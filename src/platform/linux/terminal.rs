//! The terminal as Linux has it: modes, jobs, and somebody at the other end who may not read.
//!
//! [`give_back`] also runs in handlers of signals: it takes no lock and no memory and makes bare system
//! calls only.

use std::io;
use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group, kill_process};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{
    Action, OptionalActions, QueueSelector, Termios, tcflow, tcflush, tcgetattr, tcgetpgrp, tcsetattr,
};

use super::super::taken::Taken;
use super::signals;

/// So much is written at once; before the next piece the writer looks whether it still may.
const PIECE: usize = 4096;

/// What ends an escape sequence that was cut off: CAN.
const CANCEL: u8 = 0x18;

/// Between two attempts at something that can't be waited for.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// How long, and after how many attempts no longer, the terminal is kept for whoever is still reading.
const READING_PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
const READING_ATTEMPTS: u32 = 250;

/// After how many attempts what nobody reads is thrown away, and after how many the terminal is given up.
const PATIENCE: u32 = 20;
const ATTEMPTS: u32 = 2 * PATIENCE;

static TAKEN: Taken = Taken::new();

/// Whether a piece of a frame is being written. Set before it is looked up whether that is still allowed,
/// so that nothing of a frame comes after the last bytes.
static WRITING: AtomicBool = AtomicBool::new(false);

/// Whether what is typed is being read. Set before it is looked up whether that is still allowed, so that
/// nothing is taken that is typed once the terminal has been given back.
static READING: AtomicBool = AtomicBool::new(false);

static BEFORE: OnceLock<Before> = OnceLock::new();

/// The terminal as it was before.
struct Before {
    modes: Termios,
    /// What has to be written to leave it.
    leave: Vec<u8>,
}

/// Waits, stopped like any other job in the background, until the terminal is ours.
///
/// # Errors
/// When there is no terminal.
pub fn claim() -> io::Result<()> {
    Ok(tcsetattr(stdin(), OptionalActions::Now, &tcgetattr(stdin())?)?)
}

/// Whether we are in the foreground; so is who is nobody's job.
#[must_use]
pub fn is_ours() -> bool {
    tcgetpgrp(stdin()).map_or(true, |group| group == getpgrp())
}

/// Takes the terminal over: raw mode now; what `leave` writes is written by [`give_back`], whoever calls
/// it, a deadly signal included.
///
/// # Errors
/// When there is no terminal, or it refuses.
pub fn take(leave: fn(&mut dyn io::Write) -> io::Result<()>) -> io::Result<()> {
    let before = if let Some(before) = BEFORE.get() {
        before
    } else {
        let mut bytes = vec![CANCEL];
        leave(&mut bytes)?;
        let before = Before { modes: tcgetattr(stdin())?, leave: bytes };
        signals::before_death(give_back);
        BEFORE.get_or_init(|| before)
    };
    let mut raw = before.modes.clone();
    raw.make_raw();
    TAKEN.set(true);
    tcsetattr(stdin(), OptionalActions::Now, &raw).inspect_err(|_| TAKEN.set(false))?;
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

/// Gives the terminal back as it was, at any time and any number of times. What fails is skipped, and
/// where nobody reads it is given up after a moment.
pub fn give_back() {
    TAKEN.end(leave, pause);
}

fn leave() {
    let Some(before) = BEFORE.get() else { return };
    let mut attempts = 0..READING_ATTEMPTS;
    while READING.load(Ordering::SeqCst) && attempts.next().is_some() {
        poll(&mut [], Some(&READING_PAUSE)).ok();
    }
    signals::without_stopping(|| {
        // In the background the modes are those of whoever is in the foreground.
        if is_ours() {
            tcsetattr(stdin(), OptionalActions::Now, &before.modes).ok();
        }
        write_now(&before.leave);
    });
}

/// Writes without waiting for a reader, after whoever is still writing.
///
/// Where nobody reads, that would be for ever: then what is stuck is thrown away, and turning the output
/// off and on wakes the thread that waits to write it. What it still writes is thrown away the next time.
fn write_now(bytes: &[u8]) {
    let Ok(flags) = fcntl_getfl(stdout()) else { return };
    fcntl_setfl(stdout(), flags | OFlags::NONBLOCK).ok();
    let mut rest = bytes;
    for attempt in 0..ATTEMPTS {
        if attempt >= PATIENCE {
            tcflush(stdout(), QueueSelector::OFlush).ok();
            tcflow(stdout(), Action::OOff).ok();
            tcflow(stdout(), Action::OOn).ok();
            rest = bytes;
        }
        if attempt > PATIENCE || !WRITING.load(Ordering::SeqCst) {
            match rustix::io::write(stdout(), rest) {
                Ok(written) => rest = &rest[written..],
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => break,
            }
        }
        if rest.is_empty() {
            break;
        }
        pause();
    }
    fcntl_setfl(stdout(), flags).ok();
}

/// Writes all of it, however long that takes, or until the terminal is given back.
///
/// # Errors
/// When it can't be written to.
pub fn write(bytes: &[u8]) -> io::Result<()> {
    for mut piece in bytes.chunks(PIECE) {
        while !piece.is_empty() {
            WRITING.store(true, Ordering::SeqCst);
            let written = is_taken().then(|| rustix::io::write(stdout(), piece));
            WRITING.store(false, Ordering::SeqCst);
            match written {
                None => return Ok(()),
                Some(Ok(written)) => piece = &piece[written..],
                Some(Err(Errno::INTR)) => {}
                // Whoever shares the terminal with us may have asked not to wait for it.
                Some(Err(Errno::AGAIN)) => pause(),
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Calls `read` whenever there is something for us to read, until there will be nothing any more or it
/// breaks off.
///
/// # Errors
/// When it can't be waited for, or those of `read`.
pub fn while_there_is_input(mut read: impl FnMut() -> io::Result<ControlFlow<()>>) -> io::Result<()> {
    loop {
        let mut terminal = [PollFd::from_borrowed_fd(stdin(), PollFlags::IN)];
        match poll(&mut terminal, None) {
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        // A terminal that has hung up can be read for ever and gives nothing.
        if terminal[0].revents() != PollFlags::IN {
            return Ok(());
        }
        // What is typed while the shell has the terminal is the shell's.
        let mine = || is_taken() && is_ours();
        READING.store(true, Ordering::SeqCst);
        let read = mine().then(|| signals::without_stopping(&mut read));
        READING.store(false, Ordering::SeqCst);
        match read {
            Some(Ok(ControlFlow::Continue(()))) => {}
            Some(Ok(ControlFlow::Break(()))) => return Ok(()),
            Some(Err(error)) if mine() => return Err(error),
            _ => pause(),
        }
    }
}

/// Whether an error means that the terminal is gone.
#[must_use]
pub fn is_lost(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::IO | Errno::PIPE | Errno::NXIO))
}

/// Stops porttop, on demand with the whole job it belongs to, as ctrl-z does; returns when it goes on.
/// The system stops nobody whom no shell could wake.
pub fn stop(whole_job: bool) {
    signals::by_default(Signal::TSTP, || {
        let stop = Signal::TSTP;
        if whole_job { kill_current_process_group(stop) } else { kill_process(getpid(), stop) }.ok();
    });
}

fn pause() {
    poll(&mut [], Some(&PAUSE)).ok();
}
