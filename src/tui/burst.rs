//! Tells keys that a person presses from those that arrive in one go.

use std::time::{Duration, Instant};

/// No two keys of a person come closer together; those of a paste do, and those that a slow line has held
/// back.
const SHORTEST: Duration = Duration::from_millis(30);

/// How a key came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Press {
    /// When, on a clock that never goes back.
    pub at: Duration,
    /// Whether it came in one go with the key before it: pasted text does, in a terminal that does not
    /// tell it from keys. Or nobody reads what is drawn.
    pub together: bool,
}

/// When the keys came.
pub struct Burst {
    start: Instant,
    /// When the last one was done with: what is there at once then had been there before.
    last: Option<Instant>,
}

impl Burst {
    /// On the clock that starts there.
    pub const fn since(start: Instant) -> Self {
        Self { start, last: None }
    }

    /// The time on the clock of [`Press`].
    pub fn clock(&self) -> Duration {
        self.start.elapsed()
    }

    /// A key is there.
    pub fn arrived(&self) -> Press {
        Press { at: self.clock(), together: self.last.is_some_and(|last| last.elapsed() < SHORTEST) }
    }

    /// It is done with.
    pub fn done(&mut self) {
        self.last = Some(Instant::now());
    }
}
