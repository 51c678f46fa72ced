//! The columns of the tables. Each is one value: its names, its width, what stands in it and the fields it
//! is exported as. The order of rows, the cells of the screen, the plain table, CSV and JSON all come from
//! that, so a new column is a new entry in one of the lists below and nothing else.

pub mod destinations;
pub mod processes;
pub mod sockets;
mod value;

use std::cmp::Ordering;
use std::fmt;

pub use value::Value;

use super::{GroupBy, Picture};

/// What a row of a table is.
pub trait Item: Sized + 'static {
    /// The columns of its table, in their order.
    fn columns() -> &'static [Column<Self>];

    /// The order of rows that are equal in a column.
    fn tie_break(&self, other: &Self) -> Ordering;

    /// The fields of an export, in their order.
    #[must_use]
    fn fields() -> Vec<(&'static Field<Self>, &'static Column<Self>)> {
        let of = |column: &'static Column<Self>| column.fields.iter().map(move |field| (field, column));
        let mut fields: Vec<_> = Self::columns().iter().flat_map(of).collect();
        fields.sort_by_key(|(field, _)| field.position);
        fields
    }
}

/// A column of a table.
pub struct Column<R: 'static> {
    /// Its name on the command line and in menus.
    pub key: &'static str,
    /// Its header.
    pub title: &'static str,
    /// Its header where a row stands for several processes, if that is another one.
    pub title_of_groups: Option<&'static str>,
    /// What it holds.
    pub kind: Kind,
    /// The columns of the terminal it needs, and the most it makes use of.
    pub width: (u16, u16),
    /// How soon it has room: the lower the sooner.
    pub rank: u8,
    /// The same, and what it needs, where its table is about something special: see [`Item`]s.
    pub special: Option<(u8, u16)>,
    /// What is to be seen at first sight.
    pub emphasis: Emphasis,
    /// What stands in it.
    pub value: for<'a> fn(&'a R, &'a Picture) -> Value<'a>,
    /// What it is exported as.
    pub fields: &'static [Field<R>],
}

/// What a column holds: where its text stands, which end of a long one stays, and which rows one wants to
/// see first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// How much: at the right, largest first.
    Amount,
    /// Which one: at the right, smallest first.
    Number,
    /// How it went: at the left, what has grown most first.
    Trend,
    /// A word: at the left, its start stays.
    Word,
    /// A name: at the left, its end stays.
    Name,
}

impl Kind {
    const fn largest_first(self) -> bool {
        matches!(self, Self::Amount | Self::Trend)
    }
}

/// What is to be seen at first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emphasis {
    /// Nothing.
    None,
    /// It always stands out.
    Strong,
    /// More than nothing is bad.
    Alarm,
}

/// A field of an export. Its name is a promise.
pub struct Field<R: 'static> {
    /// Its position among all of its table; a new one is the last.
    pub position: u8,
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Where it is.
    pub within: Within,
    /// What stands in it, when that is not what stands in its column.
    pub value: Option<for<'a> fn(&'a R, &'a Picture) -> Value<'a>>,
}

/// Where a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// In CSV and JSON.
    All,
    /// In JSON.
    Json,
    /// In JSON where a row stands for several processes.
    JsonOfGroups,
}

impl<R> Column<R> {
    const AMOUNT: Self = Self {
        key: "",
        title: "",
        title_of_groups: None,
        kind: Kind::Amount,
        width: (6, 6),
        rank: u8::MAX,
        special: None,
        emphasis: Emphasis::None,
        value: |_, _| Value::NotRead,
        fields: &[],
    };
    const NAME: Self = Self { kind: Kind::Name, ..Self::AMOUNT };
    const WORD: Self = Self { kind: Kind::Word, ..Self::AMOUNT };
    const NUMBER: Self = Self { kind: Kind::Number, width: (7, 7), ..Self::AMOUNT };
    /// For tables that are not exported.
    pub const PLAIN: Self = Self::WORD;

    /// The rank of a column that has room only where its table is about something special.
    pub const NEVER: u8 = u8::MAX;

    /// How soon it has room.
    #[must_use]
    pub fn rank(&self, special: bool) -> u8 {
        self.special.filter(|_| special).map_or(self.rank, |(rank, _)| rank)
    }

    /// The columns of the terminal it needs.
    #[must_use]
    pub fn least(&self, special: bool) -> u16 {
        self.special.filter(|_| special).map_or(self.width.0, |(_, least)| least)
    }

    /// Its header over the rows of a picture.
    #[must_use]
    pub fn title_in(&self, picture: &Picture) -> &'static str {
        let of_groups = self.title_of_groups.filter(|_| picture.group_by != GroupBy::Process);
        of_groups.unwrap_or(self.title)
    }

    /// Whether its text stands at the right.
    #[must_use]
    pub const fn is_right(&self) -> bool {
        matches!(self.kind, Kind::Amount | Kind::Number)
    }
}

