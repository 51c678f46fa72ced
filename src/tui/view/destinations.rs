//! The table of destinations: where the ports lead to.

use std::borrow::Cow;

use ratatui::style::Style;

use super::sockets::holder;
use crate::analysis::{Destination, DestinationColumn, Picture};
use crate::model::State;
use crate::text::percent;
use crate::tui::theme::WEAK;
use crate::tui::widget::table::{Align, Look, Rows, at_least, number};

use DestinationColumn as C;

/// How it is drawn.
pub struct Destinations<'a> {
    picture: &'a Picture,
}

impl<'a> Destinations<'a> {
    /// The destinations of a picture.
    #[must_use]
    pub const fn of(picture: &'a Picture) -> Self {
        Self { picture }
    }
}

impl Rows for Destinations<'_> {
    type Column = DestinationColumn;

    fn important(&self) -> &'static [DestinationColumn] {
        &[
            C::Remote,
            C::Ports,
            C::Fill,
            C::Owner,
            C::TimeWait,
            C::Established,
            C::Local,
            C::CloseWait,
            C::Protocol,
            C::Sockets,
        ]
    }

    fn look(&self, column: DestinationColumn) -> Look {
        let (least, most, align) = match column {
            C::Protocol => (5, 5, Align::Left),
            C::Local => (9, 39, Align::LeftKeepEnd),
            C::Remote => (21, 47, Align::LeftKeepEnd),
            C::Ports | C::TimeWait | C::CloseWait => (6, 7, Align::Right),
            C::Fill => (5, 5, Align::Right),
            C::Established | C::Sockets => (5, 7, Align::Right),
            C::Owner => (14, 40, Align::LeftKeepEnd),
        };
        Look { least, most, align }
    }

    fn cell(
        &self,
        column: DestinationColumn,
        destination: &Destination,
        columns: u16,
    ) -> (Cow<'static, str>, Style) {
        let counts = &destination.counts;
        let of = |state| Some(number(counts.of(state)?.into(), columns));
        let text = match column {
            C::Protocol => Some(destination.protocol.key().to_owned()),
            C::Local => Some(destination.local.to_string()),
            C::Remote => Some(destination.remote.to_string()),
            C::Ports => at_least(counts.ports, counts.seen_ports, columns),
            C::Fill => destination.fill.map(|fill| percent(fill).to_string()),
            C::TimeWait => of(State::TimeWait),
            C::CloseWait => of(State::CloseWait),
            C::Established => of(State::Established),
            C::Sockets => at_least(counts.sockets(), counts.seen_sockets(), columns),
            C::Owner => holder(&destination.owners, self.picture),
        };
        text.map_or(("-".into(), WEAK), |text| (text.into(), Style::new()))
    }
}
