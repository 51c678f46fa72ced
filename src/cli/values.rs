//! The values of options: words of the program read from text.

use std::ops::RangeInclusive;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::analysis::column::{UnknownColumn, keys};
use crate::analysis::{Column, Destination, Direction, Filter, FilterError, GroupBy, Item, Sort};
use crate::export::Order;
use crate::model::{Backend, Protocol, Share, Socket};

/// `native` or `portable`.
pub(super) fn backend() -> impl TypedValueParser<Value = Backend> {
    let all = [Backend::Native, Backend::Portable];
    PossibleValuesParser::new(all.map(Backend::key))
        .map(move |key| all.into_iter().find(|backend| backend.key() == key).unwrap_or(Backend::Native))
}

/// `tcp` or `udp`.
pub(super) fn protocol() -> impl TypedValueParser<Value = Protocol> {
    let all = [Protocol::Tcp, Protocol::Udp];
    PossibleValuesParser::new(all.map(Protocol::key))
        .map(move |key| all.into_iter().find(|one| one.key() == key).unwrap_or(Protocol::Tcp))
}

/// A text that is no percentage of a capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give percent, from 1 to 100")]
pub(super) struct PercentError;

/// Percent of a capacity as a share, `80` or `99.5`.
pub(super) fn percent(text: &str) -> Result<Share, PercentError> {
    let percent = text.parse().ok().filter(|percent| (1.0..=100.0).contains(percent));
    percent.map(Share::percent).ok_or(PercentError)
}

/// How many connections a NAT can let through toward one destination with an address: one for each port that is
/// not privileged.
pub(super) const SNAT_BUDGETS: RangeInclusive<u32> = 1..=64_512;

/// A text that is no budget of a NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give connections toward one destination, from 1 to 64512")]
pub(super) struct SnatBudgetError;

/// A budget of a NAT.
pub(super) fn snat_budget(text: &str) -> Result<u32, SnatBudgetError> {
    text.parse().ok().filter(|budget| SNAT_BUDGETS.contains(budget)).ok_or(SnatBudgetError)
}

/// The key of a grouping.
pub(super) fn group_by() -> impl TypedValueParser<Value = GroupBy> {
    PossibleValuesParser::new(GroupBy::ALL.map(GroupBy::key))
        .map(|key| GroupBy::ALL.into_iter().find(|by| by.key() == key).unwrap_or_default())
}

/// A filter, and the text a person wrote it as.
#[derive(Clone, Debug)]
pub(super) struct FilterText {
    pub text: String,
    pub filter: Filter,
}

impl FromStr for FilterText {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Ok(Self { text: text.to_owned(), filter: Filter::parse(text)? })
    }
}

/// A text that names no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SortError {
    #[error(transparent)]
    Column(#[from] UnknownColumn),
    #[error("{0}; of destinations: {destinations}; of sockets: {sockets}", destinations = keys::<Destination>(), sockets = keys::<Socket>())]
    AnyColumn(UnknownColumn),
    #[error("'{0}' is no direction; it is asc or desc")]
    Direction(String),
}

/// `COLUMN`, the way one wants to see it first, or `COLUMN:asc`, `COLUMN:desc`.
pub(super) fn sort<R: Item>(text: &str) -> Result<Sort<R>, SortError> {
    let (column, direction) = split(text)?;
    Ok(directed(Column::parse(column)?, direction))
}

/// The same for every table that has the column; the others keep their order.
pub(super) fn order(text: &str) -> Result<Order, SortError> {
    let (name, direction) = split(text)?;
    let mut order = Order::default();
    let processes = Column::parse(name).map(|column| order.processes = directed(column, direction));
    let destinations = Column::parse(name).map(|column| order.destinations = directed(column, direction));
    let sockets = Column::parse(name).map(|column| order.sockets = directed(column, direction));
    match (processes, destinations, sockets) {
        (Err(unknown), Err(_), Err(_)) => Err(SortError::AnyColumn(unknown)),
        _ => Ok(order),
    }
}

fn split(text: &str) -> Result<(&str, Option<Direction>), SortError> {
    match text.split_once(':') {
        None => Ok((text, None)),
        Some((column, "asc")) => Ok((column, Some(Direction::Ascending))),
        Some((column, "desc")) => Ok((column, Some(Direction::Descending))),
        Some((_, other)) => Err(SortError::Direction(other.to_owned())),
    }
}

fn directed<R: Item>(column: &'static Column<R>, direction: Option<Direction>) -> Sort<R> {
    let natural = Sort::by(column);
    Sort { direction: direction.unwrap_or(natural.direction), ..natural }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Row;

    #[test]
    fn a_sort_is_a_column_and_if_wanted_a_direction() {
        let sorted = |text| sort::<Row>(text).map(|sort| (sort.column.key, sort.direction));
        assert_eq!(sorted("bound"), Ok(("bound", Direction::Descending)));
        assert_eq!(sorted("name"), Ok(("name", Direction::Ascending)));
        assert_eq!(sorted("Time-Wait:asc"), Ok(("time_wait", Direction::Ascending)));
        assert!(sort::<Row>("state").is_err());
        assert!(sort::<Row>("ports:").is_err());
    }

    #[test]
    fn an_order_sorts_every_table_that_has_the_column() {
        let pid = order("pid:desc").unwrap();
        let descending = Direction::Descending;
        assert_eq!(pid.processes, Sort { direction: descending, ..Sort::by_key("pid") });
        assert_eq!(pid.sockets, Sort { direction: descending, ..Sort::by_key("pid") });
        assert_eq!(pid.destinations, Order::default().destinations);
        let left = order("left").unwrap();
        assert_eq!(left.sockets, Sort::by_key("left"));
        assert_eq!(left.processes, Order::default().processes);
    }
}
