//! Who holds ports: a process, or a program when many processes of it hold them together.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::facts::{Facts, Pool, Toward, full_in, used, who};
use super::seen::processes;
use crate::analysis::{Row, RowKey};
use crate::model::{
    DestinationId, Holders, Owner, Port, Progress, SeenProgram, Socket, SpaceId, State, Suspect,
};
use crate::text::{per_second, rate, safe, thousands};

/// Who holds ports of the dynamic range, and which.
#[derive(Clone, Debug)]
pub(in crate::analysis) struct Holder<'a> {
    /// Its processes; or the row of what has no owner.
    rows: Vec<&'a Row>,
    /// The ports of each port space, in ascending order.
    held: BTreeMap<SpaceId, Vec<Port>>,
    /// How many sockets on them are in each state.
    states: [u32; State::ALL.len()],
    /// Who most likely left what has no owner.
    suspect: Option<Likely<'a>>,
}

/// Who most likely left what has no owner.
#[derive(Clone, Copy, Debug)]
enum Likely<'a> {
    /// The processes of one program, of which these were seen to connect there.
    Program(&'a SeenProgram),
    /// A process that opens nearly all sockets.
    Process(&'a Suspect),
}

/// Who holds the ports of these sockets, most first; nobody while owners are still being read.
pub(super) fn holders<'a>(facts: &Facts<'a>, among: impl Fn(&Socket) -> bool) -> Vec<Holder<'a>> {
    if facts.snapshot.progress == Progress::Sockets {
        return Vec::new();
    }
    let mut by_row: HashMap<u32, Holder> = HashMap::new();
    let sockets = facts.snapshot.sockets.iter().zip(facts.row_of);
    for (socket, row) in sockets.filter(|(socket, _)| among(socket) && facts.is_dynamic(socket)) {
        let holder = by_row.entry(*row).or_insert_with(|| Holder::of(vec![&facts.rows[*row as usize]]));
        holder.held.entry(socket.space()).or_default().push(socket.local_port());
        holder.states[socket.state as usize] += 1;
    }
    let mut programs: BTreeMap<&str, Vec<Holder>> = BTreeMap::new();
    let mut holders = Vec::new();
    for mut holder in by_row.into_values() {
        holder.tidy();
        if let Row { process: Some(_), name, .. } = holder.rows[0] {
            programs.entry(name).or_default().push(holder);
        } else {
            holder.suspect = likely(facts, &holder, &among);
            holders.push(holder);
        }
    }
    for mut processes in programs.into_values() {
        processes.sort_by(Holder::order);
        match Holder::together(&processes) {
            // One that holds most of it holds it alone.
            Some(program) if processes[0].ports() * 2 <= program.ports() => holders.push(program),
            _ => holders.append(&mut processes),
        }
    }
    holders.sort_by(Holder::order);
    holders
}

/// Who most likely left what has no owner.
fn likely<'a>(facts: &Facts<'a>, holder: &Holder, among: impl Fn(&Socket) -> bool) -> Option<Likely<'a>> {
    // Whoever connects now has little to do with others than those that come and go.
    let waiting = holder.waiting();
    if holder.is_known() || waiting * 2 <= holder.sockets() {
        return None;
    }
    let snapshot = facts.snapshot;
    let programs =
        snapshot.seen.iter().filter_map(|there| Some((there.destination, there.program.as_ref()?)));
    let programs: HashMap<DestinationId, &SeenProgram> = programs.collect();
    let mut left: BTreeMap<&str, (u32, &SeenProgram)> = BTreeMap::new();
    let nobodys = |socket: &&Socket| {
        socket.state == State::TimeWait && socket.holders == Holders::Nobody && facts.is_dynamic(socket)
    };
    if !programs.is_empty() {
        for socket in snapshot.sockets.iter().filter(|socket| among(socket)).filter(nobodys) {
            if let Some(program) = DestinationId::of(socket).and_then(|id| programs.get(&id)) {
                left.entry(&program.name).or_insert((0, program)).0 += 1;
            }
        }
    }
    let most = left.into_values().max_by_key(|(count, _)| *count);
    let program = most.filter(|(count, _)| count * 2 > waiting).map(|(_, program)| program);
    program.map(Likely::Program).or(snapshot.suspect.as_ref().map(Likely::Process))
}

