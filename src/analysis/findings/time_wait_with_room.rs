//! Many TIME_WAIT sockets, and room left: what looks bad and is not.

use super::facts::{Facts, of};
use super::{Finding, Link, Severity, View};
use crate::model::State;
use crate::text::thousands;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    if facts.is_short() || facts.failures.is_some_and(|failures| failures.recent > 0) {
        return Vec::new();
    }
    let spaces = facts.spaces.iter().filter_map(|space| {
        let (waiting, capacity, free) = (space.counts.of(State::TimeWait)?, space.capacity?, space.free()?);
        // In a small range a tenth of it is many.
        let many = facts.thresholds.many_time_waits.min((capacity / 10).max(facts.thresholds.bound));
        (waiting >= many).then(|| Finding {
            id: "time_wait_with_room",
            severity: Severity::Note,
            title: format!(
                "{} TIME_WAITs in {}, and {} ports are free: not a problem by itself",
                thousands(waiting.into()),
                space.id,
                of(free, capacity)
            ),
            evidence: vec![
                format!("{} sockets in TIME_WAIT", thousands(waiting.into())),
                format!("{} ports free", of(free, capacity)),
            ],
            why: "TIME_WAIT is how TCP ends, and many of them say that connections come and go fast. It is \
                  exhaustion only when ports are refused.",
            next: Vec::new(),
            link: Link::filtered(View::Sockets, format!("state:time_wait family:{}", space.id.family.key())),
            owner: None,
        })
    });
    spaces.collect()
}
