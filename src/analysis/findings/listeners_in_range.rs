//! Listeners whose ports the system may hand out as soon as they stop.

use super::facts::Facts;
use super::{Finding, Link, Severity, Step, View};
use crate::analysis::reserve;
use crate::model::{DynamicRange, Port, Socket, SpaceId, System};
use crate::text::{safe, thousands};

/// How many of them are named, and how many commands are given.
const MOST: usize = 5;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let mut listeners: Vec<&Socket> =
        facts.standing.iter().filter_map(|index| facts.snapshot.sockets.get(*index)).collect();
    let key = |socket: &Socket| (socket.local_port(), socket.space());
    listeners.sort_by_key(|socket| key(socket));
    listeners.dedup_by_key(|socket| key(socket));
    let Some(range) = listeners.first().and_then(|socket| dynamic(facts, socket.space())) else {
        return Vec::new();
    };
    let named: Vec<_> = listeners.iter().take(MOST).map(|socket| name(facts, socket)).collect();
    let count = match listeners.len() {
        1 => "1 listener stands".to_owned(),
        count => format!("{} listeners stand", thousands(count as u64)),
    };
    let more = if listeners.len() > MOST { ", …" } else { "" };
    vec![Finding {
        id: "listeners_in_range",
        severity: Severity::Note,
        title: format!(
            "{count} inside the dynamic range {}, not reserved: {}{more}",
            range.range,
            named.join(", ")
        ),
        evidence: named,
        why: "While such a listener is stopped, the system may hand out its port, and it can't start again. \
              Nobody can tell one that asked for any port (0), which may have another one next time.",
        next: next(facts, &listeners),
        link: Link::filtered(
            View::Sockets,
            match listeners[..] {
                [one] => format!("state:listen lport:{}", one.local_port()),
                _ => "state:listen".to_owned(),
            },
        ),
        owner: None,
    }]
}

/// Linux has one list for all port spaces; elsewhere each has its own.
fn next(facts: &Facts, listeners: &[&Socket]) -> Vec<Step> {
    let system = facts.snapshot.host.system;
    let commands = |space, ports: &[Port]| {
        let dynamic = dynamic(facts, space);
        dynamic.map_or_else(Vec::new, |dynamic| reserve::commands(system, space, dynamic, ports))
    };
    let (commands, what) = if system == System::Linux {
        let ports: Vec<_> = listeners.iter().map(|socket| socket.local_port()).collect();
        (commands(listeners[0].space(), &ports), "reserve them beside what is reserved, until the next start")
    } else {
        let each = listeners.iter().take(MOST);
        let each = each.flat_map(|socket| commands(socket.space(), &[socket.local_port()])).collect();
        (each, "exclude it while the listener is stopped: Windows excludes no port that is in use")
    };
    commands.into_iter().map(|command| Step::run(command, what)).collect()
}

fn dynamic<'a>(facts: &Facts<'a>, space: SpaceId) -> Option<&'a DynamicRange> {
    facts.snapshot.spaces.iter().find(|one| one.id == space)?.dynamic.as_ref()
}

/// `nginx (77) on 40000`
fn name(facts: &Facts, socket: &Socket) -> String {
    let (port, owner) = (socket.local_port(), socket.holders.counted());
    let Some(owner) = owner else { return format!("nobody who is known on {port}") };
    match facts.snapshot.processes.get(&owner) {
        Some(process) => format!("{} ({}) on {port}", safe(&process.name), owner.pid),
        None => format!("pid {} on {port}", owner.pid),
    }
}
