//! Which rows were asked for, which have come, and the keys that wait for them.

use std::collections::VecDeque;
use std::sync::Arc;

use crossterm::event::KeyEvent;

use super::{Query, Request};
use crate::analysis::Picture;
use crate::model::Handles;
use crate::platform::Reading;
use crate::tui::burst::Press;
use crate::tui::list::ItemKey;

/// So many keys wait for rows at the most.
const MOST_KEYS: usize = 64;

/// What was asked for and what has come.
#[derive(Debug, Default)]
pub struct Arranging {
    asked: Option<Request>,
    /// What the rows on the screen were asked for with, and the number of that request.
    shown: Option<(u64, Query)>,
    /// How many seconds have begun since anything came of a request, while one is open.
    seconds: u8,
    /// The keys that wait for the rows they are meant for.
    waiting: VecDeque<(KeyEvent, Press)>,
}

impl Arranging {
    /// The request for what is to be shown, unless it was asked for already.
    pub fn ask(
        &mut self,
        query: Query,
        picture: &Arc<Picture>,
        handles: Option<&Arc<Reading<Handles>>>,
        key: Option<&ItemKey>,
    ) -> Option<Request> {
        let is_known = self.asked.as_ref().is_some_and(|asked| {
            asked.query == query
                && Arc::ptr_eq(&asked.picture, picture)
                && asked.handles.as_ref().map(Arc::as_ptr) == handles.map(Arc::as_ptr)
        });
        if is_known {
            return None;
        }
        let id = self.asked.as_ref().map_or(0, |asked| asked.id + 1);
        let (picture, handles, key) = (Arc::clone(picture), handles.cloned(), key.cloned());
        self.asked = Some(Request { id, query, picture, handles, key });
        self.asked.clone()
    }

    /// Notes what is on the screen now.
    pub fn show(&mut self, request: &Request) {
        (self.shown, self.seconds) = (Some((request.id, request.query.clone())), 0);
    }

    /// Whether the rows on the screen are arranged by this.
    #[must_use]
    pub fn shows(&self, query: &Query) -> bool {
        self.shown.as_ref().is_some_and(|(_, shown)| shown == query)
    }

    /// A second has begun; true when it is time to say that it takes long.
    pub fn tick(&mut self) -> bool {
        let before = self.takes_long();
        let asked = self.asked.as_ref().map(|asked| asked.id);
        let is_open = asked != self.shown.as_ref().map(|(id, _)| *id);
        self.seconds = if is_open { self.seconds.saturating_add(1) } else { 0 };
        before != self.takes_long()
    }

    /// Whether it takes so long that one wonders.
    #[must_use]
    pub const fn takes_long(&self) -> bool {
        self.seconds > 1
    }

    /// Keeps a key until the rows are there.
    pub fn hold(&mut self, key: KeyEvent, press: Press) {
        if self.waiting.len() < MOST_KEYS {
            self.waiting.push_back((key, press));
        }
    }

    /// The next key that has waited.
    pub fn next_key(&mut self) -> Option<(KeyEvent, Press)> {
        self.waiting.pop_front()
    }

    /// Whether keys wait.
    #[must_use]
    pub fn holds_keys(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Forgets the keys that wait.
    pub fn forget_keys(&mut self) {
        self.waiting.clear();
    }
}
