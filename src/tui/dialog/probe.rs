//! Whether a port can still be had: a destination that may be typed, and what was found.

use crossterm::event::{Event, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use crate::export::probe;
use crate::remedy::service::{Request, Response};
use crate::remedy::worker::RequestId;
use crate::tui::action::Effect;
use crate::tui::answer_delay::{AnswerDelay, DELAY};
use crate::tui::command::Command;
use crate::tui::component::{Component, Dialog, Out};
use crate::tui::drawn::Drawn;
use crate::tui::filter_line::paste;
use crate::tui::keymap::Context;
use crate::tui::scroll::scroll;
use crate::tui::shared::Env;
use crate::tui::subject::Subject;
use crate::tui::theme::{NOTICE, WEAK};
use crate::tui::widget::field::field;
use crate::tui::widget::text::TextLines;
use crate::tui::widget::text_box::{ButtonRow, draw_fitting, text_width};

/// A probe and its form.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The destination.
    input: Input,
    /// What was tried and what it gave; none while it is being tried.
    tries: Option<Vec<String>>,
    /// The request that tries it.
    request: RequestId,
    /// The first line on the screen.
    first: usize,
    delay: AnswerDelay,
}

/// Asks for a port in each port space, and opens the form.
pub fn start(out: &mut Out) {
    let request = out.ask(Request::Probe(None));
    let (input, delay) = (Input::default(), AnswerDelay::default());
    out.open(Probe { input, tries: None, request, first: 0, delay });
}

impl Component for Probe {
    fn context(&self, _: &Subject) -> Context {
        Context::Probe
    }

    fn run(&mut self, command: Command, env: &Env<'_>, out: &mut Out) -> bool {
        if command != Command::Open {
            return scroll(&mut self.first, command, env.drawn);
        }
        let destination = self.input.value().trim().to_owned();
        let destination = Some(destination).filter(|text| !text.is_empty());
        if destination.is_some() && !(env.is_readable && self.delay.meant(env.shared.press)) {
            out.effects.push(Effect::WakeIn(DELAY));
        } else {
            (self.tries, self.request) = (None, out.ask(Request::Probe(destination)));
        }
        true
    }

    fn draw(&self, _: &Env<'_>, area: Rect, buffer: &mut Buffer) -> Drawn {
        let mut text = TextLines::new(text_width(area));
        text.add("Takes a port in each port space and gives it back; no packet is sent.", WEAK);
        match &self.tries {
            None => text.add("trying …", NOTICE),
            Some(tries) => text.add_all(tries, Style::new()),
        }
        text.blank();
        text.lines.push(field("Connect to HOST:PORT", self.input.value(), true));
        text.add("Only what is typed here is connected to, over TCP; empty for none.", WEAK);
        if self.delay.refused {
            text.add("Enter came in one go with other keys, as in a paste: press it again.", NOTICE);
        }
        let title = " Can a port still be had? ";
        draw_fitting(title, &text.lines, self.first, &ButtonRow::default(), area, buffer)
    }
}

impl Dialog for Probe {
    fn typed(&mut self, key: KeyEvent, _: &Env<'_>, _: &mut Out) -> bool {
        self.input.handle_event(&Event::Key(key)).is_some()
    }

    fn pasted(&mut self, text: &str) -> bool {
        paste(&mut self.input, text);
        true
    }

    fn answered(&mut self, id: RequestId, response: &Response, _: &Env<'_>, _: &mut Out) -> bool {
        let Response::Probed(probed) = response else { return false };
        let is_it = id == self.request;
        if is_it {
            self.tries = Some(probed.as_ref().map_or_else(|why| vec![probe::not_probed(why)], probe::lines));
        }
        is_it
    }

    fn delay(&mut self) -> Option<&mut AnswerDelay> {
        Some(&mut self.delay)
    }
}
