//! What the rules reason about, and the questions that several of them ask.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::Thresholds;
use crate::analysis::ahead::Ahead;
use crate::analysis::budget::Budget;
use crate::analysis::events::Logged;
use crate::analysis::failures::Failures;
use crate::analysis::forecast::{Forecast, HORIZON};
use crate::analysis::nat::NatWatch;
use crate::analysis::ports::{Capacities, distinct_ports};
use crate::analysis::reuse::age;
use crate::analysis::rows::Index;
use crate::analysis::stuck::Stuck;
use crate::analysis::what_if::WhatIf;
use crate::analysis::{Binder, Destination, Row, RowKey, SpaceUsage};
use crate::history::{History, Sample};
use crate::model::{DestinationId, Level, Observed, Owner, PortSet, Share, Socket, SpaceId, State, System};
use crate::text::{per_second, safe, seconds, span, thousands};

/// How long back something counts as happening now.
pub(super) const NOW: Duration = Duration::from_secs(10);

/// Everything that is known when findings are looked for.
pub(in crate::analysis) struct Facts<'a> {
    pub snapshot: &'a Observed,
    pub spaces: &'a [SpaceUsage],
    /// One row a process.
    pub rows: &'a [Row],
    pub row_of: &'a [u32],
    pub destinations: &'a [Destination],
    pub destination_of: &'a [Option<Index>],
    pub history: &'a History,
    pub failures: Option<&'a Failures>,
    /// Who binds before it connects, those with the most ports first.
    pub binders: &'a [Binder],
    /// The event log of the last 24 hours.
    pub events: &'a [Logged],
    pub ahead: &'a Ahead<'a>,
    /// Listeners that have stood inside the dynamic range for a while and are not reserved, by their index.
    pub standing: &'a [usize],
    /// Since when the NAT of this machine is short of ports.
    pub nat: &'a NatWatch,
    /// Where many connections get no answer.
    pub stuck: &'a [Stuck],
    /// What is used of the budget of a NAT in front of this machine.
    pub budget: Option<&'a Budget>,
    pub thresholds: &'a Thresholds,
    /// The fullest local address of each port space, once somebody asks.
    pub fullest: OnceCell<Vec<(SpaceId, (IpAddr, u32))>>,
    /// What is asked of the ports that run out first, once somebody asks.
    pub what_if: OnceCell<Option<WhatIf>>,
}

/// What `bind()` to port 0 takes from: on Linux the ports of one local address, elsewhere the pool.
pub(in crate::analysis) struct Pool<'a> {
    pub space: &'a SpaceUsage,
    /// The fullest local address, where each has its own ports.
    pub address: Option<IpAddr>,
    pub ports: u32,
    pub capacity: u32,
    pub share: Share,
    pub forecast: Forecast,
}

/// What `connect()` takes from: the ports toward one destination.
pub(in crate::analysis) struct Toward<'a> {
    pub index: usize,
    pub destination: &'a Destination,
    /// Ports that a new connection can't have.
    pub taken: u32,
    /// Ports in TIME_WAIT that it could have all the same.
    pub reusable: u32,
    pub capacity: u32,
    pub share: Share,
}

impl Toward<'_> {
    /// Ports that lead there, whether a new connection can have them or not.
    pub fn ports(&self) -> u32 {
        self.taken + self.reusable
    }
}

impl Pool<'_> {
    /// How many of its ports are held by nothing but a TIME_WAIT, at the least.
    pub fn waiting(&self) -> u32 {
        self.space.held.map_or(0, |held| self.ports.saturating_sub(held))
    }

    /// `TCP IPv4`, `TCP IPv4 of 10.0.0.5`
    pub fn name(&self) -> String {
        let address = self.address.map_or_else(String::new, |address| format!(" of {address}"));
        format!("{}{address}", self.space.id)
    }
}

impl<'a> Facts<'a> {
    pub fn is_linux(&self) -> bool {
        self.snapshot.host.system == System::Linux
    }

    /// Whether the local port of a socket is one of the dynamic range, or that is not known.
    pub fn is_dynamic(&self, socket: &Socket) -> bool {
        let id = socket.space();
        let space = self.snapshot.spaces.iter().find(|space| space.id == id);
        let dynamic = space.and_then(|space| space.dynamic.as_ref());
        dynamic.is_none_or(|dynamic| dynamic.range.contains(socket.local_port()))
    }

