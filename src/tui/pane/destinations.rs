//! Where the ports lead to.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::analysis::{Destination, Sort};
use crate::tui::arrange::TableQuery;
use crate::tui::command::Command;
use crate::tui::component::{Component, Intent, Out, Pane};
use crate::tui::drawn::Drawn;
use crate::tui::filter_line::FilterLine;
use crate::tui::keymap::Context;
use crate::tui::list::{DestinationKey, List};
use crate::tui::shared::Env;
use crate::tui::subject::Subject;
use crate::tui::table::{Table, nothing};

/// The destinations of the machine.
#[derive(Clone, Debug)]
pub struct Destinations {
    table: Table<Destination>,
}

impl Default for Destinations {
    fn default() -> Self {
        Self { table: Table::by(Sort::by_key("ports")) }
    }
}

impl Destinations {
    fn open(&self, env: &Env<'_>, out: &mut Out) {
        let selected = self.table.list.selected();
        let destination = env.picture().zip(selected).and_then(|(picture, at)| picture.destinations.get(at));
        if let Some(destination) = destination {
            out.want(Intent::OpenPage(Subject::Destination(DestinationKey::of(destination)), None));
        }
    }
}

impl Component for Destinations {
    fn context(&self, _: &Subject) -> Context {
        Context::Destinations
    }

    fn run(&mut self, command: Command, env: &Env<'_>, out: &mut Out) -> bool {
        match command {
            Command::Open => self.open(env, out),
            _ => return self.table.run(command, env, out),
        }
        true
    }

    fn draw(&self, env: &Env<'_>, area: Rect, buffer: &mut Buffer) -> Drawn {
        let Some(picture) = env.picture() else { return Drawn::default() };
        let nothing = nothing(env, "no connections lead out");
        self.table.draw(&picture.destinations, picture.budget.is_some(), nothing, env, area, buffer)
    }
}

impl Pane for Destinations {
    fn title(&self, _: &Env<'_>) -> String {
        "Destinations".to_owned()
    }

    fn list(&self) -> Option<&List> {
        Some(&self.table.list)
    }

    fn list_mut(&mut self) -> Option<&mut List> {
        Some(&mut self.table.list)
    }

    fn query(&self, _: &Subject, _: &FilterLine) -> TableQuery {
        TableQuery::Destinations(self.table.sort)
    }

    fn has_filter(&self) -> bool {
        true
    }
}
