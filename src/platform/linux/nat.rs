//! Which ports netfilter has given to the connections whose source it translates here.
//!
//! Listing them costs more the more there are, so that is done only where anything is tracked, and the seldomer
//! the longer it takes.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::super::Reading;
use super::ctnetlink::{self, Phase, Translated};
use super::netlink::{DumpError, Dumper, Sink};
use super::nftables::{self, Ports, SourceNat};
use super::read;
use crate::model::{
    Family, Gap, Missing, Nat, NatDestination, NatDestinationId, NatRange, Port, PortRange, Reason, Remedy,
    Share,
};

/// Where many connections are translated, they are listed at most that often.
const LEAST: Duration = Duration::from_secs(2);
/// Where none is, or they can't be listed.
const SELDOM: Duration = Duration::from_secs(30);
/// Listing them takes no more than this share of the time: a fiftieth.
const SHARE: u32 = 50;
/// A list that takes longer is given up.
const LONGEST: Duration = Duration::from_secs(2);
/// How many connections are listed at the most, and how many rules are read.
const MOST: usize = 1 << 19;
const MOST_RULES: usize = 1 << 16;
/// How long the rules are taken not to change.
const RULES_LAST: Duration = Duration::from_mins(1);
/// How many destinations are told of, and how many addresses inside of each.
const DESTINATIONS: usize = 16;
const INSIDE: usize = 3;

/// Lists what is translated, now and then.
#[derive(Default)]
pub(super) struct NatTable {
    last: Option<Nat>,
    gap: Option<Gap>,
    due: Option<Instant>,
    rules: Option<(Instant, Vec<SourceNat>)>,
}

impl NatTable {
    /// What is translated, as known last, where so many connections are tracked; none where no source is
    /// translated.
    pub fn read(&mut self, tracked: Option<u64>) -> Reading<Option<Nat>> {
        let now = Instant::now();
        if tracked.unwrap_or(0) == 0 {
            *self = Self::default();
        } else if self.due.is_none_or(|due| due <= now) {
            let list = list(&mut Dumper::of_netfilter());
            self.take(list, now);
            let least = if self.last.is_some() { LEAST } else { SELDOM };
            self.due = Some(now + least.max(now.elapsed() * SHARE));
        }
        Reading { value: self.last.clone(), gaps: self.gap.iter().cloned().collect() }
    }

    fn take(&mut self, list: Result<Vec<Translated>, DumpError>, now: Instant) {
        (self.last, self.gap) = match list {
            Ok(all) if all.is_empty() => (None, None),
            Ok(all) => {
                let known = self.rules.take().filter(|(read, _)| now.duration_since(*read) < RULES_LAST);
                let (_, rules) = self.rules.insert(known.unwrap_or_else(|| (now, source_nats())));
                (Some(grouped(all, rules)), None)
            }
            // Only who forwards misses it.
            Err(error) => (None, forwards().then(|| gap(&error))),
        };
    }
}

/// Whether this machine passes on what is not for it.
fn forwards() -> bool {
    let is_on = |file: &str| read::bytes(file.to_owned()).is_ok_and(|set| set.trim_ascii() != b"0");
    is_on("/proc/sys/net/ipv4/ip_forward") || is_on("/proc/sys/net/ipv6/conf/all/forwarding")
}

fn gap(error: &DumpError) -> Gap {
    let kind = match error {
        DumpError::System(error) => Some(error.kind()),
        _ => None,
    };
    match kind {
        Some(std::io::ErrorKind::PermissionDenied) => {
            Gap::new(Missing::Nat, Reason::AccessDenied).fixed_by(Remedy::Root(&["CAP_NET_ADMIN"]))
        }
        // What nobody has registered can't be asked.
        Some(std::io::ErrorKind::InvalidInput) => Gap::error(Missing::Nat, format!("ctnetlink: {error}"))
            .fixed_by(Remedy::Module("nf_conntrack_netlink")),
        _ => Gap::error(Missing::Nat, format!("ctnetlink: {error}")),
    }
}

/// Keeps what is read of each message, as long as that is not too much.
struct Kept<T> {
    all: Vec<T>,
    most: usize,
    until: Instant,
    read: fn(u16, &[u8]) -> Option<T>,
}

impl<T> Kept<T> {
    fn new(most: usize, read: fn(u16, &[u8]) -> Option<T>) -> Self {
        Self { all: Vec::new(), most, until: Instant::now() + LONGEST, read }
    }
}