    /// The pools that are at least filled to `from`, fullest first.
    pub fn pools(&self, from: Share) -> Vec<Pool<'a>> {
        // No local address holds more than the whole space.
        let full = self.spaces.iter().filter(|space| space.least_share().is_some_and(|share| share >= from));
        let mut pools: Vec<_> =
            full.filter_map(|space| self.pool(space)).filter(|pool| pool.share >= from).collect();
        pools.sort_by_key(|pool| Reverse(pool.share));
        pools
    }

    /// What `bind()` takes from in a port space whose range is known.
    pub fn pool(&self, space: &'a SpaceUsage) -> Option<Pool<'a>> {
        let (in_use, capacity) = (space.counts.seen_ports, space.most?);
        let fullest = self.is_linux().then(|| self.fullest_address(space.id)).flatten();
        let fullest = fullest.filter(|(_, ports)| *ports < in_use);
        let (address, ports) = fullest.map_or((None, in_use), |(address, ports)| (Some(address), ports));
        let share = Share::of(ports, capacity);
        // What other addresses hold takes nothing from this one.
        let forecast = match in_use - ports {
            0 => space.forecast,
            _ if space.in_use.is_none() => Forecast::NotEnoughData,
            elsewhere => self.ahead.of_space(space.id, capacity + elsewhere),
        };
        Some(Pool { space, address, ports, capacity, share, forecast })
    }

    /// The fullest local address of a port space, and its ports in the range.
    fn fullest_address(&self, id: SpaceId) -> Option<(IpAddr, u32)> {
        let all = self.fullest.get_or_init(|| fullest_addresses(self.snapshot));
        all.iter().find(|(space, _)| *space == id).map(|(_, fullest)| *fullest)
    }

    /// The destinations with ports for at least `from`, fullest first. Those in TIME_WAIT that the system gives
    /// out again do not count as taken.
    pub fn toward(&self, from: Share) -> Vec<Toward<'a>> {
        let mut toward: Vec<_> = self
            .destinations
            .iter()
            .enumerate()
            .filter_map(|(index, destination)| {
                let (ports, capacity) = (destination.counts.seen_ports, self.capacity(destination.space())?);
                if Share::of(ports, capacity) < from {
                    return None;
                }
                let reusable = destination.reusable;
                let taken = ports.saturating_sub(reusable);
                let share = Share::of(taken, capacity);
                Some(Toward { index, destination, taken, reusable, capacity, share })
            })
            .collect();
        let id = |toward: &Toward| toward.destination.id();
        toward.sort_by(|a, b| b.share.cmp(&a.share).then_with(|| id(a).cmp(&id(b))));
        toward
    }

    /// The destination toward which `connect()` finds no port, or hardly any.
    ///
    /// Where ports come back soon a look may come too late to see that they were gone. Connections that are
    /// refused prove it, toward a destination whose ports were all taken in that time.
    pub fn out_toward(&self) -> Option<Toward<'a>> {
        let warn = self.thresholds.warn;
        let toward = self.toward(warn);
        let refuses = self.failures.is_some_and(|failures| failures.connects_per_second() > 0.0);
        let had_all = |toward: &Toward| {
            let since = self.ahead.reused_after(toward.destination.id()).unwrap_or_default() + NOW;
            let there = |(socket, index): &(&Socket, &Option<Index>)| {
                index.is_some_and(|index| index.get() == toward.index)
                    && (socket.state != State::TimeWait || age(socket).is_some_and(|age| age <= since))
            };
            let had = self.snapshot.sockets.iter().zip(self.destination_of).filter(there).count();
            Share::of(u32::try_from(had).unwrap_or(u32::MAX), toward.capacity) >= warn
        };
        let out = |toward: &Toward| toward.share >= warn || refuses && toward.reusable > 0 && had_all(toward);
        toward.into_iter().filter(|_| self.is_linux()).find(out)
    }

    /// How many more connections a second toward a destination are refused, where it is the one whose ports are
    /// gone.
    pub fn refused_toward(&self, id: DestinationId) -> f64 {
        let is_it = || self.out_toward().is_some_and(|toward| toward.destination.id() == id);
        let refused = self.failures.map_or(0.0, Failures::connects_per_second);
        if refused > 0.0 && is_it() { refused } else { 0.0 }
    }

    /// How many ports a port space hands out at the most.
    pub fn capacity(&self, id: SpaceId) -> Option<u32> {
        self.spaces.iter().find(|space| space.id == id)?.most
    }

    /// Whether ports are short: where the system runs out first, it is at least at the warning.
    pub fn is_short(&self) -> bool {
        !self.pools(self.thresholds.warn).is_empty() || self.out_toward().is_some()
    }

    /// Whether a port space may be at the warning for all that could be read of it. One whose range is not
    /// known may be, once it has sockets.
    pub fn may_be_full(&self, space: &SpaceUsage) -> bool {
        let Some(unseen) = self.snapshot.unseen_in(space.id) else { return true };
        match space.most {
            Some(capacity) => {
                let most = Share::of(space.counts.seen_ports.saturating_add(unseen), capacity);
                unseen > 0 && most >= self.thresholds.warn || space.capacity.is_none()
            }
            None => space.counts.seen_sockets() > 0,
        }
    }

    /// Whether ports were short at any moment of the last `span`.
    pub fn was_short(&self, span: Duration) -> bool {
        let short = |ports: u32, id: SpaceId| {
            self.capacity(id).is_some_and(|capacity| Share::of(ports, capacity) >= self.thresholds.warn)
        };
        self.history.within(span).any(|tick| {
            tick.in_use.iter().any(|(id, ports)| short(*ports, *id))
                || tick
                    .destinations
                    .iter()
                    .any(|(id, flow)| flow.taken.is_some_and(|taken| short(taken, id.space())))
        })
    }

    /// What the samples of some processes say together over the last two minutes, since all of them were
    /// there.
    pub fn series(
        &self,
        owners: &[Option<Owner>],
        value: impl Fn(&Sample) -> Option<u32>,
    ) -> Vec<(Duration, u32)> {
        self.history
            .series(HORIZON, |tick| owners.iter().map(|owner| tick.owners.get(owner).and_then(&value)).sum())
    }

    /// Whether a process lives in another network namespace and holds nothing in this one.
    pub fn is_elsewhere(&self, owner: Owner) -> bool {
        let process = self.snapshot.processes.get(&owner);
        let there = process.and_then(|process| process.namespace);
        there.is_some_and(|there| there != self.snapshot.namespace)
            && !self.rows.iter().any(|row| row.owners.contains(&owner) && row.counts.seen_sockets() > 0)
    }

    /// One row a process, those with the most ports first, and equal ones in the order of their identity.
    pub fn processes(&self) -> Vec<&'a Row> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        let weight = |row: &Row| Reverse((row.counts.seen_ports, row.counts.seen_sockets()));
        rows.sort_by(|a, b| weight(a).cmp(&weight(b)).then_with(|| a.key.cmp(&b.key)));
        rows
    }
}

