//! What would become of the ports if something were changed: whether what is asked of them fits then.
//!
//! Pure: from a measured demand to outcomes. What it is called on the screen is said in [`crate::export`].

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use crate::model::{DestinationId, PortRange, Share, SpaceId};
use crate::text::{per_second, span, thousands};

/// A pool of connections that are kept open has at least so many in it.
pub const POOL: u32 = 50;

/// What fills more slowly than this is not said to fill.
const FARTHEST: Duration = Duration::from_hours(24);

/// Which ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Those toward a destination: what `connect()` takes from on Linux.
    Toward(DestinationId),
    /// Those of a port space: what `bind()` takes from, and everything on Windows.
    Space(SpaceId),
}

impl Place {
    /// The port space they are taken from.
    #[must_use]
    pub fn space(self) -> SpaceId {
        match self {
            Self::Toward(id) => id.space(),
            Self::Space(id) => id,
        }
    }
}

/// What is asked of the ports of a place, as measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// Which ports.
    pub place: Place,
    /// Connections a second that come and go and leave a TIME_WAIT, those that are refused among them.
    pub per_second: f64,
    /// Whether more may be asked for: all ports are gone, and nothing tells what is refused.
    pub at_least: bool,
    /// Ports a second that are taken and not given back.
    pub grows: f64,
    /// Ports that something else than a TIME_WAIT holds.
    pub held: u32,
    /// Ports in TIME_WAIT that can't be had now.
    pub waiting: u32,
    /// How long a TIME_WAIT keeps its port.
    pub keeps: Duration,
    /// How many ports there are.
    pub capacity: u32,
}

/// What becomes of a demand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outlook {
    /// It settles at this share of the ports.
    Fits(Share),
    /// It fits up to so many connections a second; how many are asked for is not known.
    UpTo(f64),
    /// All ports are gone after this time.
    FullIn(Duration),
    /// All are gone, and it would take more.
    NeverFits,
}

/// Something that could be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// `tcp_tw_reuse` is set to 1, and timestamps are switched on where they are off.
    Reuse {
        /// Whether they are off now.
        timestamps_too: bool,
    },
    /// `tcp_tw_reuse_delay` is set to this.
    ReuseSooner(Duration),
    /// That many connections are kept open and used again.
    KeepAlive(u32),
    /// The dynamic range becomes this one.
    Range(PortRange),
    /// Programs connect from one more local address.
    SecondAddress,
}

/// What can be changed here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Means {
    /// After how long a port would be taken again with `tcp_tw_reuse`, and whether timestamps are off; none where
    /// it is taken again already, or never could be.
    pub reuse: Option<(Duration, bool)>,
    /// A shorter delay that could be set, where ports are taken again.
    pub sooner: Option<Duration>,
    /// The widest range, and how many ports it gives out.
    pub range: Option<(PortRange, u32)>,
    /// Whether another local address has ports of its own.
    pub addresses: bool,
}

/// What a demand comes to as things are, and if they were otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct WhatIf {
    /// What is asked for.
    pub demand: Demand,
    /// What becomes of it as things are.
    pub now: Outlook,
    /// What becomes of it with each of the changes.
    pub changes: Vec<(Change, Outlook)>,
}

impl Demand {
    /// How many connections a second the ports are enough for.
    #[must_use]
    pub fn most_per_second(&self, keeps: Duration, capacity: u32) -> f64 {
        f64::from(capacity.saturating_sub(self.held)) / keeps.as_secs_f64()
    }

    /// What becomes of it where a TIME_WAIT keeps its port for so long and there are so many ports, of which so
    /// many are `gone` now.
    #[must_use]
    pub fn outlook(&self, keeps: Duration, capacity: u32, gone: u32) -> Outlook {
        let (whole, free) = (f64::from(capacity), capacity.saturating_sub(gone));
        let end = f64::from(self.held) + self.per_second * keeps.as_secs_f64();
        let lasts = |free: f64, rate: f64| Duration::try_from_secs_f64(free / rate).ok();
        // Of what is full no more can be seen than fits.
        if end >= whole || self.at_least && free == 0 {
            return match lasts(free.into(), self.per_second + self.grows).filter(|_| free > 0) {
                Some(time) if time >= Duration::from_secs(1) => Outlook::FullIn(time),
                _ => Outlook::NeverFits,
            };
        }
        if self.grows > 0.0 {
            match lasts(whole - end, self.grows).filter(|time| *time <= FARTHEST) {
                Some(time) if free > 0 => return Outlook::FullIn(time),
                Some(_) => return Outlook::NeverFits,
                None => {}
            }
        }
        if self.at_least {
            Outlook::UpTo(self.most_per_second(keeps, capacity))
        } else {
            Outlook::Fits(Share::of(end, whole))
        }
    }

    fn gone(&self) -> u32 {
        self.held.saturating_add(self.waiting)
    }

