//! The open handles of the process on a page: what was listed, how it is sorted and filtered, and when
//! it is listed again.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::action::Action;
use super::list::ItemKey;
use super::page::{FilterLine, Table};
use super::worker::Worker;
use crate::analysis::{Column, Direction, Sort};
use crate::model::{Gap, Handle, HandleKind, Handles, Observed, Owner, Socket};
use crate::platform::{HandleLists, Reading};

/// How often handles are listed while one looks at them.
const REFRESH: Duration = Duration::from_secs(3);

/// What a list of handles has come to.
pub type Listed = Result<Arc<Reading<Handles>>, Gap>;

/// The columns of the table of handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is documented by its title and by what it sorts")]
pub enum HandleColumn {
    Number,
    Kind,
    Name,
}

impl Column for HandleColumn {
    type Item = Handle;

    const ALL: &'static [Self] = &[Self::Number, Self::Kind, Self::Name];

    fn key(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Kind => "kind",
            Self::Name => "name",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Number => "HANDLE",
            Self::Kind => "KIND",
            Self::Name => "NAME",
        }
    }

    fn is_number(self) -> bool {
        self == Self::Number
    }

    fn order(self, a: &Handle, b: &Handle, _: &Observed) -> Ordering {
        fn ends(handle: &Handle) -> Option<(u8, &Socket)> {
            handle.socket.as_deref().map(|socket| (socket.state as u8, socket))
        }
        match self {
            Self::Number => a.number.cmp(&b.number),
            Self::Kind => a.kind.cmp(&b.kind),
            Self::Name => a.name.cmp(&b.name).then_with(|| match (ends(a), ends(b)) {
                (Some((a_state, a)), Some((b_state, b))) => {
                    (a.protocol, a_state, a.local, a.remote).cmp(&(b.protocol, b_state, b.local, b.remote))
                }
                (a, b) => a.is_some().cmp(&b.is_some()),
            }),
        }
    }

    fn tie_break(a: &Handle, b: &Handle) -> Ordering {
        a.number.cmp(&b.number)
    }
}

/// The handles of a page.
#[derive(Clone, Debug)]
pub struct HandleList {
    /// How they are shown.
    pub table: Table<HandleColumn>,
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
            table: Table::by(Sort { column: HandleColumn::Number, direction: Direction::Ascending }),
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
    deliver: impl Fn(Action) -> bool + Send + 'static,
) -> io::Result<Worker<Owner>> {
    let list = move |owner, _: &Receiver<Owner>| Action::Handles(owner, lists.list(owner).map(Arc::new));
    Worker::start("handles", list, deliver)
}

/// The places of the handles that have every word, in order; one with `!` before it must be missing.
#[must_use]
pub fn arranged(handles: &Handles, sort: Sort<HandleColumn>, words: &str, snapshot: &Observed) -> Vec<u32> {
    let handles = &handles.handles;
    let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
    let passes = |handle: &Handle| {
        if words.is_empty() {
            return true;
        }
        let text = format!("{} {} {}", handle.number, kind(&handle.kind), name(handle).unwrap_or_default());
        let text = text.to_lowercase();
        words.iter().all(|word| match word.strip_prefix('!') {
            Some(word) => word.is_empty() || !text.contains(word),
            None => text.contains(word),
        })
    };
    sort.places(handles, snapshot, |place| passes(&handles[place]))
}

/// The name of a kind.
#[must_use]
pub fn kind(kind: &HandleKind) -> &str {
    match kind {
        HandleKind::Socket => "socket",
        HandleKind::Pipe => "pipe",
        HandleKind::File => "file",
        HandleKind::Directory => "directory",
        HandleKind::Device => "device",
        HandleKind::Other(name) => name,
    }
}

/// What is behind a handle: `tcp ESTABLISHED 10.0.0.5:50377 → 10.0.0.9:1433`, or a name.
#[must_use]
pub fn name(handle: &Handle) -> Option<String> {
    let Some(socket) = &handle.socket else { return handle.name.clone() };
    let remote = socket.remote.map_or_else(String::new, |remote| format!(" → {remote}"));
    Some(format!("{} {} {}{remote}", socket.protocol.key(), socket.state.title(), socket.local))
}