/// The local address of each port space with the most ports in the range; a port that is bound on any address
/// counts for each.
fn fullest_addresses(snapshot: &Observed) -> Vec<(SpaceId, (IpAddr, u32))> {
    let capacities = Capacities::of(snapshot);
    let mut everywhere = vec![PortSet::new(); snapshot.spaces.len()];
    let mut index_of: HashMap<IpAddr, usize, RandomState> = HashMap::default();
    let mut addresses = Vec::new();
    for socket in &snapshot.sockets {
        let (Some(space), ip) = (capacities.dynamic_space(socket), socket.local().ip()) else { continue };
        if ip.is_unspecified() {
            everywhere[space].insert(socket.local_port());
        } else {
            index_of.entry(ip).or_insert_with(|| {
                addresses.push(ip);
                addresses.len() - 1
            });
        }
    }
    let address_of = |_, socket: &Socket| {
        let space = capacities.dynamic_space(socket)?;
        let is_everywhere = everywhere[space].contains(socket.local_port());
        index_of.get(&socket.local().ip()).copied().filter(|_| !is_everywhere)
    };
    let mut fullest = vec![None; everywhere.len()];
    distinct_ports(&capacities, addresses.len(), address_of, |address, space, own| {
        fullest[space] = fullest[space].max(Some((own, addresses[address])));
    });
    let spaces = snapshot.spaces.iter().zip(&everywhere).zip(fullest);
    spaces
        .filter_map(|((space, everywhere), fullest)| {
            let (own, address) = fullest?;
            Some((space.id, (address, everywhere.len() + own)))
        })
        .collect()
}

/// How many connections a second a destination takes whose ports are in TIME_WAIT for a while after each.
pub(super) struct Most {
    pub per_second: f64,
    /// How many ports there are for them.
    ports: u32,
    keeps: Duration,
    /// Whether `connect()` takes the ports again before TIME_WAIT ends.
    reuses: bool,
}

