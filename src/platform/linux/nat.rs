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
    let is_on = |file: &str| read::bytes(file).is_ok_and(|set| set.trim_ascii() != b"0");
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
        let names = read::bytes(file).unwrap_or_default();
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
        // One port is a fixed translation, and none to choose from.
        Ports::Range(range) if range.size() > 1 => Some(range),
        _ => None,
    });
    if let Some(range) = ranges.filter(gives_all).min_by_key(|range| range.size()) {
        return NatRange::Rule(range);
    }
    let leaves_it = mine().any(|rule| rule.ports == Ports::Any);
    let is_unread = mine().any(|rule| rule.ports == Ports::Unread);
    let how = if leaves_it && !is_unread { NatRange::Kernels } else { NatRange::Assumed };
    how(PortRange::UNPRIVILEGED)
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

#[cfg(test)]
mod tests {
    use super::super::ctnetlink::tests::entry;
    use super::super::message::tests::message;
    use super::super::netlink::tests::{Script, scripted};
    use super::*;

    /// A datagram of these connections and, perhaps, the end.
    fn datagram(entries: Vec<Vec<u8>>, end: bool) -> Box<dyn Fn(u32) -> Vec<u8> + Send> {
        Box::new(move |sequence| {
            let mut bytes: Vec<u8> =
                entries.iter().flat_map(|entry| message(0x0100, 2, sequence, entry)).collect();
            if end {
                bytes.extend(message(3, 2, sequence, &[0; 4]));
            }
            bytes
        })
    }

    /// A connection from this address inside to port 80 of a server, which got this port, and its state.
    fn to_server(inside: &str, port: u16, state: u8) -> Vec<u8> {
        let public = format!("203.0.113.1:{port}");
        entry(6, &format!("{inside}:4000"), "203.0.113.9:80", &public, state)
    }

    fn listed(script: Script) -> Result<Vec<Translated>, DumpError> {
        list(&mut scripted(script).0)
    }

    fn rule(ports: Ports) -> SourceNat {
        SourceNat { family: Some(Family::Ipv4), ports }
    }

    fn ports(start: u16, end: u16) -> PortRange {
        PortRange::new(Port(start), Port(end)).unwrap()
    }

    #[test]
    fn connections_are_summed_up_by_destination_the_fullest_first() {
        let mut entries: Vec<_> = (10_000..10_030).map(|port| to_server("10.0.0.2", port, 3)).collect();
        entries.extend((10_030..10_050).map(|port| to_server("10.0.0.3", port, 7)));
        entries.push(to_server("10.0.0.4", 10_050, 1));
        entries.push(entry(6, "10.0.0.2:4000", "203.0.113.9:81", "203.0.113.1:10000", 3));
        entries.push(entry(17, "10.0.0.2:4000", "203.0.113.9:80", "203.0.113.1:10000", 0));
        let script = [datagram(entries[40..].to_vec(), false), datagram(entries[..40].to_vec(), true)];
        let nat = grouped(listed(script.into()).unwrap(), &[rule(Ports::Range(ports(10_000, 10_099)))]);
        assert_eq!((nat.translated, nat.toward.len()), (53, 3));
        let first = &nat.toward[0];
        assert_eq!((first.used, first.waiting, first.opening), (51, 20, 1));
        assert_eq!(first.id.remote, "203.0.113.9:80".parse().unwrap());
        assert_eq!(first.range, NatRange::Rule(ports(10_000, 10_099)));
        let inside: Vec<_> = first.inside.iter().map(|(ip, count)| (ip.to_string(), *count)).collect();
        let expected = [("10.0.0.2", 30), ("10.0.0.3", 20), ("10.0.0.4", 1)];
        assert_eq!(inside, expected.map(|(ip, count)| (ip.to_owned(), count)));
    }

    #[test]
    fn of_many_destinations_a_few_are_told_of() {
        let remote = |port: u16| format!("203.0.113.9:{port}");
        let all =
            (1..200).map(|port| entry(6, "10.0.0.2:4000", &remote(port), "203.0.113.1:4000", 3)).collect();
        let nat = grouped(listed([datagram(all, true)].into()).unwrap(), &[]);
        assert_eq!((nat.translated, nat.toward.len()), (199, DESTINATIONS));
    }

