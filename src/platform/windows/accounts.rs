use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use compact_str::CompactString;

use super::ffi::token::Sid;

/// The names of accounts.
///
/// A domain controller may have to be asked, over a network that has just run out of ports: so names
/// are looked up on a thread of their own, and until one is known the SID stands for it.
pub struct Accounts {
    known: HashMap<Sid, CompactString>,
    questions: Sender<Sid>,
    answers: Receiver<(Sid, String)>,
}

impl Accounts {
    pub fn new() -> Self {
        let (questions, asked) = channel::<Sid>();
        let (answer, answers) = channel();
        // Without the thread no question is answered, and every account stays a SID.
        let _ = thread::Builder::new().name("accounts".into()).spawn(move || {
            for sid in asked {
                if let Some(name) = sid.account()
                    && answer.send((sid, name)).is_err()
                {
                    break;
                }
            }
        });
        Self { known: HashMap::new(), questions, answers }
    }

    /// What is known of an account by now; it never waits.
    pub fn name(&mut self, sid: &Sid) -> Option<CompactString> {
        self.known.extend(self.answers.try_iter().map(|(sid, name)| (sid, name.into())));
        if let Some(name) = self.known.get(sid) {
            return Some(name.clone());
        }
        let text = CompactString::from(sid.text()?);
        self.known.insert(sid.clone(), text.clone());
        let _ = self.questions.send(sid.clone());
        Some(text)
    }
}
