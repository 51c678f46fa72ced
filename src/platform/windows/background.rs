//! Questions that may take their time, asked on threads of their own.
//!
//! The machine is out of ports when porttop is needed most: a tool, the service manager or a domain
//! controller may then answer late or never, and neither the screen nor a sample may wait for it.

use std::collections::HashMap;
use std::hash::Hash;
use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The last answer, and whether there was one.
struct Answer<T> {
    last: Mutex<(T, bool)>,
    arrived: Condvar,
}

/// One question that is asked again whenever its answer is wanted and has grown old.
pub struct Latest<T> {
    answer: Arc<Answer<T>>,
    wishes: SyncSender<()>,
    fresh_for: Duration,
    asked: Option<Instant>,
}

impl<T: Clone + Send + 'static> Latest<T> {
    /// Asks nothing yet. Until there is an answer the value is `initial`.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn new(
        thread_name: &'static str,
        fresh_for: Duration,
        initial: T,
        mut question: impl FnMut() -> T + Send + 'static,
    ) -> io::Result<Self> {
        let answer = Arc::new(Answer { last: Mutex::new((initial, false)), arrived: Condvar::new() });
        let (wishes, orders) = sync_channel(1);
        let answered = Arc::clone(&answer);
        thread::Builder::new().name(thread_name.into()).spawn(move || {
            for () in orders {
                let value = question();
                *answered.last.lock().unwrap_or_else(PoisonError::into_inner) = (value, true);
                answered.arrived.notify_all();
            }
        })?;
        Ok(Self { answer, wishes, fresh_for, asked: None })
    }

    /// The last answer there was; it never waits, but asks again when that has grown old.
    pub fn get(&mut self) -> T {
        self.refresh();
        self.last()
    }

    /// The last answer there was, however old.
    pub fn last(&self) -> T {
        self.answer.last.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Asks, and waits for the first answer, but no longer than `limit`.
    pub fn wait_first(&mut self, limit: Duration) {
        self.refresh();
        let last = self.answer.last.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.answer.arrived.wait_timeout_while(last, limit, |(_, answered)| !*answered);
    }

    fn refresh(&mut self) {
        let old = self.asked.is_none_or(|asked| asked.elapsed() >= self.fresh_for);
        if old && self.wishes.try_send(()).is_ok() {
            self.asked = Some(Instant::now());
        }
    }
}

/// Many questions of one kind, each asked once.
pub struct Lookup<K, V> {
    answered: HashMap<K, Option<V>>,
    questions: Sender<K>,
    answers: Receiver<(K, Option<V>)>,
}

impl<K: Clone + Eq + Hash + Send + 'static, V: Clone + Send + 'static> Lookup<K, V> {
    /// Asks nothing yet. When there is no thread to be had, no question is ever answered.
    pub fn new(thread_name: &'static str, question: impl Fn(&K) -> Option<V> + Send + 'static) -> Self {
        let (questions, asked) = channel::<K>();
        let (answer, answers) = channel();
        let _ = thread::Builder::new().name(thread_name.into()).spawn(move || {
            for key in asked {
                let value = question(&key);
                if answer.send((key, value)).is_err() {
                    break;
                }
            }
        });
        Self { answered: HashMap::new(), questions, answers }
    }

    /// The answer, as soon as there is one; it never waits.
    pub fn get(&mut self, key: &K) -> Option<V> {
        self.answered.extend(self.answers.try_iter());
        if let Some(answer) = self.answered.get(key) {
            return answer.clone();
        }
        self.answered.insert(key.clone(), None);
        let _ = self.questions.send(key.clone());
        None
    }
}