impl<T> Sink for Kept<T> {
    fn begin(&mut self) {
        self.all.clear();
    }

    fn take(&mut self, kind: u16, payload: &[u8]) -> Result<(), DumpError> {
        if Instant::now() > self.until {
            return Err(DumpError::TooSlow(LONGEST));
        }
        self.all.extend((self.read)(kind, payload));
        if self.all.len() > self.most { Err(DumpError::TooMany(self.most)) } else { Ok(()) }
    }
}

fn list(dumper: &mut Dumper) -> Result<Vec<Translated>, DumpError> {
    let mut kept = Kept::new(MOST, Translated::read);
    dumper.dump_whole(&ctnetlink::translated, &mut kept)?;
    Ok(kept.all)
}

/// What the rules do to sources; what can't be read is a rule that does not say.
fn source_nats() -> Vec<SourceNat> {
    let mut kept = Kept::new(MOST_RULES, nftables::source_nat);
    let unread = SourceNat { family: None, ports: Ports::Unread };
    if Dumper::of_netfilter().dump_whole(&nftables::rules, &mut kept).is_err() {
        return vec![unread];
    }
    // Rules of the old iptables are none of nf_tables'.
    let has_old = ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"].iter().any(|file| {
        let names = read::bytes((*file).to_owned()).unwrap_or_default();
        names.split(|byte| *byte == b'\n').any(|name| name == b"nat")
    });
    kept.all.extend(has_old.then_some(unread));
    kept.all
}

/// Sums up connections by destination, the fullest first.
fn grouped(mut all: Vec<Translated>, rules: &[SourceNat]) -> Nat {
    all.sort_unstable();
    let toward = |one: &Translated| (one.protocol, one.zone, one.public, one.remote);
    let mut groups: Vec<_> = all
        .chunk_by(|one, other| toward(one) == toward(other))
        .map(|group| {
            let range = range(group, rules);
            let used = number(inside(group, range.ports()).count());
            (Reverse(Share::of(used, range.ports().size())), range, group)
        })
        .collect();
    // Of equally full ones the order stays that of their addresses.
    groups.sort_by_key(|(share, ..)| *share);
    groups.truncate(DESTINATIONS);
    Nat {
        translated: number(all.len()),
        toward: groups.iter().map(|(_, range, group)| destination(group, *range)).collect(),
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The connections that have a port of the range.
fn inside(group: &[Translated], range: PortRange) -> impl Iterator<Item = &Translated> {
    group.iter().filter(move |one| range.contains(Port(one.port)))
}

/// The ports that these connections are given: of the rules that may have done it the narrowest that gives all of
/// the ports there are.
fn range(group: &[Translated], rules: &[SourceNat]) -> NatRange {
    let family = group.first().map(|one| Family::of(one.public));
    let mine = || rules.iter().filter(|rule| rule.family.is_none() || rule.family == family);
    let gives_all = |range: &PortRange| inside(group, *range).count() == group.len();
    let ranges = mine().filter_map(|rule| match rule.ports {
        Ports::Range(range) => Some(range),
        _ => None,
    });
    if let Some(range) = ranges.filter(gives_all).min_by_key(|range| range.size()) {
        return NatRange::Rule(range);
    }
    let leaves_it = mine().any(|rule| rule.ports == Ports::Any);
    let is_unread = mine().any(|rule| rule.ports == Ports::Unread);
    match leaves_it && !is_unread {
        true => NatRange::Kernels(PortRange::UNPRIVILEGED),
        false => NatRange::Assumed(PortRange::UNPRIVILEGED),
    }
}

fn destination(group: &[Translated], range: NatRange) -> NatDestination {
    let Translated { protocol, public, remote, .. } = group[0];
    let used: Vec<_> = inside(group, range.ports()).collect();
    let of_phase = |phase: Phase| number(used.iter().filter(|one| one.phase == phase).count());
    let mut most: Vec<(IpAddr, u32)> = used
        .chunk_by(|one, other| one.inside == other.inside)
        .map(|same| (same[0].inside, number(same.len())))
        .collect();
    most.sort_by_key(|(_, count)| Reverse(*count));
    most.truncate(INSIDE);
    NatDestination {
        id: NatDestinationId { protocol, public, remote },
        range,
        used: number(used.len()),
        waiting: of_phase(Phase::Waiting),
        opening: of_phase(Phase::Opening),
        inside: most,
    }
}
