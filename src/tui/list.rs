//! Which rows a table shows: their order, the selected one and how far it is scrolled.

use std::net::{IpAddr, SocketAddr};

use crate::analysis::{Destination, Finding, RowKey};
use crate::model::{NamespaceId, Owner, Protocol, Socket};

/// What a row of any table stands for, from snapshot to snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemKey {
    /// A row of the table of processes.
    Row(RowKey),
    /// A destination.
    Destination(DestinationKey),
    /// A socket.
    Socket(SocketKey),
    /// A finding.
    Finding(FindingKey),
    /// A handle, by its number.
    Handle(u64),
}

/// What tells a destination from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestinationKey {
    namespace: NamespaceId,
    protocol: Protocol,
    local: IpAddr,
    /// The address and port there.
    pub remote: SocketAddr,
}

impl DestinationKey {
    /// The key of a destination.
    #[must_use]
    pub fn of(destination: &Destination) -> Self {
        let Destination { namespace, protocol, local, remote, .. } = *destination;
        Self { namespace, protocol, local, remote }
    }
}

/// What tells a socket from others: its ends, and for one without a peer the inode too, because several
/// can be bound to one port. A connection keeps its key when it goes to TIME_WAIT and loses its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketKey {
    namespace: NamespaceId,
    protocol: Protocol,
    local: SocketAddr,
    remote: Option<SocketAddr>,
    inode: Option<u32>,
}

impl SocketKey {
    /// The key of a socket.
    #[must_use]
    pub fn of(socket: &Socket) -> Self {
        let Socket { namespace, protocol, .. } = *socket;
        let (local, remote) = (socket.local(), socket.remote());
        let inode = socket.inode().filter(|_| remote.is_none());
        Self { namespace, protocol, local, remote, inode }
    }
}

/// What tells a finding from others: its rule, the process it is about, and which one of these it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FindingKey {
    rule: &'static str,
    owner: Option<Owner>,
    nth: usize,
}

impl FindingKey {
    /// The key of the finding at an index.
    #[must_use]
    pub fn of(findings: &[Finding], index: usize) -> Option<Self> {
        let Finding { id: rule, owner, .. } = *findings.get(index)?;
        let same = |finding: &&Finding| finding.id == rule && finding.owner == owner;
        Some(Self { rule, owner, nth: findings[..index].iter().filter(same).count() })
    }
}

/// The rows of one table.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// Indices into the picture's items, in the order in which they are shown.
    pub order: Vec<u32>,
    /// Which of them is selected; 0 when there are none.
    pub cursor: usize,
    /// The first of them that was on the screen.
    pub offset: usize,
    /// What was selected last; the selection follows it, and comes back to it when a filter lets it
    /// through again.
    pub key: Option<ItemKey>,
}

impl List {
    /// The index of the selected item.
    #[must_use]
    pub fn selected(&self) -> Option<usize> {
        self.order.get(self.cursor).map(|index| *index as usize)
    }

    /// Takes a new order and keeps the selection on its item, or near where it was when that is hidden or
    /// gone.
    pub fn arrange(&mut self, order: Vec<u32>, found: Found) {
        self.order = order;
        match found {
            Found::At(index) => self.cursor = index,
            Found::Gone => self.key = None,
            Found::Hidden => {}
        }
        self.cursor = self.cursor.min(self.order.len().saturating_sub(1));
    }

    /// Moves the selection to a row, or to the last one.
    pub fn move_to(&mut self, row: usize) {
        self.cursor = row.min(self.order.len().saturating_sub(1));
        self.key = None;
    }

    /// Scrolls by so many rows; the selection comes along when it would leave the screen.
    pub fn scroll_by(&mut self, rows: isize, height: usize) {
        let last = self.order.len().saturating_sub(height);
        self.offset = self.offset.saturating_add_signed(rows).min(last);
        let visible = self.cursor.clamp(self.offset, self.offset + height.saturating_sub(1));
        if visible != self.cursor {
            self.move_to(visible);
        }
    }

    /// The first row on a screen of so many: scrolled just so far that the selection is on it.
    #[must_use]
    pub fn first_on(&self, height: usize) -> usize {
        let first = (self.cursor + 1).saturating_sub(height);
        let last = self.order.len().saturating_sub(height);
        self.offset.clamp(first, self.cursor.max(first)).min(last)
    }
}

/// What has become of the selected item in a new order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is there.
    At(usize),
    /// It does not pass.
    Hidden,
    /// It does not exist any more, or none was selected.
    Gone,
}

/// Looks for what is selected in the order of so many items.
#[must_use]
pub fn find(
    order: &[u32],
    items: usize,
    key: Option<&ItemKey>,
    key_at: impl Fn(usize) -> Option<ItemKey>,
) -> Found {
    if key.is_none() {
        return Found::Gone;
    }
    let wanted = |index: usize| key_at(index).as_ref() == key;
    match order.iter().position(|index| wanted(*index as usize)) {
        Some(found) => Found::At(found),
        None if (0..items).any(wanted) => Found::Hidden,
        None => Found::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(rows: u32) -> List {
        List { order: (0..rows).collect(), ..List::default() }
    }

    #[test]
    fn the_selection_follows_its_item_and_stays_near_when_it_is_gone() {
        let key = |index: usize| Some(ItemKey::Row(RowKey::Program(index.to_string().into())));
        let mut list = List { key: key(7), cursor: 2, ..List::default() };
        let arrange = |list: &mut List, order: &[u32], items| {
            let found = find(order, items, list.key.as_ref(), key);
            list.arrange(order.to_vec(), found);
        };
        arrange(&mut list, &[5, 6, 7, 8], 9);
        assert_eq!(list.selected(), Some(7));
        arrange(&mut list, &[7, 8, 5, 6], 9);
        assert_eq!((list.selected(), list.cursor), (Some(7), 0));
        arrange(&mut list, &[5, 6], 9);
        assert_eq!((list.selected(), &list.key), (Some(5), &key(7)), "hidden");
        arrange(&mut list, &[5, 6, 7], 9);
        assert_eq!(list.selected(), Some(7), "shown again");
        arrange(&mut list, &[1, 2], 3);
        assert_eq!((list.selected(), &list.key), (Some(2), &None), "gone");
        arrange(&mut list, &[], 0);
        assert_eq!(list.selected(), None);
    }

    proptest! {
        #[test]
        fn the_selection_is_on_the_screen_and_the_screen_is_full(
            rows in 0u32..50, height in 0usize..30, moves in prop::collection::vec((any::<bool>(), -40isize..40), 0..20)
        ) {
            let mut list = list(rows);
            for (scroll, by) in moves {
                if scroll { list.scroll_by(by, height) } else { list.move_to(list.cursor.saturating_add_signed(by)) }
                list.offset = list.first_on(height);
                prop_assert!(list.cursor < list.order.len().max(1));
                prop_assert!(list.offset <= list.cursor.max(list.offset));
                if height > 0 && rows > 0 {
                    prop_assert!((list.offset..list.offset + height).contains(&list.cursor));
                    prop_assert!(list.offset + height <= list.order.len().max(height));
                }
            }
        }
    }
}