    /// Whether connections that come and go are most of it.
    fn churns(&self) -> bool {
        self.per_second * self.keeps.as_secs_f64() > f64::from(self.held)
    }

    fn kept_alive(&self) -> (u32, Outlook) {
        let (count, ports) = match self.place {
            Place::Toward(_) => (self.held.max(POOL), self.held.max(POOL)),
            Place::Space(_) => (POOL, self.held.saturating_add(POOL)),
        };
        let fits = ports < self.capacity;
        (count, if fits { Outlook::Fits(Share::of(ports, self.capacity)) } else { Outlook::NeverFits })
    }
}

/// What a demand comes to, as things are and with everything that can be changed.
#[must_use]
pub fn what_if(demand: Demand, means: &Means) -> WhatIf {
    let Demand { keeps, capacity, .. } = demand;
    let gone = demand.gone();
    let mut changes = Vec::new();
    if demand.churns() {
        // The older ones come back at once.
        let with = |keeps: Duration| {
            let young = f64::from(demand.waiting) * keeps.div_duration_f64(demand.keeps).min(1.0);
            demand.outlook(keeps, capacity, demand.held.saturating_add(whole(young)))
        };
        let reuse =
            means.reuse.map(|(after, timestamps_too)| (Change::Reuse { timestamps_too }, with(after)));
        let sooner = means.sooner.map(|after| (Change::ReuseSooner(after), with(after)));
        let (count, kept) = demand.kept_alive();
        changes.extend(reuse.into_iter().chain(sooner).chain([(Change::KeepAlive(count), kept)]));
    }
    let range = means.range.filter(|(_, wider)| *wider > capacity);
    changes.extend(range.map(|(range, wider)| (Change::Range(range), demand.outlook(keeps, wider, gone))));
    if means.addresses {
        let twice = capacity.saturating_mul(2);
        changes.push((Change::SecondAddress, demand.outlook(keeps, twice, gone)));
    }
    WhatIf { now: demand.outlook(keeps, capacity, gone), changes, demand }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a count of ports")]
fn whole(ports: f64) -> u32 {
    ports.ceil() as u32
}

impl WhatIf {
    /// The changes with which it fits, and before them those that last longer than others; in the order in which
    /// they help.
    #[must_use]
    pub fn best_first(&self) -> Vec<(Change, Outlook)> {
        let mut changes = self.changes.clone();
        changes.sort_by(|(_, a), (_, b)| a.helps(b));
        changes
    }
}

impl Outlook {
    /// Whether it is enough.
    #[must_use]
    pub const fn fits(&self) -> bool {
        matches!(self, Self::Fits(_) | Self::UpTo(_))
    }

    /// What fits before what does not, what lasts longer before what is full sooner.
    #[must_use]
    pub fn helps(&self, other: &Self) -> Ordering {
        let lasts = |outlook: &Self| match outlook {
            Self::Fits(_) | Self::UpTo(_) => Duration::MAX,
            Self::FullIn(time) => *time,
            Self::NeverFits => Duration::ZERO,
        };
        lasts(other).cmp(&lasts(self))
    }
}

/// `fits, 71 %`, `full in 4 min`
impl fmt::Display for Outlook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fits(share) => match share.number() {
                Some(share) if share > 0.0 && share < 0.01 => {
                    write!(f, "fits, {:.1} %", (share * 100.0).max(0.1))
                }
                _ => write!(f, "fits, {share}"),
            },
            Self::UpTo(most) => write!(f, "up to {}/s", per_second(*most)),
            Self::FullIn(time) => write!(f, "full in {}", span(*time)),
            Self::NeverFits => f.write_str("never fits"),
        }
    }
}

/// `tcp_tw_reuse=1`, `range 1024–65535`
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reuse { timestamps_too: false } => f.write_str("tcp_tw_reuse=1"),
            Self::Reuse { timestamps_too: true } => f.write_str("tcp_tw_reuse=1 and tcp_timestamps=1"),
            Self::ReuseSooner(delay) => write!(f, "tcp_tw_reuse_delay={}", delay.as_millis()),
            Self::KeepAlive(count) => write!(f, "keep-alive with {} connections", thousands((*count).into())),
            Self::Range(range) => write!(f, "range {range}"),
            Self::SecondAddress => f.write_str("a second source address"),
        }
    }
}

