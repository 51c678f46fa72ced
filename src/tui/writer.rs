//! Writes to the terminal on a thread of its own: a terminal that nobody reads holds up that thread and
//! nothing else.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::platform::terminal;

/// A terminal that is read takes a frame sooner than that.
const STUCK: Duration = Duration::from_millis(200);

/// The running thread; it ends when this is dropped and nothing holds it up.
pub struct Writer {
    frames: mpsc::Sender<Vec<u8>>,
    written: UnboundedReceiver<io::Result<()>>,
    /// Since when a frame is being written.
    busy: Option<Instant>,
}

impl Writer {
    /// Starts it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start() -> io::Result<Self> {
        let (frames, inbox) = mpsc::channel::<Vec<u8>>();
        let (sender, written) = unbounded_channel();
        thread::Builder::new().name("writer".into()).spawn(move || {
            for frame in inbox {
                if sender.send(terminal::write(&frame)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { frames, written, busy: None })
    }

    /// Whether everything is written that was handed over.
    pub const fn is_idle(&self) -> bool {
        self.busy.is_none()
    }

    /// Whether a frame has waited so long that nobody can be said to see what is drawn.
    pub fn is_stuck(&self) -> bool {
        self.busy.is_some_and(|since| since.elapsed() > STUCK)
    }

    /// Hands a frame over. None waits behind another: what would be out of date when its turn comes is
    /// drawn then.
    pub fn hand_over(&mut self, frame: Vec<u8>) {
        if !frame.is_empty() && self.frames.send(frame).is_ok() {
            self.busy = Some(Instant::now());
        }
    }

    /// Waits until what was handed over is written; for ever where there is nothing.
    ///
    /// # Errors
    /// When the terminal can't be written to.
    pub async fn written(&mut self) -> io::Result<()> {
        if self.busy.is_none() {
            std::future::pending::<()>().await;
        }
        let written = self.written.recv().await;
        self.busy = None;
        written.unwrap_or_else(|| Err(io::Error::other("nothing is written any more")))
    }
}