impl<R> PartialEq for Column<R> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<R> Field<R> {
    const ALL: Self = Self { position: 0, name: "", meaning: "", within: Within::All, value: None };

    /// What stands in it.
    pub fn value<'a>(&self, column: &Column<R>, row: &'a R, picture: &'a Picture) -> Value<'a> {
        self.value.unwrap_or(column.value)(row, picture)
    }
}

impl<R: Item> Column<R> {
    /// The column of that name; case, and `-` for `_`, do not matter.
    ///
    /// # Errors
    /// When there is none: the message names those there are.
    pub fn parse(name: &str) -> Result<&'static Self, UnknownColumn> {
        let wanted = name.to_lowercase().replace('-', "_");
        R::columns()
            .iter()
            .find(|column| column.key == wanted)
            .ok_or_else(|| UnknownColumn { name: name.to_owned(), known: keys::<R>() })
    }
}

/// The names of the columns of a table.
#[must_use]
pub fn keys<R: Item>() -> String {
    R::columns().iter().map(|column| column.key).collect::<Vec<_>>().join(", ")
}

/// A column that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no column '{}'; there are: {known}", crate::text::safe(name))]
pub struct UnknownColumn {
    name: String,
    known: String,
}

/// Which way a table is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }
}

/// A column to sort by, and which way.
pub struct Sort<R: 'static> {
    /// The column.
    pub column: &'static Column<R>,
    /// The direction.
    pub direction: Direction,
}

impl<R: Item> Sort<R> {
    /// Sorted by a column the way one wants to see it first.
    #[must_use]
    pub fn by(column: &'static Column<R>) -> Self {
        let largest_first = column.kind.largest_first();
        let direction = if largest_first { Direction::Descending } else { Direction::Ascending };
        Self { column, direction }
    }

    /// The same by the name of a column; by the first where there is none of that name.
    #[must_use]
    pub fn by_key(key: &str) -> Self {
        Self::by(Column::parse(key).unwrap_or(&R::columns()[0]))
    }

    /// The indices of the items that `keep` lets through, in order. What was not read comes last where the
    /// column is sorted the way one wants to see it first. What is equal keeps the order of
    /// [`Item::tie_break`], whichever the direction, so rows do not dance.
    pub fn indices(self, items: &[R], picture: &Picture, keep: impl Fn(usize) -> bool) -> Vec<u32> {
        let kept = (0u32..).zip(items).filter(|(index, _)| keep(*index as usize));
        let mut values: Vec<_> =
            kept.map(|(index, item)| ((self.column.value)(item, picture), index)).collect();
        values.sort_unstable_by(|(a, a_index), (b, b_index)| {
            let smallest_first = !self.column.kind.largest_first();
            let missing = if smallest_first { a.is_missing().cmp(&b.is_missing()) } else { Ordering::Equal };
            let order = missing.then_with(|| a.order(b));
            let order = if self.direction == Direction::Descending { order.reverse() } else { order };
            order.then_with(|| items[*a_index as usize].tie_break(&items[*b_index as usize]))
        });
        values.into_iter().map(|(_, index)| index).collect()
    }
}

impl<R> Clone for Sort<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Sort<R> {}

impl<R> PartialEq for Sort<R> {
    fn eq(&self, other: &Self) -> bool {
        self.column == other.column && self.direction == other.direction
    }
}

impl<R> Eq for Sort<R> {}

impl<R> fmt::Debug for Sort<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.column.key, self.direction)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::analysis::{Destination, Row};
    use crate::model::{Handle, Socket};

    fn hold_together<R: Item>(sorted_by: &[&str]) {
        let columns = R::columns();
        let all = |of: fn(&Column<R>) -> u8| columns.iter().map(of).collect::<HashSet<_>>().len();
        assert_eq!(columns.iter().map(|column| column.key).collect::<HashSet<_>>().len(), columns.len());
        assert_eq!([all(|column| column.rank(false)), all(|column| column.rank(true))], [columns.len(); 2]);
        assert!(columns.iter().any(|column| column.rank == 0), "one is always there");
        for (index, (field, _)) in R::fields().into_iter().enumerate() {
            assert_eq!(usize::from(field.position), index, "{}", field.name);
            assert!(!field.name.is_empty() && !field.meaning.is_empty(), "{index}");
        }
        for key in sorted_by {
            assert_eq!(Sort::<R>::by_key(key).column.key, *key);
        }
    }

    #[test]
    fn keys_ranks_and_places_are_unique_and_what_is_sorted_by_exists() {
        hold_together::<Row>(&["ports", "bound", "time_wait", "handles"]);
        hold_together::<Destination>(&["ports"]);
        hold_together::<Socket>(&["local", "protocol"]);
        hold_together::<Handle>(&["number"]);
    }
}
