//! The panes: one file for each, with its state, its commands and its drawing. None of them knows another.

mod destinations;
mod details;
mod events;
mod findings;
mod handles;
mod processes;
mod ranges;
mod sockets;
mod timeline;

use super::component::Pane;
use super::subject::PaneId;
use crate::analysis::{Row, Sort};

/// The panes of a page; only those of its subject are ever open.
#[derive(Clone, Debug)]
pub struct Panes {
    /// Who holds the ports.
    pub processes: processes::Processes,
    destinations: destinations::Destinations,
    sockets: sockets::Sockets,
    /// The dynamic ranges.
    pub ranges: ranges::Ranges,
    findings: findings::Findings,
    events: events::Events,
    /// The handles of a process.
    pub handles: handles::OpenHandles,
    timeline: timeline::Timeline,
    details: details::Details,
}

impl Panes {
    /// Panes with the processes sorted this way.
    #[must_use]
    pub fn new(sort: Sort<Row>) -> Self {
        Self {
            processes: processes::Processes::by(sort),
            destinations: destinations::Destinations::default(),
            sockets: sockets::Sockets::default(),
            ranges: ranges::Ranges::default(),
            findings: findings::Findings::default(),
            events: events::Events::default(),
            handles: handles::OpenHandles::default(),
            timeline: timeline::Timeline::default(),
            details: details::Details::default(),
        }
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: PaneId) -> &dyn Pane {
        match id {
            PaneId::Processes => &self.processes,
            PaneId::Destinations => &self.destinations,
            PaneId::Sockets => &self.sockets,
            PaneId::Ranges => &self.ranges,
            PaneId::Findings => &self.findings,
            PaneId::Events => &self.events,
            PaneId::Handles => &self.handles,
            PaneId::Timeline => &self.timeline,
            PaneId::Details => &self.details,
        }
    }

    /// The same, to change.
    pub fn get_mut(&mut self, id: PaneId) -> &mut dyn Pane {
        match id {
            PaneId::Processes => &mut self.processes,
            PaneId::Destinations => &mut self.destinations,
            PaneId::Sockets => &mut self.sockets,
            PaneId::Ranges => &mut self.ranges,
            PaneId::Findings => &mut self.findings,
            PaneId::Events => &mut self.events,
            PaneId::Handles => &mut self.handles,
            PaneId::Timeline => &mut self.timeline,
            PaneId::Details => &mut self.details,
        }
    }
}
