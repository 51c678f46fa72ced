//! The sockets of the machine, of a process, toward a destination, or of no owner.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::analysis::Sort;
use crate::model::{Owner, Socket};
use crate::tui::arrange::TableQuery;
use crate::tui::command::Command;
use crate::tui::component::{Component, Intent, Out, Pane};
use crate::tui::dialog::close;
use crate::tui::drawn::Drawn;
use crate::tui::filter_line::FilterLine;
use crate::tui::keymap::Context;
use crate::tui::list::{ItemKey, List, SocketKey};
use crate::tui::shared::Env;
use crate::tui::subject::Subject;
use crate::tui::table::{Table, nothing};

/// A table of sockets.
#[derive(Clone, Debug)]
pub struct Sockets {
    table: Table<Socket>,
}

impl Default for Sockets {
    fn default() -> Self {
        Self { table: Table::by(Sort::by_key("local")) }
    }
}

impl Sockets {
    fn selected<'a>(&self, env: &Env<'a>) -> Option<&'a Socket> {
        env.picture()?.snapshot.sockets.get(self.table.list.selected()?)
    }

    fn owner(&self, env: &Env<'_>) -> Option<Owner> {
        self.selected(env)?.holders.counted()
    }

    /// Opens the process of the selected socket, where that stays selected.
    fn open(&self, env: &Env<'_>, out: &mut Out) {
        if let Some((socket, owner)) = self.selected(env).zip(self.owner(env)) {
            let key = ItemKey::Socket(SocketKey::of(socket));
            out.want(Intent::OpenPage(env.process_subject(owner), Some(key)));
        }
    }

    /// Asks whether to close the selected socket, or all that are shown: where a filter or a destination
    /// says which these are.
    fn close(&self, env: &Env<'_>, out: &mut Out) {
        let Some(picture) = env.picture() else { return };
        let socket = |index: &u32| picture.snapshot.sockets.get(*index as usize).cloned();
        let filter = &env.filter.filter;
        let is_narrow = !filter.is_empty() || matches!(env.subject, Subject::Destination(_));
        let all = is_narrow.then(|| (self.table.list.order.iter().filter_map(socket).collect(), filter));
        close::ask(&picture.snapshot, env.shared.own_pid, self.selected(env).cloned(), all, out);
    }
}

impl Component for Sockets {
    fn context(&self, subject: &Subject) -> Context {
        match subject {
            Subject::Machine => Context::Sockets,
            Subject::Process(..) => Context::Connections,
            Subject::Group(_) | Subject::NoOwner | Subject::Destination(_) => Context::Subset,
        }
    }

    fn run(&mut self, command: Command, env: &Env<'_>, out: &mut Out) -> bool {
        match command {
            Command::Open => self.open(env, out),
            Command::CloseSockets => self.close(env, out),
            _ => return self.table.run(command, env, out),
        }
        true
    }

    fn draw(&self, env: &Env<'_>, area: Rect, buffer: &mut Buffer) -> Drawn {
        let Some(picture) = env.picture() else { return Drawn::default() };
        let one_owner = matches!(env.subject, Subject::Process(..) | Subject::NoOwner);
        let nothing = nothing(env, "no sockets");
        self.table.draw(&picture.snapshot.sockets, one_owner, nothing, env, area, buffer)
    }
}

impl Pane for Sockets {
    fn title(&self, env: &Env<'_>) -> String {
        match env.subject {
            Subject::Machine | Subject::Group(_) => "Sockets".to_owned(),
            Subject::Process(..) => "Connections".to_owned(),
            Subject::NoOwner => "Sockets without an owner".to_owned(),
            Subject::Destination(key) => format!("Sockets toward {}", key.remote),
        }
    }

    fn list(&self) -> Option<&List> {
        Some(&self.table.list)
    }

    fn list_mut(&mut self) -> Option<&mut List> {
        Some(&mut self.table.list)
    }

    fn query(&self, _: &Subject, _: &FilterLine) -> TableQuery {
        TableQuery::Sockets(self.table.sort)
    }

    fn owners(&self, env: &Env<'_>) -> Vec<Owner> {
        self.owner(env).into_iter().collect()
    }

    fn socket<'a>(&'a self, env: &Env<'a>) -> Option<&'a Socket> {
        self.selected(env)
    }

    fn has_filter(&self) -> bool {
        true
    }
}