    #[test]
    fn the_range_is_that_of_the_rule_that_may_have_given_the_ports() {
        let all = [10_000, 10_001, 10_099].map(|port| to_server("10.0.0.2", port, 3));
        let group = listed([datagram(all.to_vec(), true)].into()).unwrap();
        let (narrow, wide) = (ports(10_000, 10_099), ports(10_000, 20_000));
        let of = |rules: &[Ports]| range(&group, &rules.iter().map(|ports| rule(*ports)).collect::<Vec<_>>());
        let kernels = PortRange::UNPRIVILEGED;
        assert_eq!(of(&[Ports::Any, Ports::Range(wide), Ports::Range(narrow)]), NatRange::Rule(narrow));
        assert_eq!(of(&[Ports::Range(ports(10_000, 10_050)), Ports::Any]), NatRange::Kernels(kernels));
        assert_eq!(of(&[Ports::Any, Ports::Unread]), NatRange::Assumed(kernels));
        assert_eq!(of(&[]), NatRange::Assumed(kernels), "rules that nf_tables does not have");
        let fixed = range(&group[..1], &[rule(Ports::Range(ports(10_000, 10_000))), rule(Ports::Any)]);
        assert_eq!(fixed, NatRange::Kernels(kernels), "a fixed port is never full");
        let other = SourceNat { family: Some(Family::Ipv6), ports: Ports::Range(narrow) };
        assert_eq!(range(&group, &[other]), NatRange::Assumed(kernels), "of the other family");
    }

    #[test]
    fn what_is_no_connection_or_damaged_is_passed_over_and_what_is_cut_is_an_error() {
        let damaged = to_server("10.0.0.2", 10_000, 3)[..40].to_vec();
        let whole = to_server("10.0.0.2", 10_001, 3);
        let script = [datagram(vec![vec![], damaged, whole.clone()], true)];
        assert_eq!(listed(script.into()).unwrap().len(), 1);
        assert!(listed([datagram(vec![whole], false)].into()).is_err(), "it never ends");
    }

    #[test]
    fn more_than_can_be_kept_is_given_up() {
        let mut kept = Kept::new(2, Translated::read);
        let one = to_server("10.0.0.2", 10_000, 3);
        let mut take = || kept.take(0x0100, &one);
        assert!(take().is_ok() && take().is_ok());
        assert!(matches!(take(), Err(DumpError::TooMany(2))));
        kept.until = Instant::now().checked_sub(LONGEST).unwrap();
        assert!(matches!(kept.take(0x0100, &one), Err(DumpError::TooSlow(_))));
        kept.begin();
        assert!(kept.all.is_empty());
    }

    #[test]
    fn a_missing_right_is_named() {
        let refused = |errno: i32| {
            let error = move |sequence| message(2, 0, sequence, &(-errno).to_ne_bytes());
            gap(&listed([Box::new(error) as Box<_>].into()).unwrap_err())
        };
        let gap = refused(1);
        assert_eq!(gap.reason, Reason::AccessDenied);
        assert_eq!(gap.remedy, Some(Remedy::Root(&["CAP_NET_ADMIN"])));
        assert_eq!(refused(22).remedy, Some(Remedy::Module("nf_conntrack_netlink")));
        assert_eq!(refused(105).remedy, None);
    }

    #[test]
    fn where_nothing_is_tracked_nothing_is_asked() {
        let mut table = NatTable { last: Some(Nat::default()), ..NatTable::default() };
        for tracked in [None, Some(0)] {
            assert_eq!(table.read(tracked).value, None);
            assert!(table.due.is_none());
        }
    }

    #[test]
    fn what_was_listed_last_is_kept_until_it_is_due() {
        let nat = Nat { translated: 7, toward: Vec::new() };
        let due = Instant::now().checked_add(SELDOM);
        let mut table = NatTable { last: Some(nat.clone()), due, ..NatTable::default() };
        assert_eq!((table.read(Some(9)).value, table.due), (Some(nat), due));
    }
}
