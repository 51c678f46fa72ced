//! What of a picture is exported, and in which order.

use crate::analysis::{Destination, Filter, Item, Picture, Row, Sort};
use crate::model::Socket;

/// How each table is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The processes.
    pub processes: Sort<Row>,
    /// The destinations.
    pub destinations: Sort<Destination>,
    /// The sockets.
    pub sockets: Sort<Socket>,
}

impl Default for Order {
    /// Most ports first; sockets by protocol and address.
    fn default() -> Self {
        Self {
            processes: Sort::by_key("ports"),
            destinations: Sort::by_key("ports"),
            sockets: Sort::by_key("protocol"),
        }
    }
}

/// What of a picture is exported, in order.
pub struct Excerpt<'a> {
    /// The whole picture. Its port spaces and gaps are always exported whole.
    pub picture: &'a Picture,
    /// How the tables are sorted.
    pub order: Order,
    /// The rows of the table of processes.
    pub processes: Vec<&'a Row>,
    /// The destinations.
    pub destinations: Vec<&'a Destination>,
    /// The sockets.
    pub sockets: Vec<&'a Socket>,
}

impl<'a> Excerpt<'a> {
    /// The first `top` of what the filter lets through, of each table on its own. A row or destination
    /// that passes keeps its whole numbers.
    #[must_use]
    pub fn of(picture: &'a Picture, filter: &Filter, order: Order, top: Option<u32>) -> Self {
        let passes = picture.select(filter);
        let Picture { snapshot, rows, destinations, .. } = picture;
        Self {
            picture,
            order,
            processes: chosen(order.processes, rows, &passes.rows, picture, top),
            destinations: chosen(order.destinations, destinations, &passes.destinations, picture, top),
            sockets: chosen(order.sockets, &snapshot.sockets, &passes.sockets, picture, top),
        }
    }
}

fn chosen<'a, R: Item>(
    sort: Sort<R>,
    items: &'a [R],
    passes: &[bool],
    picture: &Picture,
    top: Option<u32>,
) -> Vec<&'a R> {
    let indices = sort.indices(items, picture, |index| passes[index]);
    indices
        .into_iter()
        .take(top.map_or(usize::MAX, |top| top as usize))
        .map(|index| &items[index as usize])
        .collect()
}
