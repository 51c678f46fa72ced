//! Plain text for a person: the verdict, the port spaces, the processes, on request the sockets, and
//! what could not be seen. No colour, no control characters.

use std::io::{self, Write};

use super::Excerpt;
use super::grid::{Grid, Head, Side};
use crate::analysis::{Budget, Column, Item, Picture, Row, Sort, SpaceUsage};
use crate::model::{Observed, PortSpace, Share};
use crate::text::{safe, thousands};

use Side::{Left, Right};

const NOT_READ: &str = "-";

/// How many destinations of a NAT's budget are listed.
const OF_BUDGET: usize = 5;

/// Writes the tables, as narrow as `width` columns where names can be shortened to fit.
///
/// # Errors
/// When the writer fails.
pub fn write(excerpt: &Excerpt, sockets: bool, width: Option<usize>, out: &mut impl Write) -> io::Result<()> {
    let picture = excerpt.picture;
    let snapshot = picture.snapshot.as_ref();
    let host = &snapshot.host;
    writeln!(out, "{}, {}, {}", safe(&host.name), safe(&host.os), snapshot.taken.wall)?;
    writeln!(out, "{}  {}", picture.verdict.severity.title(), picture.verdict.sentence)?;
    if snapshot.namespace.number().is_some() {
        writeln!(out, "network namespace: {}", snapshot.namespace)?;
    }

    writeln!(out)?;
    spaces(&picture.spaces, &snapshot.spaces).write(width, out)?;
    if let Some(budget) = &picture.budget {
        writeln!(out)?;
        of_budget(budget).write(width, out)?;
    }
    writeln!(out)?;
    let (shown, idle): (Vec<&Row>, Vec<&Row>) = excerpt
        .processes
        .iter()
        .partition(|row| row.counts.sockets() != Some(0) || excerpt.order.processes.column.key == "handles");
    rows(&shown, excerpt.order.processes, picture.refuses_ports(), picture).write(width, out)?;
    if !idle.is_empty() {
        writeln!(
            out,
            "{} without sockets left out; --sort handles lists them",
            thousands(idle.len() as u64)
        )?;
    }
    if sockets {
        writeln!(out)?;
        rows(&excerpt.sockets, excerpt.order.sockets, false, picture).write(width, out)?;
    }
    gaps(snapshot, out)
}

fn spaces(usages: &[SpaceUsage], spaces: &[PortSpace]) -> Grid {
    let head = |(title, side)| Head { title, side, rank: 0 };
    let titles = [
        ("SPACE", Left),
        ("RANGE", Left),
        ("CAPACITY", Right),
        ("IN USE", Right),
        ("FREE", Right),
        ("%", Right),
    ];
    let mut grid = Grid::new(titles.map(head).into());
    for usage in usages {
        let space = spaces.iter().find(|space| space.id == usage.id);
        let dynamic = space.and_then(|space| space.dynamic.as_ref());
        grid.push([
            usage.id.to_string(),
            or_dash(dynamic.map(|dynamic| format!("{}-{}", dynamic.range.start(), dynamic.range.end()))),
            number(usage.capacity),
            number(usage.in_use),
            number(usage.free()),
            or_dash(usage.share().and_then(Share::whole_percent).map(|percent| percent.to_string())),
        ]);
    }
    grid
}

/// What is used of the budget of a NAT, the fullest first.
fn of_budget(budget: &Budget) -> Grid {
    let titles = [("NAT BUDGET", Left), ("BUDGET", Right), ("USED", Right), ("%", Right)];
    let mut grid = Grid::new(titles.map(|(title, side)| Head { title, side, rank: 0 }).into());
    for one in budget.fullest(OF_BUDGET) {
        grid.push([
            format!("{} {}", one.protocol.title(), one.remote),
            number(Some(budget.most)),
            number(Some(one.used)),
            or_dash(budget.share(one).whole_percent().map(|percent| percent.to_string())),
        ]);
    }
    grid
}

/// The rows of a table with its columns: all of them where there is room, and the one that it is sorted by
/// whenever it can be.
fn rows<R: Item>(rows: &[&R], sort: Sort<R>, special: bool, picture: &Picture) -> Grid {
    let head = |column: &Column<R>| Head {
        title: column.title_in(picture),
        side: if column.is_right() { Right } else { Left },
        rank: if column == sort.column { column.rank.min(1) } else { column.rank(special) },
    };
    let mut grid = Grid::new(R::columns().iter().map(head).collect());
    for row in rows {
        grid.push(R::columns().iter().map(|column| {
            let value = (column.value)(row, picture);
            value.words().map_or_else(|| NOT_READ.to_owned(), |words| safe(&words).into_owned())
        }));
    }
    grid
}

fn gaps(snapshot: &Observed, out: &mut impl Write) -> io::Result<()> {
    for (index, gap) in snapshot.gaps.iter().enumerate() {
        if index == 0 {
            writeln!(out)?;
        }
        write!(out, "not seen: {}", safe(&gap.to_string()))?;
        match &gap.remedy {
            Some(remedy) => writeln!(out, " ({remedy})")?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

fn number(value: Option<impl Into<u64>>) -> String {
    or_dash(value.map(|value| thousands(value.into())))
}

/// `12,840`, or `12,840+` when that is only what was seen.
fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| NOT_READ.to_owned())
}