impl Change {
    /// The command that makes it, where one does until the next start of the system.
    #[must_use]
    pub fn command(self) -> Option<String> {
        match self {
            Self::Reuse { timestamps_too } => {
                let timestamps = if timestamps_too { " net.ipv4.tcp_timestamps=1" } else { "" };
                Some(format!("sysctl -w net.ipv4.tcp_tw_reuse=1{timestamps}"))
            }
            Self::ReuseSooner(delay) => {
                Some(format!("sysctl -w net.ipv4.tcp_tw_reuse_delay={}", delay.as_millis()))
            }
            Self::KeepAlive(_) | Self::Range(_) | Self::SecondAddress => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NamespaceId, Port, Protocol};
    use proptest::prelude::*;

    fn demand(per_second: f64, grows: f64, held: u32) -> Demand {
        let id = DestinationId {
            namespace: NamespaceId::ONLY,
            protocol: Protocol::Tcp,
            local: [10, 0, 0, 1].into(),
            remote: "10.0.0.2:80".parse().unwrap(),
        };
        let (place, at_least, keeps, capacity) = (Place::Toward(id), false, Duration::from_mins(1), 1000);
        let waiting = (capacity - held).min(whole(per_second * 60.0));
        Demand { place, per_second, at_least, grows, held, waiting, keeps, capacity }
    }

    fn means() -> Means {
        let range = PortRange::new(Port(1024), Port(65535)).unwrap();
        Means {
            reuse: Some((Duration::from_secs(1), false)),
            sooner: None,
            range: Some((range, range.size())),
            addresses: true,
        }
    }

    fn said(demand: Demand, means: &Means) -> Vec<String> {
        let all = what_if(demand, means);
        let changes = all.changes.iter().map(|(change, outlook)| format!("{change}: {outlook}"));
        [format!("now: {}", all.now)].into_iter().chain(changes).collect()
    }

    #[test]
    fn a_churn_that_never_fits_fits_with_what_helps() {
        let expected = [
            "now: never fits",
            "tcp_tw_reuse=1: fits, 71 %",
            "keep-alive with 50 connections: fits, 5 %",
            "range 1024–65535: fits, 66 %",
            "a second source address: full in 1 s",
        ];
        assert_eq!(said(demand(710.0, 0.0, 0), &means()), expected);
        let settles = said(demand(20.0, 0.0, 0), &means());
        assert_eq!(settles[4], "a second source address: fits, 60 %");
    }

    #[test]
    fn what_is_reused_can_be_reused_sooner() {
        let keeps = Duration::from_secs(1);
        let demand = Demand { keeps, ..demand(2000.0, 0.0, 100) };
        let sooner = Some(Duration::from_millis(100));
        let all = what_if(demand, &Means { sooner, ..Means::default() });
        assert_eq!(all.now, Outlook::NeverFits);
        let sooner = (Change::ReuseSooner(Duration::from_millis(100)), Outlook::Fits(Share::percent(30.0)));
        assert_eq!(all.changes[0], sooner);
    }

    #[test]
    fn a_leak_only_lasts_longer() {
        let expected = [
            "now: full in 1 min 40 s",
            "range 1024–65535: full in 3 h 33 min",
            "a second source address: full in 5 min",
        ];
        let leak = Demand { waiting: 0, ..demand(0.0, 5.0, 500) };
        assert_eq!(said(leak, &means()), expected);
        let full = Demand { waiting: 0, ..demand(0.0, 5.0, 1000) };
        assert_eq!(what_if(full, &means()).now, Outlook::NeverFits);
    }

    #[test]
    fn of_what_may_be_more_only_the_most_is_said() {
        let full = Demand { at_least: true, waiting: 1000, ..demand(16.0, 0.0, 0) };
        let expected = [
            "now: never fits",
            "tcp_tw_reuse=1: up to 1,000/s",
            "keep-alive with 50 connections: fits, 5 %",
            "range 1024–65535: up to 1,075/s",
            "a second source address: up to 33/s",
        ];
        assert_eq!(said(full, &means()), expected);
    }

    #[test]
    fn what_helps_most_comes_first() {
        let all = what_if(demand(1100.0, 0.0, 0), &means());
        let order: Vec<_> = all.best_first().iter().map(|(change, _)| change.to_string()).collect();
        assert_eq!(
            order,
            [
                "keep-alive with 50 connections",
                "range 1024–65535",
                "tcp_tw_reuse=1",
                "a second source address"
            ]
        );
    }

    proptest! {
        #[test]
        fn it_fits_below_what_is_the_most_and_not_above(
            per_second in 1.0f64..20_000.0,
            keeps in 1u64..60_000,
            held in 0u32..60_000,
            capacity in 1u32..=65_536,
        ) {
            let (held, keeps) = (held.min(capacity - 1), Duration::from_millis(keeps));
            let demand = Demand { held, waiting: 0, capacity, keeps, ..demand(0.0, 0.0, 0) };
            let most = demand.most_per_second(keeps, capacity);
            let outlook = |per_second: f64| {
                let demand = Demand { per_second, ..demand.clone() };
                demand.outlook(keeps, capacity, held)
            };
            prop_assert!(outlook(most * 0.999).fits() && !outlook(most * 1.001).fits());
            if let Outlook::Fits(share) = outlook(per_second) {
                prop_assert!(share < Share::percent(100.0));
            }
        }
    }
}
