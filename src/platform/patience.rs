//! Calls into the system that may never return, made by somebody who can be given up on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

type Task<T> = Box<dyn FnOnce() -> T + Send>;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impatience {
    /// It did not come in time; the worker that waits for it was given up on.
    Late,
    /// Too many workers were given up on and still wait: no more are risked.
    Exhausted,
}

/// A worker thread, replaced by another when a task does not return in time.
///
/// One that was given up on ends with its task, if that ever returns; until then it counts.
pub struct Worker<T> {
    limit: Duration,
    most_abandoned: usize,
    abandoned: Arc<AtomicUsize>,
    current: Option<(Sender<Task<T>>, Receiver<T>)>,
}

impl<T: Send + 'static> Worker<T> {
    /// Gives each task `limit`, and goes on as long as fewer than `most_abandoned` tasks hang.
    pub fn new(limit: Duration, most_abandoned: usize) -> Self {
        Self { limit, most_abandoned, abandoned: Arc::default(), current: None }
    }

    /// Runs a task and returns what it returned.
    ///
    /// # Errors
    /// When it did not return in time, or no worker is to be had.
    pub fn run(&mut self, task: impl FnOnce() -> T + Send + 'static) -> Result<T, Impatience> {
        if self.current.is_none() {
            if self.abandoned.load(Ordering::Acquire) >= self.most_abandoned {
                return Err(Impatience::Exhausted);
            }
            self.current = Some(start().ok_or(Impatience::Exhausted)?);
        }
        let Some((tasks, answers)) = &self.current else { return Err(Impatience::Exhausted) };
        let guard = Counted::new(&self.abandoned);
        let task: Task<T> = Box::new(move || {
            let answer = task();
            drop(guard);
            answer
        });
        let outcome = match tasks.send(task) {
            Ok(()) => answers.recv_timeout(self.limit),
            Err(_) => Err(RecvTimeoutError::Disconnected),
        };
        outcome.map_err(|_| {
            self.current = None;
            Impatience::Late
        })
    }
}

/// A task that has not returned. Only those that were given up on are left when the next one starts.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn start<T: Send + 'static>() -> Option<(Sender<Task<T>>, Receiver<T>)> {
    let (tasks, work) = channel::<Task<T>>();
    let (answer, answers) = channel();
    let run = move || {
        for task in work {
            if answer.send(task()).is_err() {
                break;
            }
        }
    };
    thread::Builder::new().name("patient".into()).spawn(run).ok()?;
    Some((tasks, answers))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than any machine needs to run a task that does nothing.
    const LONG: Duration = Duration::from_mins(1);
    const SHORT: Duration = Duration::from_millis(20);

    #[test]
    fn tasks_that_return_are_answered_in_turn() {
        let mut worker = Worker::new(LONG, 1);
        assert_eq!(
            (0..100).map(|n| worker.run(move || n)).collect::<Result<Vec<_>, _>>(),
            Ok((0..100).collect())
        );
    }

    #[test]
    fn a_task_that_hangs_costs_its_worker_and_the_cap_holds() {
        let mut worker = Worker::new(SHORT, 2);
        let mut releases = Vec::new();
        for _ in 0..2 {
            let (release, hang) = channel::<()>();
            releases.push(release);
            assert_eq!(worker.run(move || hang.recv().is_ok()), Err(Impatience::Late));
        }
        assert_eq!(worker.run(|| true), Err(Impatience::Exhausted));
        // Once those that hung return, there is room again.
        drop(releases);
        while worker.abandoned.load(Ordering::Acquire) > 0 {
            thread::yield_now();
        }
        worker.limit = LONG;
        assert_eq!(worker.run(|| true), Ok(true));
    }

    #[test]
    fn a_task_that_panics_is_no_answer() {
        let mut worker = Worker::new(LONG, 1);
        assert_eq!(worker.run(|| panic!("on purpose")), Err::<(), _>(Impatience::Late));
        assert_eq!(worker.run(|| ()), Ok(()));
    }
}
