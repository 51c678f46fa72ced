//! Reads the keys on a thread of its own, and notices when there will be none any more.

use std::io;
use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

use crossterm::event::{self, Event};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::platform::terminal;

/// How many events wait for a loop that is held up; more are left to the terminal.
const WAITING: usize = 64;

/// How long the rest of an escape sequence is waited for.
const ESCAPE_TIMEOUT: Duration = Duration::from_millis(1);

/// Starts to read. The end of the channel is the end of the input.
///
/// # Errors
/// When the system gives no thread.
pub fn start() -> io::Result<Receiver<io::Result<Event>>> {
    let (sender, events) = channel(WAITING);
    thread::Builder::new().name("input".into()).spawn(move || {
        if let Err(error) = read(&sender) {
            sender.blocking_send(Err(error)).ok();
        }
    })?;
    Ok(events)
}

/// Reads until there is nothing any more, or nobody who wants it. Crossterm is asked only for what is
/// there: it would wait for ever, and at full speed, for a terminal that has hung up.
fn read(sender: &Sender<io::Result<Event>>) -> io::Result<()> {
    terminal::while_there_is_input(|| {
        while event::poll(ESCAPE_TIMEOUT)? {
            if sender.blocking_send(Ok(event::read()?)).is_err() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}
