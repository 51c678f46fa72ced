//! Where the keys of movement lead, in what was drawn.

use super::command::Command;
use super::drawn::Drawn;
use super::list::List;

/// Where a movement leads from `at`, between 0 and `last`; none when the command is no movement.
#[must_use]
pub fn step(at: usize, last: usize, rows: usize, command: Command) -> Option<usize> {
    let to = match command {
        Command::Up => at.saturating_sub(1),
        Command::Down => at.saturating_add(1),
        Command::PageUp => at.saturating_sub(rows),
        Command::PageDown => at.saturating_add(rows),
        Command::Top => 0,
        Command::Bottom => last,
        _ => return None,
    };
    Some(to.min(last))
}

/// Scrolls a text; false when the command is no movement. What was not drawn yet has no end.
pub fn scroll(first: &mut usize, command: Command, drawn: Option<&Drawn>) -> bool {
    let (last, rows) = drawn.map_or((usize::MAX, 1), |drawn| (drawn.last_first(), drawn.rows.max(1)));
    let to = step((*first).min(last), last, rows, command);
    *first = to.unwrap_or(*first);
    to.is_some()
}

/// Moves the selection of a list; false when the command is no movement.
pub fn select(list: &mut List, command: Command, drawn: Option<&Drawn>) -> bool {
    let rows = drawn.map_or(1, |drawn| drawn.rows.max(1));
    let to = step(list.cursor, list.order.len().saturating_sub(1), rows, command);
    if let Some(to) = to {
        list.move_to(to);
    }
    to.is_some()
}
