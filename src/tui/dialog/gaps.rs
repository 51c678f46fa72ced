//! What could not be read, why, and what would help.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use crate::tui::command::Command;
use crate::tui::component::{Component, Dialog, Out};
use crate::tui::drawn::Drawn;
use crate::tui::keymap::Context;
use crate::tui::scroll::scroll;
use crate::tui::shared::Env;
use crate::tui::subject::Subject;
use crate::tui::theme::{STRONG, WEAK};
use crate::tui::widget::text::TextLines;
use crate::tui::widget::text_box::{draw_tall, tall_width};

/// The list of gaps.
#[derive(Clone, Debug, Default)]
pub struct Gaps {
    /// The first line on the screen.
    first: usize,
}

impl Component for Gaps {
    fn context(&self, _: &Subject) -> Context {
        Context::Gaps
    }

    fn run(&mut self, command: Command, env: &Env<'_>, _: &mut Out) -> bool {
        scroll(&mut self.first, command, env.drawn)
    }

    fn draw(&self, env: &Env<'_>, area: Rect, buffer: &mut Buffer) -> Drawn {
        draw_tall(" what could not be read ", &lines(env, tall_width(area)), self.first, area, buffer)
    }
}

impl Dialog for Gaps {}

fn lines(env: &Env<'_>, width: u16) -> Vec<Line<'static>> {
    // As far in as a reason stands, and as far from the right.
    let mut text = TextLines::new(width.saturating_sub(1));
    match env.picture().map(|picture| &picture.snapshot.gaps) {
        None => text.indented(1, "nothing has been read yet", WEAK),
        Some(gaps) if gaps.is_empty() => {
            text.indented(1, "nothing is missing: everything could be read", Style::new());
        }
        Some(gaps) => {
            text.indented(1, "What is missing is shown as - and counts nowhere; 12+ is 12 or more.", WEAK);
            for gap in gaps {
                text.blank();
                text.indented(1, &gap.subject.to_string(), STRONG);
                text.indented(3, &gap.reason.to_string(), Style::new());
                if let Some(remedy) = &gap.remedy {
                    text.indented(3, &format!("→ {remedy}"), Style::new());
                }
            }
        }
    }
    text.lines
}