impl<'a> Facts<'a> {
    /// Who holds the ports of a pool, most first.
    pub fn holders_in(&self, pool: &Pool) -> Vec<Holder<'a>> {
        let here = |ip: IpAddr| pool.address.is_none_or(|address| ip == address || ip.is_unspecified());
        holders(self, |socket| socket.space() == pool.space.id && here(socket.local().ip()))
    }

    /// Who holds the ports toward a destination, most first.
    pub fn holders_toward(&self, toward: &Toward) -> Vec<Holder<'a>> {
        let id = toward.destination.id();
        holders(self, |socket| DestinationId::of(socket) == Some(id))
    }
}

/// `TCP IPv4 97 % used, 15,902 of 16,384, +221/s; full in 41 s: orders.exe (4312) holds 12,840`
pub(super) fn pool_sentence(pool: &Pool, holders: &[Holder]) -> String {
    let holder = holders.first().map_or_else(String::new, |holder| format!(": {}", holder.holds()));
    // How fast one address gains ports is not known: the rate is that of all.
    let change = pool.space.per_second.filter(|change| pool.address.is_none() && change.abs() >= 0.5);
    let change = change.map_or_else(String::new, |change| format!(", {}", rate(change)));
    let used = used(pool.share, pool.ports, pool.capacity);
    let least = if pool.space.share().is_none() { "at least " } else { "" };
    format!("{} {least}{used}{change}{}{holder}", pool.name(), full_in(pool.forecast))
}

impl<'a> Holder<'a> {
    /// These rows, of which what they hold is not counted yet.
    pub fn of(rows: Vec<&'a Row>) -> Self {
        Self { rows, held: BTreeMap::new(), states: Default::default(), suspect: None }
    }

    fn tidy(&mut self) {
        for ports in self.held.values_mut() {
            ports.sort_unstable();
            ports.dedup();
        }
    }

