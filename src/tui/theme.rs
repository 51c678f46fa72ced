//! How it looks: a few styles that say the same without colour, and the plain forms of the screen.
//!
//! Views draw as if every terminal could show everything; [`Theme::finish`] takes out of the finished
//! frame what this one can't.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use crate::analysis::Severity;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Theme {
    /// Whether there are colours.
    pub color: bool,
    /// Whether only ASCII is shown.
    pub ascii: bool,
}

/// Headers and other words that lead the eye.
pub const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
/// What matters less.
pub const WEAK: Style = Style::new().add_modifier(Modifier::DIM);
/// The selected row.
pub const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);
/// The first line of the screen.
pub const TITLE: Style = Style::new().add_modifier(Modifier::BOLD);
/// The name of a key.
pub const KEY: Style = Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD);
/// What needs to be seen: paused, degraded, a wrong filter.
pub const NOTICE: Style = Style::new().fg(Color::Magenta).add_modifier(Modifier::BOLD);

/// The word of a severity.
#[must_use]
pub const fn badge(severity: Severity) -> Style {
    match severity {
        Severity::Ok => Style::new().fg(Color::Green).add_modifier(Modifier::BOLD),
        Severity::Note => KEY,
        Severity::Unknown => NOTICE,
        Severity::Warn => Style::new().fg(Color::Black).bg(Color::Yellow).add_modifier(Modifier::BOLD),
        Severity::Critical => {
            Style::new().fg(Color::Red).add_modifier(Modifier::BOLD.union(Modifier::REVERSED))
        }
    }
}

/// A number that stands for a severity.
#[must_use]
pub const fn level(severity: Severity) -> Style {
    match severity {
        Severity::Ok | Severity::Note | Severity::Unknown => Style::new(),
        Severity::Warn => Style::new().add_modifier(Modifier::BOLD),
        Severity::Critical => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
    }
}

impl Theme {
    /// Turns a finished frame into what the terminal can show.
    pub fn finish(self, frame: &mut Buffer) {
        if !self.color {
            for cell in &mut frame.content {
                (cell.fg, cell.bg) = (Color::Reset, Color::Reset);
            }
        }
        if self.ascii {
            for cell in &mut frame.content {
                if !cell.symbol().is_ascii() {
                    let plain = plain(cell.symbol());
                    cell.set_char(plain);
                }
            }
        }
    }
}

/// The ASCII form of a symbol.
fn plain(symbol: &str) -> char {
    match symbol {
        "▁" => '_',
        "▂" | "·" => '.',
        "▃" => ':',
        "▄" | "─" | "–" | "—" => '-',
        "▅" | "═" => '=',
        "▆" | "┌" | "┐" | "└" | "┘" | "†" => '+',
        "▇" => '*',
        "█" => '#',
        "▌" | "→" => '>',
        "←" => '<',
        "│" => '|',
        "▲" | "↑" => '^',
        "▼" | "↓" => 'v',
        "…" => '~',
        "×" => 'x',
        _ => '?',
    }
}