/// The same where most of the ports are in TIME_WAIT.
pub(super) fn most(facts: &Facts, toward: &Toward) -> Option<Most> {
    let (id, waiting) = (toward.destination.id(), toward.destination.counts.seen(State::TimeWait));
    if waiting * 2 <= toward.ports() {
        return None;
    }
    let ports = toward.capacity.saturating_sub(toward.ports().saturating_sub(waiting));
    let keeps = facts.ahead.keeps(id)?;
    let per_second = f64::from(ports) / keeps.as_secs_f64();
    Some(Most { per_second, ports, keeps, reuses: facts.ahead.reused_after(id).is_some() })
}

impl Most {
    /// `1,000 ports ÷ 60 s: no more than 17 connections a second`
    pub fn line(&self) -> String {
        let again = if self.reuses { ", after which connect() takes a TIME_WAIT's port again" } else { "" };
        format!(
            "{} ports ÷ {} s{again}: no more than {} connections a second",
            thousands(self.ports.into()),
            seconds(self.keeps),
            per_second(self.per_second)
        )
    }
}

/// `orders.exe (4312)`
pub(super) fn who(row: &Row) -> String {
    match row.key {
        RowKey::Process(owner) if row.process.is_none() => format!("pid {}", owner.pid),
        RowKey::Process(owner) => format!("{} ({})", safe(&row.name), owner.pid),
        _ => safe(&row.name).into_owned(),
    }
}

/// `15,902 of 16,384`
pub(super) fn of(part: impl Into<u64>, whole: impl Into<u64>) -> String {
    format!("{} of {}", thousands(part.into()), thousands(whole.into()))
}

/// `97 % used, 15,902 of 16,384`
pub(super) fn used(share: Share, part: u32, whole: u32) -> String {
    match share.number() {
        Some(_) => format!("{share} used, {}", of(part, whole)),
        None => "has no port to give out".to_owned(),
    }
}

/// `15,902 of 16,384 open files, 97 %`
pub(super) fn filled(level: Level, what: &str) -> String {
    let share = level.share();
    let percent = share.number().map_or_else(String::new, |_| format!(", {share}"));
    format!("{} {what}{percent}", of(level.used, level.most))
}

/// `; full in 41 s`, or nothing when nothing says that it will be full.
pub(super) fn full_in(forecast: Forecast) -> String {
    match forecast {
        Forecast::FullIn { expected, .. } => format!("; full in {}", span(expected)),
        _ => String::new(),
    }
}

/// The forecast as a line of evidence.
pub(super) fn forecast_line(forecast: Forecast) -> String {
    match forecast {
        Forecast::NotEnoughData => "forecast: not enough data yet".to_owned(),
        Forecast::NotFilling => "forecast: not filling".to_owned(),
        Forecast::Full => "no port is left".to_owned(),
        Forecast::FullIn { low, expected, high } => {
            let (expected, low) = (span(expected), span(low));
            let high = high.map_or_else(|| "never".to_owned(), span);
            let range = if low == high { String::new() } else { format!(" ({low} to {high})") };
            format!("forecast: full in {expected}{range}")
        }
    }
}

/// The filter that shows one process.
pub(super) fn of_process(row: &Row) -> String {
    row.pid().map_or_else(String::new, |pid| format!("pid:{pid}"))
}

/// How a count has developed: for how long it has grown and how fast.
pub(super) struct Growth {
    pub span: Duration,
    pub per_second: f64,
    /// How much of the growth was given back in between.
    pub released: u32,
}

/// The growth of a series that has grown for `at_least` so long, hardly ever falling.
pub(super) fn growth(series: &[(Duration, u32)], at_least: Duration) -> Option<Growth> {
    let last = *series.last()?;
    // The leak begins at the lowest level seen.
    let lowest = series.iter().map(|(_, level)| *level).min()?;
    let begin = series.iter().rposition(|(_, level)| *level == lowest)?;
    let series = &series[begin..];
    let (start, low) = series[0];
    let span = last.0.saturating_sub(start);
    if span < at_least {
        return None;
    }
    let released = series.windows(2).map(|pair| pair[0].1.saturating_sub(pair[1].1)).sum();
    let gained = last.1.saturating_sub(low);
    let per_second = crate::analysis::forecast::slope(series)?;
    (per_second > 0.0 && released * 10 <= gained).then_some(Growth { span, per_second, released })
}
