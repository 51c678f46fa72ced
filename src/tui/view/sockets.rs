//! The table of sockets: of the machine, of a process, toward a destination.

use std::borrow::Cow;

use ratatui::style::Style;

use crate::analysis::{Picture, SocketColumn};
use crate::model::{Owner, Socket};
use crate::text::clock;
use crate::tui::page::Subject;
use crate::tui::theme::WEAK;
use crate::tui::widget::table::{Align, Look, Rows, number};

use SocketColumn as C;

/// How it is drawn.
pub struct Sockets<'a> {
    picture: &'a Picture,
    of_one_process: bool,
}

impl<'a> Sockets<'a> {
    /// The sockets of a picture, on the page of a subject.
    #[must_use]
    pub const fn of(picture: &'a Picture, subject: &Subject) -> Self {
        Self { picture, of_one_process: matches!(subject, Subject::Process(..) | Subject::NoOwner) }
    }
}

impl Rows for Sockets<'_> {
    type Column = SocketColumn;

    fn important(&self) -> &'static [SocketColumn] {
        if self.of_one_process {
            &[
                C::Local,
                C::Remote,
                C::State,
                C::Protocol,
                C::How,
                C::Left,
                C::ReceiveQueue,
                C::SendQueue,
                C::Uid,
                C::Name,
                C::Pid,
            ]
        } else {
            &[
                C::Local,
                C::Remote,
                C::State,
                C::Name,
                C::Pid,
                C::Protocol,
                C::Left,
                C::How,
                C::ReceiveQueue,
                C::SendQueue,
                C::Uid,
            ]
        }
    }

    fn look(&self, column: SocketColumn) -> Look {
        let (least, most, align) = match column {
            C::Protocol => (5, 5, Align::Left),
            C::Local | C::Remote => (if self.of_one_process { 21 } else { 20 }, 47, Align::LeftKeepEnd),
            C::State => (11, 12, Align::Left),
            C::How => (9, 9, Align::Left),
            C::Left => (5, 7, Align::Right),
            C::Pid => (7, 7, Align::Right),
            C::Name => (11, 30, Align::LeftKeepEnd),
            C::ReceiveQueue | C::SendQueue => (6, 9, Align::Right),
            C::Uid => (6, 10, Align::Left),
        };
        Look { least, most, align }
    }

    fn cell(&self, column: SocketColumn, socket: &Socket, columns: u16) -> (Cow<'static, str>, Style) {
        let text = match column {
            C::Protocol => Some(socket.protocol.key().to_owned()),
            C::Local => Some(socket.local.to_string()),
            C::Remote => Some(socket.remote.map_or_else(|| "*:*".to_owned(), |remote| remote.to_string())),
            C::State => Some(socket.state.title().to_owned()),
            C::How => Some(socket.attribution.name().to_owned()),
            C::Left => socket.expires.map(clock),
            C::Pid => socket.holders.counted().map(|owner| owner.pid.to_string()),
            C::Name => holder(socket.holders.all(), self.picture),
            C::ReceiveQueue => socket.receive_queue.map(|bytes| number(bytes.into(), columns)),
            C::SendQueue => socket.send_queue.map(|bytes| number(bytes.into(), columns)),
            C::Uid => socket.uid.map(|uid| uid.to_string()),
        };
        text.map_or(("-".into(), WEAK), |text| (text.into(), Style::new()))
    }
}

/// The name of the first owner that has one, else a pid, and how many more there are.
pub(super) fn holder(owners: &[Owner], picture: &Picture) -> Option<String> {
    let first = owners.first()?;
    let name = match owners.iter().find_map(|owner| picture.snapshot.processes.get(owner)) {
        Some(process) => process.name.to_string(),
        None => format!("(pid {})", first.pid),
    };
    Some(if owners.len() == 1 { name } else { format!("{name} +{}", owners.len() - 1) })
}
