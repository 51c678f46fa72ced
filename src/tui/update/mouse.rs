//! What the mouse does: it asks the last frame what is where.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::commands::run;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::drawn::Target;
use crate::tui::subject::PaneId;

/// How many rows the wheel scrolls.
const WHEEL_ROWS: u8 = 3;

/// The mouse was used.
pub fn used(app: &mut App, event: MouseEvent) -> Vec<Effect> {
    match event.kind {
        MouseEventKind::ScrollUp => wheel(app, Command::Up),
        MouseEventKind::ScrollDown => wheel(app, Command::Down),
        MouseEventKind::Down(MouseButton::Left) => click(app, event.column, event.row),
        _ => return Vec::new(),
    }
    vec![Effect::Draw]
}

fn wheel(app: &mut App, command: Command) {
    let page = app.page();
    if app.dialog.is_none() && page.open() == PaneId::Findings {
        // One after the other: each has many lines.
        run(app, command);
    } else if app.dialog.is_none() && page.list().is_some() {
        let by = if command == Command::Up { -isize::from(WHEEL_ROWS) } else { WHEEL_ROWS.into() };
        app.with_pane(|pane, env| {
            if let Some((list, drawn)) = pane.list_mut().zip(env.drawn) {
                list.scroll_by(by, drawn.rows);
            }
        });
    } else {
        for _ in 0..WHEEL_ROWS {
            run(app, command);
        }
    }
}

fn click(app: &mut App, column: u16, row: u16) {
    if app.dialog.is_some() {
        return;
    }
    let target = app.frame.of_pane(app.page_context()).and_then(|drawn| drawn.target(column, row));
    match target {
        Some(Target::Column(key)) => {
            run(app, Command::SortBy(key));
        }
        Some(Target::Row(index)) => {
            let list = app.page_mut().pane_mut().list_mut();
            if let Some(list) = list.filter(|list| index < list.order.len()) {
                list.move_to(index);
            }
        }
        None => {}
    }
}
