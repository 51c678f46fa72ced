//! The keys that work on the page, out of the keymap, then the filter language and the words.

use ratatui::text::{Line, Span};

use super::dialog;
use super::verdict::wrap;
use crate::analysis::filter::KEYS;
use crate::tui::app::App;
use crate::tui::keymap::{Binding, Context};
use crate::tui::theme::{KEY, STRONG};
use crate::tui::widget::paint::columns;

/// The columns of the keys.
const KEYS_WIDTH: u16 = 12;

/// What the words on the screen mean.
const WORDS: [(&str, &str); 9] = [
    ("PORTS", "distinct local ports inside the dynamic range (Linux also says ephemeral), in any state"),
    ("%", "the largest share of the capacity of one port space that the row holds"),
    ("BOUND", "bound to a port, neither listening nor connected; netstat does not show these"),
    ("T-WAIT", "TIME_WAIT: closed, the port stays taken for a while; not exhaustion by itself"),
    ("C-WAIT", "CLOSE_WAIT: the peer has closed, the program here has not"),
    ("NEW/s", "new connections a second"),
    ("FAIL/s", "ports asked for and not given, a second, over the last 10 s; needs a trace"),
    ("FILL%", "ports toward a destination as a share of capacity"),
    ("HOW", "how the owner is known: exact, observed (seen alive before), listener, inferred, unknown"),
];

/// Its lines.
#[must_use]
pub fn lines(app: &App) -> Vec<Line<'static>> {
    let room = app.layout().map_or(0, |layout| dialog::body(&layout).width).saturating_sub(KEYS_WIDTH + 3);
    let mut lines = vec![heading(app.page_context().title())];
    lines.extend(app.bindings(app.page_context()).flat_map(|binding| binding_lines(binding, room)));
    lines.push(Line::default());
    lines.push(heading("Filter, while it is typed"));
    lines.extend(Context::Filter.bindings().flat_map(|binding| binding_lines(binding, room)));
    let terms = format!("text in name, pid, user, port, address; or a term: {}", KEYS.join(" "));
    lines.extend(entry("terms", &terms, room));
    lines.extend(entry("together", "terms side by side must all hold; ! before one means not", room));
    lines.push(Line::default());
    lines.push(heading("Words"));
    lines.extend(WORDS.into_iter().flat_map(|(word, meaning)| entry(word, meaning, room)));
    lines.extend(entry("†", "ended, but its sockets still hold ports", room));
    lines.extend(entry("-", "not read; D says why", room));
    lines
}

fn heading(text: &'static str) -> Line<'static> {
    Line::from(vec![Span::raw(" "), Span::styled(text, STRONG)])
}

fn binding_lines(binding: &Binding, room: u16) -> Vec<Line<'static>> {
    let keys: Vec<_> = binding.keys.iter().map(ToString::to_string).collect();
    entry(&keys.join(" "), binding.help, room)
}

fn entry(name: &str, text: &str, room: u16) -> Vec<Line<'static>> {
    let blank = usize::from(KEYS_WIDTH.saturating_sub(columns(name)));
    let mut name = Some(format!("  {name}{} ", " ".repeat(blank)));
    let line = |text| {
        let name = name.take().unwrap_or_else(|| " ".repeat(usize::from(KEYS_WIDTH) + 3));
        Line::from(vec![Span::styled(name, KEY), Span::raw(text)])
    };
    wrap(text, room).into_iter().map(line).collect()
}
