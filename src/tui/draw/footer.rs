//! The keys that work here, out of the keymap; or what the last one did.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::tui::app::App;
use crate::tui::keymap::{Binding, Hint};
use crate::tui::theme::{KEY, NOTICE};
use crate::tui::widget::paint::{columns, put};

/// Between two keys.
const GAP: u16 = 2;

/// Draws what the last key did, or the keys: the pinned ones always, the others in their order as long as there is room.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    if let Some(said) = &app.said {
        put(buffer, area, area.x + 1, said, NOTICE);
        return;
    }
    let hints: Vec<_> =
        app.context().allowed(app.shared.acts).filter_map(|binding| Some((binding, binding.hint?))).collect();
    let pinned: u16 = hints.iter().filter(|(_, hint)| hint.pinned).map(room_for).sum();
    let mut room = (area.width + GAP).saturating_sub(1 + pinned);
    let mut full = false;
    let mut x = area.x + 1;
    for hint in &hints {
        if !hint.1.pinned {
            full = full || room_for(hint) > room;
            if full {
                continue;
            }
            room -= room_for(hint);
        }
        x = put(buffer, area, x, &keys(hint), KEY);
        x = put(buffer, area, x + 1, hint.1.label, Style::new()) + GAP;
    }
}

fn keys((binding, hint): &(&Binding, Hint)) -> String {
    hint.keys.map_or_else(|| binding.keys[0].to_string(), str::to_owned)
}

fn room_for(hint: &(&Binding, Hint)) -> u16 {
    columns(&keys(hint)) + 1 + columns(hint.1.label) + GAP
}
