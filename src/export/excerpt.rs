//! What of a picture is exported, and in which order.

use crate::analysis::{
    Column, Destination, DestinationColumn, Filter, Picture, ProcessColumn, Row, SocketColumn, Sort,
};
use crate::model::{Observed, Socket};

/// How each table is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The processes.
    pub processes: Sort<ProcessColumn>,
    /// The destinations.
    pub destinations: Sort<DestinationColumn>,
    /// The sockets.
    pub sockets: Sort<SocketColumn>,
}

impl Default for Order {
    /// Most ports first; sockets by protocol and address.
    fn default() -> Self {
        Self {
            processes: Sort::by(ProcessColumn::Ports),
            destinations: Sort::by(DestinationColumn::Ports),
            sockets: Sort::by(SocketColumn::Protocol),
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
            processes: chosen(order.processes, rows, &passes.rows, snapshot, top),
            destinations: chosen(order.destinations, destinations, &passes.destinations, snapshot, top),
            sockets: chosen(order.sockets, &snapshot.sockets, &passes.sockets, snapshot, top),
        }
    }
}

fn chosen<'a, C: Column>(
    sort: Sort<C>,
    items: &'a [C::Item],
    passes: &[bool],
    snapshot: &Observed,
    top: Option<u32>,
) -> Vec<&'a C::Item> {
    let places = sort.places(items, snapshot, |place| passes[place]);
    places
        .into_iter()
        .take(top.map_or(usize::MAX, |top| top as usize))
        .map(|place| &items[place as usize])
        .collect()
}
