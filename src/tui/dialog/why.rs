//! Why a port can't be had: a port that may be typed, and every reason.

use crossterm::event::{Event, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use crate::analysis::why::{Question, answers};
use crate::export::probe::not_probed;
use crate::export::why::{Answered, Line, lines};
use crate::remedy::service::{Request, Response};
use crate::remedy::why::Inquiry;
use crate::remedy::worker::RequestId;
use crate::tui::command::Command;
use crate::tui::component::{Component, Dialog, Out};
use crate::tui::drawn::Drawn;
use crate::tui::filter_line::paste;
use crate::tui::keymap::Context;
use crate::tui::scroll::scroll;
use crate::tui::shared::Env;
use crate::tui::subject::Subject;
use crate::tui::theme::{NOTICE, STRONG, WEAK};
use crate::tui::widget::field::field;
use crate::tui::widget::text::TextLines;
use crate::tui::widget::text_box::{ButtonRow, draw_fitting, text_width};

/// A question about a port and its form.
#[derive(Clone, Debug, Default)]
pub struct Why {
    /// The port.
    input: Input,
    /// What is asked.
    question: Option<Question>,
    state: State,
    /// The first line on the screen.
    first: usize,
}

/// How far it has come.
#[derive(Clone, Debug, Default)]
enum State {
    /// Nothing is asked.
    #[default]
    Open,
    /// What is typed is no question, or there is nothing yet to ask about.
    Wrong(String),
    /// It is being tried.
    Asked(RequestId),
    /// What it comes to.
    Answered(Vec<Line>),
}

/// Opens the form, and asks at once about the local end of a socket.
pub fn start(question: Option<Question>, env: &Env<'_>, out: &mut Out) {
    let text = question.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut why = Why { input: Input::new(text), ..Why::default() };
    if let Some(question) = question {
        why.ask(question, env, out);
    }
    out.open(why);
}

impl Why {
    fn ask(&mut self, question: Question, env: &Env<'_>, out: &mut Out) {
        self.first = 0;
        self.state = match &env.shared.latest {
            None => State::Wrong("nothing has been seen of this machine yet".to_owned()),
            Some(latest) => {
                let inquiry = Inquiry::of(question.clone(), &latest.snapshot);
                State::Asked(out.ask(Request::Try(Box::new(inquiry))))
            }
        };
        self.question = Some(question);
    }
}

impl Component for Why {
    fn context(&self, _: &Subject) -> Context {
        Context::Why
    }

    fn run(&mut self, command: Command, env: &Env<'_>, out: &mut Out) -> bool {
        if command != Command::Open {
            return scroll(&mut self.first, command, env.drawn);
        }
        let typed = self.input.value().trim();
        // What was asked about a socket is asked again as it was.
        let same = self.question.take().filter(|question| question.to_string() == typed);
        match same.map_or_else(|| Question::parse(typed), Ok) {
            Ok(question) => self.ask(question, env, out),
            Err(wrong) => self.state = State::Wrong(wrong.to_string()),
        }
        true
    }

    fn draw(&self, _: &Env<'_>, area: Rect, buffer: &mut Buffer) -> Drawn {
        let mut text = TextLines::new(text_width(area));
        text.lines.push(field("[ADDRESS:]PORT", self.input.value(), true));
        text.add("Takes the port for a moment and gives it back; no packet is sent.", WEAK);
        match &self.state {
            State::Open => {}
            State::Wrong(wrong) => text.add(wrong, NOTICE),
            State::Asked(_) => text.add("trying …", NOTICE),
            State::Answered(lines) => {
                text.blank();
                for line in lines {
                    let (indent, style) = if line.below { (2, Style::new()) } else { (0, STRONG) };
                    text.indented(indent, &line.text, style);
                }
            }
        }
        let title = " Why can't I have this port? ";
        draw_fitting(title, &text.lines, self.first, &ButtonRow::default(), area, buffer)
    }
}

impl Dialog for Why {
    fn typed(&mut self, key: KeyEvent, _: &Env<'_>, _: &mut Out) -> bool {
        self.input.handle_event(&Event::Key(key)).is_some()
    }

    fn pasted(&mut self, text: &str) -> bool {
        paste(&mut self.input, text);
        true
    }

    fn answered(&mut self, id: RequestId, response: &Response, env: &Env<'_>, _: &mut Out) -> bool {
        let Response::Tried(tried) = response else { return false };
        let is_it = matches!(self.state, State::Asked(asked) if asked == id);
        if is_it && let Some((question, latest)) = self.question.as_ref().zip(env.shared.latest.as_ref()) {
            let snapshot = &*latest.snapshot;
            self.state = match tried {
                Err(why) => State::Wrong(not_probed(why)),
                Ok(tried) => {
                    let answers = answers(question, snapshot, tried);
                    State::Answered(lines(&Answered { question, snapshot, tried, answers: &answers }))
                }
            };
        }
        is_it
    }
}
