//! The keys that work on the page, out of the keymap, then the filter language and the words.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::analysis::filter::KEYS;
use crate::tui::command::Command;
use crate::tui::component::{Component, Dialog, Out};
use crate::tui::drawn::Drawn;
use crate::tui::keymap::{Binding, Context};
use crate::tui::scroll::scroll;
use crate::tui::shared::Env;
use crate::tui::subject::Subject;
use crate::tui::theme::{KEY, STRONG};
use crate::tui::widget::paint::columns;
use crate::tui::widget::text::wrap;
use crate::tui::widget::text_box::{draw_tall, tall_width};

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
    ("FILL%", "ports taken toward a destination, as a share of capacity"),
    ("HOW", "how the owner is known: exact, observed (seen alive before), listener, inferred, unknown"),
];

/// The help of the page below it.
#[derive(Clone, Debug)]
pub struct Help {
    /// Where the keys are explained.
    page: Context,
    /// The first line on the screen.
    first: usize,
}

impl Help {
    /// The help for the keys that work there.
    #[must_use]
    pub const fn of(page: Context) -> Self {
        Self { page, first: 0 }
    }
}

impl Component for Help {
    fn context(&self, _: &Subject) -> Context {
        Context::Help
    }

    fn run(&mut self, command: Command, env: &Env<'_>, _: &mut Out) -> bool {
        scroll(&mut self.first, command, env.drawn)
    }

    fn draw(&self, env: &Env<'_>, area: Rect, buffer: &mut Buffer) -> Drawn {
        let lines = lines(self.page, env.shared.acts, tall_width(area));
        draw_tall(" help ", &lines, self.first, area, buffer)
    }
}

impl Dialog for Help {}

fn lines(page: Context, acts: bool, width: u16) -> Vec<Line<'static>> {
    let room = width.saturating_sub(KEYS_WIDTH + 3);
    let mut lines = vec![heading(page.title())];
    lines.extend(page.allowed(acts).flat_map(|binding| binding_lines(binding, room)));
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
    let gaps = page.key_of(Command::Gaps);
    lines.extend(entry("-", &format!("not read; {gaps} says why"), room));
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
