//! The open handles of the process on a page: what was listed, how it is sorted and filtered, and when
//! it is listed again.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::arrange::handles::kind;
use super::filter_line::FilterLine;
use super::list::ItemKey;
use super::table::Table;
use super::worker::Worker;
use crate::analysis::Sort;
use crate::model::{Gap, Handle, Handles, Owner};
use crate::platform::{HandleLists, Reading};

/// How often handles are listed while one looks at them.
const REFRESH: Duration = Duration::from_secs(3);

/// What a list of handles has come to.
pub type Listed = Result<Arc<Reading<Handles>>, Gap>;

/// The handles of a page.
#[derive(Clone, Debug)]
pub struct HandleList {
    /// How they are shown.
    pub table: Table<Handle>,
    /// The filter of the other panes while this one is open, and the other way round.
    pub other_filter: FilterLine,
    /// What is shown.
    pub listed: Option<Arc<Reading<Handles>>>,
    /// What was listed last, and is shown once it is arranged.
    pub newest: Option<Arc<Reading<Handles>>>,
    /// Why that is not the newest.
    pub refused: Option<Gap>,
    /// How many there were when the pane was opened.
    pub at_first: Option<usize>,
    asked: Option<Duration>,
    waiting: bool,
}

impl Default for HandleList {
    fn default() -> Self {
        Self {
            table: Table::by(Sort::by_key("number")),
            other_filter: FilterLine::plain(),
            listed: None,
            newest: None,
            refused: None,
            at_first: None,
            asked: None,
            waiting: false,
        }
    }
}

impl HandleList {
    /// Whether it is time to list them again; whoever is told so does it. `now` is since the screen
    /// started.
    pub fn is_due(&mut self, now: Duration) -> bool {
        let waited = |asked| now.saturating_sub(asked) >= REFRESH;
        let due = !self.waiting && self.asked.is_none_or(waited);
        if due {
            (self.waiting, self.asked) = (true, Some(now));
        }
        due
    }

    /// Takes in what was listed.
    pub fn take(&mut self, listed: Listed) {
        self.waiting = false;
        match listed {
            Ok(listed) => {
                self.at_first = self.at_first.or(Some(listed.value.handles.len()));
                (self.newest, self.refused) = (Some(listed), None);
            }
            Err(gap) => self.refused = Some(gap),
        }
    }

    /// Every handle.
    #[must_use]
    pub fn all(&self) -> &[Handle] {
        self.listed.as_ref().map_or(&[], |listed| &listed.value.handles)
    }

    /// How many there are of each kind, most first.
    #[must_use]
    pub fn kinds(&self) -> Vec<(&str, usize)> {
        let mut kinds = BTreeMap::new();
        for handle in self.all() {
            *kinds.entry(kind(&handle.kind)).or_insert(0) += 1;
        }
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        kinds
    }

    /// What the row of a handle stands for.
    #[must_use]
    pub fn key_at(&self, place: usize) -> Option<ItemKey> {
        Some(ItemKey::Handle(self.all().get(place)?.number))
    }
}

/// Lists handles on a thread of its own.
///
/// # Errors
/// When the system gives no thread.
pub fn worker(
    mut lists: Box<dyn HandleLists>,
    deliver: impl Fn((Owner, Listed)) -> bool + Send + 'static,
) -> io::Result<Worker<Owner>> {
    let list = move |owner, _: &Receiver<Owner>| (owner, lists.list(owner).map(Arc::new));
    Worker::start("handles", list, deliver)
}
