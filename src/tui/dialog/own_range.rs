//! Numbers of a person's own for a range.

use crossterm::event::{Event, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use crate::analysis::range_plan::{self, RangeFacts};
use crate::model::PortRange;
use crate::tui::command::Command;
use crate::tui::component::{Component, Dialog, Intent, Out};
use crate::tui::drawn::Drawn;
use crate::tui::filter_line::paste;
use crate::tui::keymap::Context;
use crate::tui::shared::Env;
use crate::tui::subject::Subject;
use crate::tui::theme::NOTICE;
use crate::tui::widget::field::field;
use crate::tui::widget::text::TextLines;
use crate::tui::widget::text_box::{ButtonRow, draw_fitting, text_width};

/// The form of a range.
#[derive(Clone, Debug)]
pub struct OwnRange {
    /// What the numbers are checked against; none when what is set is not known.
    facts: Option<RangeFacts>,
    /// The first port and how many.
    fields: [Input; 2],
    /// The one that is typed.
    typed: usize,
    /// Why the numbers can't be taken.
    error: Option<String>,
}

impl OwnRange {
    /// A form that begins with the numbers of this range.
    #[must_use]
    pub fn new(facts: Option<RangeFacts>, range: Option<PortRange>) -> Self {
        let text =
            |number: Option<u32>| Input::new(number.map_or_else(String::new, |number| number.to_string()));
        let fields = [text(range.map(|range| range.start().0.into())), text(range.map(PortRange::size))];
        Self { facts, fields, typed: 0, error: None }
    }

    /// The range of the numbers, and the numbers.
    fn range(&self) -> Result<(PortRange, (u32, u32)), String> {
        let [start, count] =
            self.fields.each_ref().map(|field| field.value().trim().replace(',', "").parse::<u32>());
        let (Ok(start), Ok(count)) = (start, count) else {
            return Err("two whole numbers are needed".into());
        };
        let facts = self.facts.as_ref().ok_or("what range is set was not known when this was opened")?;
        let proposal = range_plan::own(facts, start, count).map_err(|error| error.to_string())?;
        Ok((proposal.range, (start, count)))
    }

    fn field(&mut self) -> &mut Input {
        self.error = None;
        &mut self.fields[self.typed]
    }
}

impl Component for OwnRange {
    fn context(&self, _: &Subject) -> Context {
        Context::OwnRange
    }

    fn run(&mut self, command: Command, _: &Env<'_>, out: &mut Out) -> bool {
        match command {
            Command::NextField => self.typed = 1 - self.typed,
            Command::Open => match self.range() {
                Ok((range, numbers)) => {
                    out.want(Intent::OwnRange(numbers, range));
                    out.want(Intent::CloseDialog);
                }
                Err(error) => self.error = Some(error),
            },
            _ => return false,
        }
        true
    }

    fn draw(&self, _: &Env<'_>, area: Rect, buffer: &mut Buffer) -> Drawn {
        let mut text = TextLines::new(text_width(area));
        for (index, name) in ["First port   ", "How many     "].into_iter().enumerate() {
            text.lines.push(field(name, self.fields[index].value(), index == self.typed));
        }
        if let Some(error) = &self.error {
            text.add(error, NOTICE);
        }
        draw_fitting(" A range of your own ", &text.lines, 0, &ButtonRow::default(), area, buffer)
    }
}

impl Dialog for OwnRange {
    fn typed(&mut self, key: KeyEvent, _: &Env<'_>, _: &mut Out) -> bool {
        self.field().handle_event(&Event::Key(key)).is_some()
    }

    fn pasted(&mut self, text: &str) -> bool {
        paste(self.field(), text);
        true
    }
}
