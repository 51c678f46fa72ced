//! Who holds the ports: a row for each process, program, user or service.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::analysis::{GroupBy, Row, RowKey, Sort};
use crate::model::Owner;
use crate::text::safe;
use crate::tui::arrange::TableQuery;
use crate::tui::command::Command;
use crate::tui::component::{Component, Intent, Out, Pane};
use crate::tui::drawn::Drawn;
use crate::tui::filter_line::FilterLine;
use crate::tui::keymap::Context;
use crate::tui::list::List;
use crate::tui::shared::Env;
use crate::tui::subject::Subject;
use crate::tui::table::{Table, nothing};

/// The processes of the machine or of a group.
#[derive(Clone, Debug)]
pub struct Processes {
    table: Table<Row>,
}

impl Processes {
    /// Sorted this way.
    #[must_use]
    pub fn by(sort: Sort<Row>) -> Self {
        Self { table: Table::by(sort) }
    }

    /// How they are sorted.
    #[must_use]
    pub const fn sort(&self) -> Sort<Row> {
        self.table.sort
    }

    fn selected<'a>(&self, env: &'a Env<'_>) -> Option<&'a Row> {
        env.picture()?.rows.get(self.table.list.selected()?)
    }

    fn open(&self, env: &Env<'_>, out: &mut Out) {
        let Some(row) = self.selected(env) else { return };
        let subject = match &row.key {
            RowKey::Process(owner) => env.process_subject(*owner),
            RowKey::NoOwner => Subject::NoOwner,
            group => Subject::Group(group.clone()),
        };
        out.want(Intent::OpenPage(subject, None));
    }
}

impl Component for Processes {
    fn context(&self, subject: &Subject) -> Context {
        if *subject == Subject::Machine { Context::Processes } else { Context::Group }
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
        let nothing = nothing(env, "no process holds a socket; sorted by HANDLE all are listed");
        self.table.draw(&picture.rows, picture.refuses_ports(), nothing, env, area, buffer)
    }
}

impl Pane for Processes {
    fn title(&self, env: &Env<'_>) -> String {
        let Subject::Group(key) = env.subject else {
            return match env.shared.group_by {
                GroupBy::Process => "Processes".to_owned(),
                by => format!("Processes by {}", by.key()),
            };
        };
        match key {
            RowKey::Program(name) => format!("Processes of program {}", safe(name)),
            RowKey::User(Some(user)) => format!("Processes of user {}", safe(user)),
            RowKey::Service(Some(service)) => format!("Processes of service {}", safe(service)),
            RowKey::User(None) => "Processes whose user is not known".to_owned(),
            RowKey::Service(None) => "Processes of no service".to_owned(),
            RowKey::Process(_) | RowKey::NoOwner => "Processes".to_owned(),
        }
    }

    fn list(&self) -> Option<&List> {
        Some(&self.table.list)
    }

    fn list_mut(&mut self) -> Option<&mut List> {
        Some(&mut self.table.list)
    }

    /// Those without sockets are listed where handles matter, where they were asked for, and among the
    /// processes of a group.
    fn query(&self, subject: &Subject, filter: &FilterLine) -> TableQuery {
        let sorted_by_handles = self.table.sort.column.key == "handles";
        let with_idle = sorted_by_handles || filter.is_set() || *subject != Subject::Machine;
        TableQuery::Processes(self.table.sort, with_idle)
    }

    fn owners(&self, env: &Env<'_>) -> Vec<Owner> {
        self.selected(env).map(|row| row.owners.clone()).unwrap_or_default()
    }

    fn has_filter(&self) -> bool {
        true
    }
}
