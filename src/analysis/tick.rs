//! What the history keeps of one look, and what is new in it.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::grouping::RowOfOwner;
use super::owners::Fresh;
use super::rows::{Destinations, Rows};
use super::usage::SpaceUsage;
use super::{Destination, Row};
use crate::history::{Counters, Fill, Flow, Owners, Sample, Tick};
use crate::model::{Observed, Owner, SpaceId, State};

/// One look, grouped.
pub(super) struct Look<'a> {
    pub observed: &'a Observed,
    pub processes: &'a mut Rows,
    pub row_of_owner: &'a RowOfOwner,
    pub led: &'a mut Destinations,
    pub spaces: &'a [SpaceUsage],
}

impl Look<'_> {
    /// Sums it up, and tells the rows and destinations how many connections are new. `before` is when the
    /// look before was taken, `failed` how often each process was refused ports since.
    pub fn tick(
        self,
        fresh: Option<&Fresh>,
        failed: impl Iterator<Item = (Owner, u32)>,
        before: Option<Duration>,
    ) -> Tick {
        let mut tick = Tick { unread: self.observed.unread(), ..Tick::at(self.observed.taken) };
        tick.after = fresh
            .and(before)
            .map(|before| self.observed.taken.elapsed.saturating_sub(before))
            .filter(|after| !after.is_zero());
        tick.in_use = self.spaces.iter().filter_map(|space| Some((space.id, space.in_use?))).collect();
        tick.counters = Counters {
            time_wait_overflow: self.observed.limits.time_wait_overflow,
            tracking_failed: self.observed.limits.tracking_failed,
            tracking_clashed: self.observed.limits.tracking_clashed,
        };
        let unread = tick.unread;
        let mut samples: Vec<Sample> = self.processes.rows.iter().map(sample).collect();
        let mut flows: Vec<Flow> = self.led.destinations.iter().map(flow).collect();
        let mut rowless: HashMap<Owner, Sample, RandomState> = HashMap::default();
        let mut of = |samples: &mut Vec<Sample>, owner: Owner, note: &dyn Fn(&mut Sample)| {
            note(match self.row_of_owner.get(&Some(owner)) {
                Some(index) => &mut samples[*index as usize],
                None => rowless.entry(owner).or_insert_with(|| Sample::idle(unread)),
            });
        };
        if let Some(fresh) = fresh {
            for (index, news) in fresh.sockets.iter().enumerate() {
                let (born, waits) = (u32::from(news.born), u32::from(news.waits));
                let sample = &mut samples[self.processes.row_of[index] as usize];
                (sample.born, sample.waits) = (sample.born + born, sample.waits + waits);
                if let Some(destination) = self.led.destination_of[index] {
                    let flow = &mut flows[destination.get()];
                    (flow.born, flow.waits) = (flow.born + born, flow.waits + waits);
                }
            }
            let mut unseen: HashMap<_, u32, RandomState> = HashMap::default();
            for (owner, destination) in &fresh.unseen {
                of(&mut samples, *owner, &|sample| sample.born += 1);
                *unseen.entry(*destination).or_default() += 1;
            }
            if !unseen.is_empty() {
                for (destination, flow) in self.led.destinations.iter().zip(&mut flows) {
                    flow.born += unseen.get(&destination.id()).unwrap_or(&0);
                }
            }
        }
        for (owner, failed) in failed {
            of(&mut samples, owner, &|sample| sample.failed = failed);
        }
        if let Some(seconds) = tick.after.map(|after| after.as_secs_f64()) {
            for (row, sample) in self.processes.rows.iter_mut().zip(&samples) {
                row.new_per_second = (!unread.any_table()).then(|| f64::from(sample.born) / seconds);
            }
            for (destination, flow) in self.led.destinations.iter_mut().zip(&flows) {
                destination.new_per_second = Some(f64::from(flow.born) / seconds);
            }
        }
        tick.fills = self.spaces.iter().filter_map(|space| self.fill(space, &flows)).collect();
        let owners = self.processes.rows.iter().map(|row| row.owners.first().copied());
        let rowless = rowless.into_iter().map(|(owner, sample)| (Some(owner), sample));
        tick.owners = Owners::of(owners.zip(samples).chain(rowless).collect());
        tick.set_destinations(self.led.destinations.iter().map(Destination::id).zip(flows).collect());
        tick
    }

    /// What fills a port space whose range is known.
    fn fill(&self, space: &SpaceUsage, flows: &[Flow]) -> Option<(SpaceId, Fill)> {
        let toward = self.led.destinations.iter().zip(flows);
        let waits = toward.filter(|(one, _)| one.space() == space.id).map(|(_, flow)| flow.waits).sum();
        Some((space.id, Fill { held: space.held?, waits }))
    }
}

fn sample(row: &Row) -> Sample {
    Sample { counts: row.counts, handles: row.handles, ..Sample::default() }
}

fn flow(destination: &Destination) -> Flow {
    let (ports, waiting) = (destination.counts.ports, destination.counts.of(State::TimeWait));
    // No two connections toward a destination share a port.
    let held = ports.zip(waiting).map(|(ports, waiting)| ports.saturating_sub(waiting));
    let taken = ports.map(|ports| ports.saturating_sub(destination.reusable));
    Flow { ports, held, taken, ..Flow::default() }
}