    /// Most first, and of equal ones in the order of their identity.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let weight = |holder: &Self| (Reverse(holder.ports()), Reverse(holder.sockets()));
        let first = |holder: &Self| holder.rows.iter().map(|row| row.key.clone()).min();
        weight(self).cmp(&weight(other)).then_with(|| first(self).cmp(&first(other)))
    }

    /// Several processes as one.
    fn together(processes: &[Self]) -> Option<Self> {
        let (first, others) = processes.split_first()?;
        let mut all = first.clone();
        for other in others {
            all.rows.extend(&other.rows);
            for (space, ports) in &other.held {
                all.held.entry(*space).or_default().extend(ports);
            }
            for (all, other) in all.states.iter_mut().zip(other.states) {
                *all += other;
            }
        }
        all.tidy();
        Some(all)
    }

    /// How many ports it holds.
    pub fn ports(&self) -> u32 {
        self.held.values().map(|ports| count(ports)).sum()
    }

    /// How many of its sockets are in TIME_WAIT.
    pub fn waiting(&self) -> u32 {
        self.states[State::TimeWait as usize]
    }

    fn sockets(&self) -> u32 {
        self.states.iter().sum()
    }

    /// The port space of which it holds the most, and how many.
    pub fn fullest(&self) -> Option<(SpaceId, u32)> {
        let counted = self.held.iter().map(|(id, ports)| (*id, count(ports)));
        counted.max_by_key(|(id, count)| (*count, Reverse(*id)))
    }

    /// Its processes; none for what has no owner.
    pub fn owners(&self) -> Vec<Option<Owner>> {
        self.rows.iter().map(|row| row.owners.first().copied()).collect()
    }

    /// The process, when it is one.
    pub fn owner(&self) -> Option<Owner> {
        self.rows[0].owners.first().copied().filter(|_| self.is_one())
    }

    /// The name of its program.
    pub fn name(&self) -> &str {
        &self.rows[0].name
    }

    /// Whether it is one process, or what has no owner.
    pub fn is_one(&self) -> bool {
        self.rows.len() == 1
    }

    /// Whether it is known at all.
    pub fn is_known(&self) -> bool {
        self.rows[0].key != RowKey::NoOwner
    }

    /// Whether it is known, or at least who it may be.
    pub fn can_be_named(&self) -> bool {
        self.is_known() || self.suspect.is_some()
    }

    /// The filter that shows it, fit for a shell too; empty where there is none.
    pub fn filter(&self) -> String {
        let is_plain = |letter: char| letter.is_alphanumeric() || "-_.+:/@ ".contains(letter);
        match self.owner() {
            Some(owner) => format!("pid:{}", owner.pid),
            None if self.is_known() && self.name().chars().all(is_plain) => {
                format!("name:\"{}\"", self.name())
            }
            None => String::new(),
        }
    }

    /// `orders.exe (4312)`, `200 processes of worker`
    pub fn who(&self) -> String {
        match self.rows[..] {
            [row] => who(row),
            _ => format!("{} processes of {}", thousands(self.rows.len() as u64), safe(&self.rows[0].name)),
        }
    }

    /// `orders.exe (4312) holds 12,840`, `200 processes of worker hold 3,800`, `210 without an owner`
    fn holds_all(&self) -> String {
        let ports = thousands(self.ports().into());
        match (self.is_known(), self.is_one()) {
            (false, _) => format!("{ports} without an owner"),
            (true, true) => format!("{} holds {ports}", self.who()),
            (true, false) => format!("{} hold {ports}", self.who()),
        }
    }

    /// `, 11,902 BOUND`, where most of it is in one state; `, all BOUND`.
    fn mostly(&self) -> String {
        let states = [State::Bound, State::TimeWait, State::CloseWait, State::Established];
        let counted = states.map(|state| (self.states[state as usize], state));
        match counted.into_iter().max_by_key(|(count, _)| *count) {
            Some((count, state)) if count >= self.sockets() && count > 0 => {
                format!(", all {}", state.title())
            }
            Some((count, state)) if count * 2 > self.ports() => {
                format!(", {} {}", thousands(count.into()), state.title())
            }
            _ => String::new(),
        }
    }

    /// `, most likely of orders (4312), which opens at least 180 sockets/s`, `, most likely of 200 processes of
    /// worker`
    fn most_likely(&self) -> String {
        match self.suspect {
            None => String::new(),
            Some(Likely::Program(program)) => format!(", most likely of {}", processes(program)),
            Some(Likely::Process(Suspect { owner, name, per_second: opens })) => {
                let (name, opens) = (safe(name), per_second(*opens));
                format!(", most likely of {name} ({}), which opens at least {opens} sockets/s", owner.pid)
            }
        }
    }

    /// `orders.exe (4312) holds 12,840, 11,902 BOUND`
    pub fn holds(&self) -> String {
        format!("{}{}{}", self.holds_all(), self.mostly(), self.most_likely())
    }

    /// `orders.exe (4312) holds 12,840 of 16,384 in TCP IPv4, 11,902 BOUND`
    pub fn holds_of(&self, capacity: u32, place: &str) -> String {
        let capacity = thousands(capacity.into());
        if self.is_known() {
            format!("{} of {capacity} {place}{}", self.holds_all(), self.mostly())
        } else {
            let ports = thousands(self.ports().into());
            format!("{ports} of {capacity} {place} have no owner{}{}", self.mostly(), self.most_likely())
        }
    }
}

fn count(ports: &[Port]) -> u32 {
    u32::try_from(ports.len()).unwrap_or(u32::MAX)
}
