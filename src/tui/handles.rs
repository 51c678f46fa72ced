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
use crate::analysis::column::Kind;
use crate::analysis::{Column, Item, Picture, Sort, Value};
use crate::model::{Gap, Handle, HandleKind, Handles, Owner};
use crate::platform::{HandleLists, Reading};

/// How often handles are listed while one looks at them.
const REFRESH: Duration = Duration::from_secs(3);

/// What a list of handles has come to.
pub type Listed = Result<Arc<Reading<Handles>>, Gap>;

impl Item for Handle {
    fn columns() -> &'static [Column<Self>] {
        COLUMNS
    }

    fn tie_break(&self, other: &Self) -> Ordering {
        self.number.cmp(&other.number)
    }
}

static COLUMNS: &[Column<Handle>] = &[
    Column {
        key: "number",
        title: "HANDLE",
        kind: Kind::Number,
        width: (8, 10),
        rank: 0,
        value: |handle, _| Value::Id(handle.number),
        ..Column::PLAIN
    },
    Column {
        key: "kind",
        title: "KIND",
        width: (10, 20),
        rank: 20,
        value: |handle, _| Value::Word(order(&handle.kind), kind(&handle.kind), kind(&handle.kind)),
        ..Column::PLAIN
    },
    Column {
        key: "name",
        title: "NAME",
        kind: Kind::Name,
        width: (12, u16::MAX),
        rank: 10,
        value: |handle, _| Value::text(name(handle)),
        ..Column::PLAIN
    },
];

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
    deliver: impl Fn(Action) -> bool + Send + 'static,
) -> io::Result<Worker<Owner>> {
    let list = move |owner, _: &Receiver<Owner>| Action::Handles(owner, lists.list(owner).map(Arc::new));
    Worker::start("handles", list, deliver)
}

/// The places of the handles that have every word, in order; one with `!` before it must be missing.
#[must_use]
pub fn arranged(handles: &Handles, sort: Sort<Handle>, words: &str, picture: &Picture) -> Vec<u32> {
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
    sort.indices(handles, picture, |place| passes(&handles[place]))
}

/// Sockets first: they are what one looks for.
const fn order(kind: &HandleKind) -> u8 {
    match kind {
        HandleKind::Socket => 0,
        HandleKind::Pipe => 1,
        HandleKind::File => 2,
        HandleKind::Directory => 3,
        HandleKind::Device => 4,
        HandleKind::Other(_) => 5,
    }
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
    let remote = socket.remote().map_or_else(String::new, |remote| format!(" → {remote}"));
    Some(format!("{} {} {}{remote}", socket.protocol.key(), socket.state.title(), socket.local()))
}
