//! What is asked of the ports that run out first, as far as it has been measured.

use std::time::Duration;

use super::ahead::Pace;
use super::findings::{Facts, Pool, Toward};
use super::reuse;
use super::what_if::{Demand, Means, Outlook, Place, WhatIf, what_if};
use crate::model::{Port, PortRange, Protocol, Share, State, System};

/// From this share on no more is taken than is given back.
const GONE: Share = Share::percent(98.0);

/// A delay of `tcp_tw_reuse` that is short, and long enough for packets that come late over a wide network.
const SHORT_DELAY: Duration = Duration::from_millis(100);

/// Destinations with less than this share of the ports are not asked about.
const LEAST: Share = Share::percent(1.0);

impl Facts<'_> {
    /// What is asked of the ports that run out first, and what would help; none before any rate is known.
    pub fn what_if(&self) -> Option<&WhatIf> {
        self.what_if.get_or_init(|| find(self)).as_ref()
    }
}

fn find(facts: &Facts) -> Option<WhatIf> {
    let toward = facts.is_linux().then(|| toward(facts)).flatten();
    let in_space = facts.spaces.iter().filter_map(|space| {
        let pool = facts.pool(space)?;
        let fills = pool.share >= facts.thresholds.warn || pool.forecast.expected().is_some();
        // On Linux connect() finds ports that are in use, toward another destination. How many it leaves in
        // TIME_WAIT where it takes them again is its own choice, and no rate tells it.
        let toward = facts.destinations.iter().filter(|one| one.space() == space.id);
        let reusable: u32 = toward.map(|one| one.reusable).sum();
        let is_told = fills && reusable * 2 <= pool.ports;
        if is_told || !facts.is_linux() { in_pool(facts, &pool) } else { None }
    });
    let demands = toward.into_iter().chain(in_space);
    let all = demands.map(|demand| {
        let means = means(facts, demand.place);
        what_if(demand, &means)
    });
    all.reduce(|first, other| if is_worse(&other, &first) { other } else { first })
}

/// Whether the ports of the one run out before those of the other.
fn is_worse(one: &WhatIf, other: &WhatIf) -> bool {
    match (one.now, other.now) {
        (Outlook::Fits(one), Outlook::Fits(other)) => one > other,
        (one, other) => one.helps(&other).is_gt(),
    }
}

/// What is asked of the ports toward the fullest destination.
fn toward(facts: &Facts) -> Option<Demand> {
    let out = facts.out_toward();
    let Toward { destination, taken, capacity, .. } =
        out.or_else(|| facts.toward(LEAST).into_iter().next())?;
    let (id, ahead) = (destination.id(), facts.ahead);
    let waiting = destination.counts.seen(State::TimeWait);
    let held = destination.counts.seen_ports.saturating_sub(waiting);
    let refused = facts.refused_toward(id);
    let asked = Asked {
        seen: ahead.asked_toward(id, refused)?.per_second - refused,
        refused,
        traced: facts.failures.is_some(),
        before: ahead.before_gone_toward(id, count_at(GONE, capacity)),
        is_gone: Share::of(taken, capacity) >= GONE,
        waits: waiting > held,
    };
    let (grows, waiting) = (ahead.growth_toward(id, capacity), taken.saturating_sub(held));
    let demand = Demand {
        place: Place::Toward(id),
        per_second: 0.0,
        at_least: false,
        grows,
        held,
        waiting,
        keeps: ahead.keeps(id)?,
        capacity,
    };
    asked.of(demand)
}

/// What is asked of the ports of a pool.
fn in_pool(facts: &Facts, pool: &Pool) -> Option<Demand> {
    let (id, ahead, space) = (pool.space.id, facts.ahead, pool.space);
    // How fast one local address fills is not known: what others hold takes nothing from it.
    let elsewhere = space.in_use?.saturating_sub(pool.ports);
    let held = space.held?.min(pool.ports);
    let waiting = pool.ports - held;
    let capacity = pool.capacity;
    let keeps = if id.protocol == Protocol::Tcp { ahead.time_wait_known()? } else { Duration::from_secs(1) };
    let failures = facts.failures;
    let refused = failures.map_or(0.0, |failures| {
        if facts.is_linux() { failures.binds_per_second() } else { failures.per_second }
    });
    let asked = Asked {
        seen: ahead.settling_in(id, capacity)? / keeps.as_secs_f64(),
        refused: if pool.share >= facts.thresholds.warn { refused } else { 0.0 },
        traced: failures.is_some(),
        before: ahead.before_gone_in(id, count_at(GONE, capacity) + elsewhere),
        is_gone: pool.share >= GONE,
        waits: waiting > held,
    };
    let grows = ahead.growth_in(id, capacity + elsewhere);
    let place = Place::Space(id);
    asked.of(Demand { place, per_second: 0.0, at_least: false, grows, held, waiting, keeps, capacity })
}

fn count_at(share: Share, capacity: u32) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a count of ports")]
    let count = share.times(capacity).ceil() as u32;
    count
}

/// How often ports are asked for.
struct Asked {
    /// As many connections a second were seen to end in TIME_WAIT.
    seen: f64,
    /// As many more a second were refused.
    refused: f64,
    /// Whether those that are refused are counted.
    traced: bool,
    /// How it was before the ports were gone, if they are.
    before: Option<Pace>,
    is_gone: bool,
    /// Whether most of the ports are in TIME_WAIT.
    waits: bool,
}

impl Asked {
    /// The demand with these rates; none when nothing is asked for, as far as can be seen.
    fn of(self, mut demand: Demand) -> Option<Demand> {
        let (before, refused) = (self.before.unwrap_or_default(), self.refused);
        let [waits, held] = if self.waits { [refused, 0.0] } else { [0.0, refused] };
        // What was asked for before they were gone still is.
        let per_second = (self.seen + waits).max(before.waits);
        let grows = (demand.grows + held).max(before.grows);
        let more = per_second > self.seen || grows > demand.grows;
        let at_least = self.is_gone && !self.traced && !more;
        (demand.per_second, demand.grows, demand.at_least) = (per_second, grows, at_least);
        (per_second > 0.0 || grows > 0.0).then_some(demand)
    }
}

/// After how long `connect()` takes a port in TIME_WAIT again where it may.
pub(super) fn reuse_delay(facts: &Facts) -> Duration {
    reuse::delay(&facts.snapshot.limits)
}

/// What can be changed for the ports of a place.
pub(super) fn means(facts: &Facts, place: Place) -> Means {
    let (limits, system) = (&facts.snapshot.limits, facts.snapshot.host.system);
    let (mut reuse, mut sooner) = (None, None);
    if let Place::Toward(id) = place
        && id.protocol == Protocol::Tcp
    {
        let is_reused = facts.ahead.reused_after(id).is_some();
        reuse = (!is_reused && limits.time_wait_reuse.is_some())
            .then(|| (reuse_delay(facts), limits.timestamps == Some(false)));
        let delay = limits.time_wait_reuse_delay.filter(|delay| is_reused && *delay > SHORT_DELAY);
        sooner = delay.map(|_| SHORT_DELAY);
    }
    let lowest = if system == System::Windows { 1025 } else { 1024 };
    let widest = PortRange::new(Port(lowest), Port(u16::MAX));
    let space = facts.snapshot.spaces.iter().find(|space| space.id == place.space());
    let range = widest.zip(space.and_then(|space| space.dynamic.as_ref()));
    let range = range.map(|(range, now)| (range, range.size() - now.reserved.count_in(range)));
    Means { reuse, sooner, range, addresses: system == System::Linux }
}
