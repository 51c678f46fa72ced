//! The columns of the table of handles, and which of them pass.

use std::cmp::Ordering;

use crate::analysis::column::Kind;
use crate::analysis::{Column, Item, Picture, Sort, Value};
use crate::model::{Handle, HandleKind, Handles};

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
        value: |handle, _| Value::Word(rank(&handle.kind), kind(&handle.kind), kind(&handle.kind)),
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

/// The indices of the handles that have every word, in order; one with `!` before it must be missing.
#[must_use]
pub fn order(handles: &Handles, sort: Sort<Handle>, words: &str, picture: &Picture) -> Vec<u32> {
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
    sort.indices(handles, picture, |index| passes(&handles[index]))
}

/// Sockets first: they are what one looks for.
const fn rank(kind: &HandleKind) -> u8 {
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
