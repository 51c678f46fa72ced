//! A field that is typed into.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::text::safe;
use crate::tui::theme::{KEY, SELECTED};

/// A field with what is typed; its end is marked when it is the one that is typed into.
#[must_use]
pub fn field(name: &str, value: &str, typed: bool) -> Line<'static> {
    let end = if typed { Span::styled(" ", SELECTED) } else { Span::raw("") };
    Line::from(vec![
        Span::styled(format!("{name} "), if typed { KEY } else { Style::new() }),
        Span::raw(safe(value).into_owned()),
        end,
    ])
}
