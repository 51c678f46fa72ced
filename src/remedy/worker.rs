//! Requests that nobody waits for: what changes something is done on one thread, one after the other; what
//! only looks has a thread for each request.

use std::io;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::executor::NotDone;
use super::service::{Request, Response, Service};

/// Which request an answer belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(u64);

impl RequestId {
    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What came of the request with this id.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Which request.
    pub id: RequestId,
    /// What came of it.
    pub response: Response,
}

type Asked = (RequestId, Request);

/// Answers requests beside whoever asks.
pub struct Worker {
    service: Service,
    deliver: Arc<dyn Fn(Answer) + Send + Sync>,
    /// None before the first change.
    changes: Option<(mpsc::Sender<Asked>, JoinHandle<()>)>,
}

impl Worker {
    /// A worker that gives its answers to `deliver`.
    pub fn new(service: Service, deliver: impl Fn(Answer) + Send + Sync + 'static) -> Self {
        Self { service, deliver: Arc::new(deliver), changes: None }
    }

    /// Takes a request; every one is answered.
    pub fn ask(&mut self, id: RequestId, request: Request) {
        let asked = (id, request);
        let refused = if asked.1.changes() { self.change(asked) } else { self.look(asked) };
        if let Err(((id, request), error)) = refused {
            let response = request.not_done(NotDone::NoThread(error.to_string()));
            (self.deliver)(Answer { id, response });
        }
    }

    fn change(&mut self, mut asked: Asked) -> Result<(), (Asked, io::Error)> {
        if let Some((sender, _)) = &self.changes {
            match sender.send(asked) {
                Ok(()) => return Ok(()),
                // The thread has ended: it is started anew.
                Err(mpsc::SendError(back)) => asked = back,
            }
        }
        let (sender, requests) = mpsc::channel();
        let answer = self.answering();
        let work = move || requests.into_iter().for_each(answer);
        match thread::Builder::new().name("remedy".into()).spawn(work) {
            Ok(thread) => {
                // It can't have ended yet: it waits for this.
                sender.send(asked).ok();
                self.changes = Some((sender, thread));
                Ok(())
            }
            Err(error) => Err((asked, error)),
        }
    }

    fn look(&self, asked: Asked) -> Result<(), (Asked, io::Error)> {
        let answer = self.answering();
        // What a thread that can't be started was given is lost; the request must not be.
        let kept = Arc::new(Mutex::new(Some(asked)));
        let given = Arc::clone(&kept);
        let look = move || take(&given).into_iter().for_each(answer);
        match thread::Builder::new().name("look".into()).spawn(look) {
            Ok(_) => Ok(()),
            Err(error) => take(&kept).map_or(Ok(()), |asked| Err((asked, error))),
        }
    }

    fn answering(&self) -> impl Fn(Asked) + Send + use<> {
        let (service, deliver) = (self.service.clone(), Arc::clone(&self.deliver));
        move |(id, request)| deliver(Answer { id, response: service.answer(request) })
    }
}

fn take(kept: &Mutex<Option<Asked>>) -> Option<Asked> {
    kept.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Drop for Worker {
    /// Waits for what is half done: a range that is being set has to be read back.
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.changes.take() {
            drop(sender);
            thread.join().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::remedy::License;

    fn worker(service: Service) -> (Worker, mpsc::Receiver<Answer>) {
        let (sender, answers) = mpsc::channel();
        (Worker::new(service, move |answer| sender.send(answer).unwrap()), answers)
    }

    #[test]
    fn an_answer_comes_back_from_each_thread_with_the_id_of_its_request() {
        let (mut worker, answers) = worker(Service::new(License::unless(false)));
        let ids = [RequestId::default().next(), RequestId::default().next().next()];
        worker.ask(ids[0], Request::MayEnd(Vec::new()));
        worker.ask(ids[1], Request::Probe(None));
        let mut answers: Vec<_> = answers.iter().take(2).collect();
        answers.sort_by_key(|answer| answer.id);
        assert!(matches!(&answers[0], Answer { id, response: Response::MayEnd(Ok(_)) } if *id == ids[0]));
        let Answer { id, response: Response::Probed(Ok(probed)) } = &answers[1] else {
            panic!("{answers:?}")
        };
        assert_eq!((*id, probed.tries.len()), (ids[1], 4));
    }

    #[test]
    fn with_read_only_nothing_is_opened_that_could_change_anything() {
        let open = |_| -> Result<_, NotDone> { panic!("opened") };
        let (mut worker, answers) = worker(Service::with(License::unless(true), open));
        worker.ask(RequestId::default(), Request::MayEnd(Vec::new()));
        assert_eq!(answers.recv().unwrap().response, Response::MayEnd(Err(NotDone::ReadOnly)));
    }

    #[test]
    fn with_read_only_a_port_is_asked_for_and_nothing_is_connected_to() {
        let (mut worker, answers) = worker(Service::new(License::unless(true)));
        worker.ask(RequestId::default(), Request::Probe(Some("127.0.0.1:1".into())));
        assert_eq!(answers.recv().unwrap().response, Response::Probed(Err(NotDone::ReadOnly)));
        worker.ask(RequestId::default(), Request::Probe(None));
        assert!(matches!(answers.recv().unwrap().response, Response::Probed(Ok(_))));
    }

    #[test]
    fn what_could_not_be_opened_once_is_opened_the_next_time() {
        let opened = AtomicU32::new(0);
        let real = Service::new(License::unless(false));
        let full = NotDone::Unread("Too many open files".into());
        let first = full.clone();
        let service = Service::with(License::unless(false), move |_| {
            if opened.fetch_add(1, Ordering::Relaxed) == 0 { Err(first.clone()) } else { real.executor() }
        });
        let (mut worker, answers) = worker(service);
        let mut ask = || {
            worker.ask(RequestId::default(), Request::MayEnd(Vec::new()));
            answers.recv().unwrap().response
        };
        assert_eq!(ask(), Response::MayEnd(Err(full)));
        assert!(matches!(ask(), Response::MayEnd(Ok(known)) if known.forbidden.is_empty()));
    }
}
