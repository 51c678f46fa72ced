//! The table of processes: who holds the ports.

use std::borrow::Cow;

use ratatui::style::Style;

use crate::analysis::{GroupBy, Picture, ProcessColumn, Row, RowKey, Severity};
use crate::model::{Progress, State};
use crate::text::percent;
use crate::tui::theme::{STRONG, WEAK, level};
use crate::tui::widget::spark::spark;
use crate::tui::widget::table::{Align, Look, Rows, at_least, number};

use ProcessColumn as C;

/// The columns while ports are refused, the most important first.
const FAILING: &[C] = &[
    C::Name,
    C::Ports,
    C::Share,
    C::Failures,
    C::Pid,
    C::Bound,
    C::TimeWait,
    C::Established,
    C::CloseWait,
    C::New,
    C::Handles,
    C::Trend,
    C::Sockets,
    C::SynSent,
    C::Listen,
    C::Udp,
    C::FinWait,
    C::User,
    C::Service,
    C::Path,
];

/// The columns while none is.
const CALM: &[C] = &[
    C::Name,
    C::Ports,
    C::Share,
    C::Pid,
    C::Bound,
    C::TimeWait,
    C::Established,
    C::CloseWait,
    C::New,
    C::Handles,
    C::Trend,
    C::Sockets,
    C::Failures,
    C::SynSent,
    C::Listen,
    C::Udp,
    C::FinWait,
    C::User,
    C::Service,
    C::Path,
];

/// How it is drawn.
pub struct Processes<'a> {
    picture: &'a Picture,
    failing: bool,
}

impl<'a> Processes<'a> {
    /// The processes of a picture.
    #[must_use]
    pub fn of(picture: &'a Picture) -> Self {
        let failing = picture.failures.as_ref().is_some_and(|failures| failures.recent > 0);
        Self { picture, failing }
    }

    fn name(&self, row: &Row) -> String {
        let progress = self.picture.snapshot.progress;
        match row.key {
            RowKey::NoOwner if progress == Progress::Sockets => "(not read yet)".to_owned(),
            _ if row.ended => format!("{} †", row.name),
            _ => row.name.to_string(),
        }
    }
}

impl Rows for Processes<'_> {
    type Column = ProcessColumn;

    fn important(&self) -> &'static [ProcessColumn] {
        if self.failing { FAILING } else { CALM }
    }

    fn look(&self, column: ProcessColumn) -> Look {
        let (least, most, align) = match column {
            C::Pid => (7, 7, Align::Right),
            C::Name => (14, 24, Align::LeftKeepEnd),
            C::Share => (3, 3, Align::Right),
            C::Established | C::New | C::SynSent | C::Udp => (5, 5, Align::Right),
            C::Sockets | C::Failures => (6, 6, Align::Right),
            C::Ports | C::Bound | C::TimeWait | C::CloseWait | C::Handles | C::FinWait | C::Listen => {
                (6, 6, Align::Right)
            }
            C::Trend => (5, 12, Align::Left),
            C::User => (10, 16, Align::LeftKeepEnd),
            C::Service => (12, 20, Align::LeftKeepEnd),
            C::Path => (16, u16::MAX, Align::LeftKeepEnd),
        };
        Look { least, most, align }
    }

    fn title(&self, column: ProcessColumn) -> &'static str {
        match column {
            C::Pid if self.picture.group_by != GroupBy::Process => "PROCS",
            _ => crate::analysis::Column::title(column),
        }
    }

    fn cell(&self, column: ProcessColumn, row: &Row, columns: u16) -> (Cow<'static, str>, Style) {
        let counts = &row.counts;
        let count = |count: u32| number(count.into(), columns);
        let of = |state| counts.of(state).map(count);
        let process = row.process.as_ref();
        let text = match column {
            C::Pid => match (&row.key, row.pid()) {
                (_, Some(pid)) => Some(pid.to_string()),
                (RowKey::NoOwner, None) => None,
                (_, None) => Some(number(row.owners.len() as u64, columns)),
            },
            C::Name => return (self.name(row).into(), STRONG),
            C::Ports => at_least(counts.ports, counts.seen_ports, columns),
            C::Share => row.share.map(|share| percent(share).to_string()),
            C::Bound => of(State::Bound),
            C::TimeWait => of(State::TimeWait),
            C::CloseWait => of(State::CloseWait),
            C::Established => of(State::Established),
            C::New => row.new_per_second.map(|new| per_second(new, columns)),
            C::Failures => {
                let rate = row.failures_per_second;
                let style = if rate > Some(0.0) { level(Severity::Critical) } else { Style::new() };
                let text = rate.map(|rate| per_second(rate, columns));
                return text.map_or(("-".into(), WEAK), |text| (text.into(), style));
            }
            C::Handles => row.handles.map(|handles| number(handles, columns)),
            C::Sockets => at_least(counts.sockets(), counts.seen_sockets(), columns),
            C::Trend => Some(spark(&row.trend, usize::from(columns))),
            C::SynSent => of(State::SynSent),
            C::FinWait => counts.fin_wait().map(count),
            C::Listen => of(State::Listen),
            C::Udp => of(State::Udp),
            C::User => row.user().map(str::to_owned),
            C::Service => match &row.key {
                RowKey::Service(service) => service.as_ref().map(ToString::to_string),
                _ => process.and_then(|process| Some(process.service.as_ref()?.to_string())),
            },
            C::Path => process.and_then(|process| process.path.clone()),
        };
        text.map_or(("-".into(), WEAK), |text| (text.into(), Style::new()))
    }
}

/// So many a second; less than one is not none.
fn per_second(rate: f64, columns: u16) -> String {
    if rate > 0.0 && rate < 1.0 {
        return "<1".to_owned();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate of what was counted")]
    let whole = rate.round() as u64;
    number(whole, columns)
}
