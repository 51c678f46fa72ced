//! The session of this process. A session outlives its process, so that there is at most one, that it is stopped
//! on every way out, and that none is started after that.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Which session there is.
pub struct OwnSession(Mutex<State>);

enum State {
    None,
    Running(String),
    /// The process ends.
    Over,
}

impl OwnSession {
    /// None yet.
    pub const fn new() -> Self {
        Self(Mutex::new(State::None))
    }

    /// Starts the session of this name. Whoever ends the process meanwhile waits for that, and then stops it.
    /// None when the process ends, or there is one already.
    pub fn start<T, E>(&self, name: &str, start: impl FnOnce(&str) -> Result<T, E>) -> Option<Result<T, E>> {
        let mut state = self.lock();
        let State::None = *state else { return None };
        let started = start(name);
        if started.is_ok() {
            *state = State::Running(name.to_owned());
        }
        Some(started)
    }

    /// Stops the session, if there is one.
    pub fn stop(&self, stop: impl FnOnce(&str)) {
        let mut state = self.lock();
        if let State::Running(name) = &*state {
            stop(name);
            *state = State::None;
        }
    }

    /// The same, and there is no other one after it.
    pub fn end(&self, stop: impl FnOnce(&str)) {
        let mut state = self.lock();
        if let State::Running(name) = &*state {
            stop(name);
        }
        *state = State::Over;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    const NAME: &str = "porttop-1-2";

    fn started(session: &OwnSession) -> Option<Result<(), ()>> {
        session.start(NAME, |_| Ok(()))
    }

    fn stopped(session: &OwnSession, stop: impl FnOnce(&OwnSession, &mut dyn FnMut(&str))) -> Vec<String> {
        let mut names = Vec::new();
        stop(session, &mut |name| names.push(name.to_owned()));
        names
    }

    #[test]
    fn there_is_one_session_which_is_stopped_once() {
        let session = OwnSession::new();
        assert_eq!(started(&session), Some(Ok(())));
        assert_eq!(started(&session), None);
        assert_eq!(stopped(&session, |session, stop| session.stop(stop)), [NAME]);
        assert_eq!(stopped(&session, |session, stop| session.stop(stop)), [""; 0]);
        assert_eq!(started(&session), Some(Ok(())));
    }

    #[test]
    fn what_could_not_be_started_is_not_stopped() {
        let session = OwnSession::new();
        assert_eq!(session.start(NAME, |_| Err::<(), ()>(())), Some(Err(())));
        assert_eq!(stopped(&session, |session, stop| session.end(stop)), [""; 0]);
    }

    #[test]
    fn a_process_that_ends_leaves_no_session_and_starts_none() {
        let session = OwnSession::new();
        assert_eq!(started(&session), Some(Ok(())));
        assert_eq!(stopped(&session, |session, stop| session.end(stop)), [NAME]);
        assert_eq!(stopped(&session, |session, stop| session.end(stop)), [""; 0]);
        assert_eq!(started(&session), None);
    }

    /// Ctrl-C comes on a thread of its own, at any moment.
    #[test]
    fn a_session_that_is_just_being_started_is_stopped_too() {
        let session = OwnSession::new();
        thread::scope(|scope| {
            let (starting, started) = channel();
            let (go_on, waits) = channel::<()>();
            let session = &session;
            scope.spawn(move || {
                session.start(NAME, |_| {
                    starting.send(()).unwrap();
                    waits.recv().ok();
                    Ok::<(), ()>(())
                })
            });
            started.recv().unwrap();
            let ending = scope.spawn(|| stopped(session, |session, stop| session.end(stop)));
            drop(go_on);
            assert_eq!(ending.join().unwrap(), [NAME]);
        });
    }
}
