//! Plain text for a person: the verdict, the port spaces, the processes, on request the sockets, and
//! what could not be seen. No colour, no control characters.

use std::io::{self, Write};

use super::Excerpt;
use super::grid::{Grid, Side};
use crate::analysis::{Column, ProcessColumn, Row, SocketColumn, SpaceUsage};
use crate::model::{Observed, PortSpace, Socket, State};
use crate::text::{clock, percent, safe, thousands};

use Side::{Left, Right};

const NOT_READ: &str = "-";

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

    writeln!(out)?;
    spaces(&picture.spaces, &snapshot.spaces).write(width, out)?;
    writeln!(out)?;
    let (shown, idle): (Vec<&Row>, Vec<&Row>) = excerpt.processes.iter().partition(|row| {
        row.counts.sockets() != Some(0) || excerpt.order.processes.column == ProcessColumn::Handles
    });
    processes(&shown).write(width, out)?;
    if !idle.is_empty() {
        writeln!(
            out,
            "{} without sockets left out; --sort handles lists them",
            thousands(idle.len() as u64)
        )?;
    }
    if sockets {
        writeln!(out)?;
        self::sockets(&excerpt.sockets, snapshot).write(width, out)?;
    }
    gaps(snapshot, out)
}

fn spaces(usages: &[SpaceUsage], spaces: &[PortSpace]) -> Grid {
    let mut grid = Grid::new([
        ("SPACE", Left),
        ("RANGE", Left),
        ("CAPACITY", Right),
        ("IN USE", Right),
        ("FREE", Right),
        ("%", Right),
    ]);
    for usage in usages {
        let space = spaces.iter().find(|space| space.id == usage.id);
        let dynamic = space.and_then(|space| space.dynamic.as_ref());
        grid.push([
            usage.id.to_string(),
            or_dash(dynamic.map(|dynamic| format!("{}-{}", dynamic.range.start(), dynamic.range.end()))),
            number(usage.capacity),
            number(usage.in_use),
            number(usage.free()),
            or_dash(usage.share().map(|share| percent(share).to_string())),
        ]);
    }
    grid
}

fn processes(rows: &[&Row]) -> Grid {
    use ProcessColumn::{
        Bound, CloseWait, Established, Handles, Name, Pid, Ports, Share, Sockets, TimeWait, User,
    };
    let mut grid = Grid::new([
        (Pid.title(), Right),
        (Name.title(), Left),
        (Ports.title(), Right),
        (Share.title(), Right),
        (Bound.title(), Right),
        (TimeWait.title(), Right),
        (CloseWait.title(), Right),
        (Established.title(), Right),
        (Handles.title(), Right),
        (Sockets.title(), Right),
        (User.title(), Left),
    ]);
    for row in rows {
        let in_state = |state| number(row.counts.of(state));
        grid.push([
            or_dash(row.pid().map(|pid| pid.to_string())),
            safe(&row.name).into_owned(),
            at_least(row.counts.ports, row.counts.seen_ports),
            or_dash(row.share.map(|share| percent(share).to_string())),
            in_state(State::Bound),
            in_state(State::TimeWait),
            in_state(State::CloseWait),
            in_state(State::Established),
            number(row.handles),
            at_least(row.counts.sockets(), row.counts.seen_sockets()),
            or_dash(row.user().map(|user| safe(user).into_owned())),
        ]);
    }
    grid
}

fn sockets(sockets: &[&Socket], snapshot: &Observed) -> Grid {
    use SocketColumn::{How, Left as TimeLeft, Local, Name, Pid, Protocol, Remote, State};
    let mut grid = Grid::new([
        (Protocol.title(), Left),
        (Local.title(), Left),
        (Remote.title(), Left),
        (State.title(), Left),
        (How.title(), Left),
        (TimeLeft.title(), Right),
        (Pid.title(), Right),
        (Name.title(), Left),
    ]);
    for socket in sockets {
        let owner = socket.holders.counted();
        let process = owner.and_then(|owner| snapshot.processes.get(&owner));
        grid.push([
            socket.protocol.key().to_owned(),
            socket.local.to_string(),
            socket.remote.map_or_else(|| "*:*".to_owned(), |remote| remote.to_string()),
            socket.state.title().to_owned(),
            socket.attribution.name().to_owned(),
            or_dash(socket.expires.map(clock)),
            or_dash(owner.map(|owner| owner.pid.to_string())),
            or_dash(process.map(|process| safe(&process.name).into_owned())),
        ]);
    }
    grid
}

fn gaps(snapshot: &Observed, out: &mut impl Write) -> io::Result<()> {
    for (place, gap) in snapshot.gaps.iter().enumerate() {
        if place == 0 {
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
fn at_least(count: Option<u32>, seen: u32) -> String {
    match count {
        None if seen > 0 => format!("{}+", thousands(seen.into())),
        count => number(count),
    }
}

fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| NOT_READ.to_owned())
}
