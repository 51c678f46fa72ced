//! Whether the terminal is taken over. Whoever gives it back first does so, from whatever thread or handler of a
//! signal; the others wait until that is done, so that nobody ends the program meanwhile.

use std::sync::atomic::{AtomicU8, Ordering};

const FREE: u8 = 0;
const TAKEN: u8 = 1;
/// It is being given back.
const LEAVING: u8 = 2;

/// How often those look who wait. With the pauses that is longer than giving back takes at the most.
const LOOKS: u32 = 100;

/// Who has the terminal.
pub(super) struct Taken(AtomicU8);

impl Taken {
    /// Not we.
    pub const fn new() -> Self {
        Self(AtomicU8::new(FREE))
    }

    /// We have it from now on, or not after all.
    pub fn set(&self, taken: bool) {
        self.0.store(if taken { TAKEN } else { FREE }, Ordering::SeqCst);
    }

    /// Whether we have it, and nobody is giving it back.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst) == TAKEN
    }

    /// Whether it was given back, or not taken yet.
    pub fn is_over(&self) -> bool {
        self.0.load(Ordering::SeqCst) == FREE
    }

    /// Gives it back by leaving it, if we have it. It takes no lock and no memory.
    pub fn end(&self, leave: impl FnOnce(), pause: impl Fn()) {
        if self.0.compare_exchange(TAKEN, LEAVING, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            leave();
            self.0.store(FREE, Ordering::SeqCst);
            return;
        }
        for _ in 0..LOOKS {
            if self.is_over() {
                return;
            }
            pause();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    #[test]
    fn it_is_given_back_once_and_everyone_waits_for_that() {
        let taken = Taken::new();
        taken.end(|| panic!("it is not taken"), || panic!("there is nothing to wait for"));
        taken.set(true);
        assert!(taken.is_set() && !taken.is_over());
        let (left, awaited) = channel();
        thread::scope(|scope| {
            let (leaving, leaves) = channel();
            let (go_on, waits) = channel::<()>();
            let taken = &taken;
            scope.spawn(move || {
                let leave = || {
                    leaving.send(()).unwrap();
                    waits.recv().ok();
                    left.send("first").unwrap();
                };
                taken.end(leave, thread::yield_now);
            });
            leaves.recv().unwrap();
            assert!(!taken.is_set() && !taken.is_over());
            let go_on = Cell::new(Some(go_on));
            let pause = || {
                go_on.take();
                while !taken.is_over() {
                    thread::yield_now();
                }
            };
            taken.end(|| panic!("it is being given back"), pause);
            assert_eq!(awaited.try_recv(), Ok("first"));
        });
        assert!(taken.is_over());
        taken.end(|| panic!("it was given back"), || panic!("nobody is giving it back"));
    }
}
