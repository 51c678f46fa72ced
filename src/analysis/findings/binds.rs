//! Programs that are refused the port they ask for by its number: no exhaustion, though it looks like it.

use std::net::SocketAddr;

use super::facts::Facts;
use super::{Act, Finding, Link, Severity, Step, View};
use crate::analysis::failures::RefusedBind;
use crate::model::{Family, Port, Socket, SpaceId, State};
use crate::text::{safe, thousands};

/// Why a port could not be had.
enum Cause<'a> {
    Held(&'a Socket),
    /// From this port space.
    Excluded(SpaceId),
    Unknown,
}

/// How many of them are named.
const MOST: usize = 5;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let binds = facts.failures.map_or(&[][..], |failures| &failures.binds);
    let told: Vec<_> = binds.iter().take(MOST).map(|bind| (bind, cause_of(facts, bind))).collect();
    let Some((first, cause)) = told.first() else { return Vec::new() };
    let next = match cause {
        Cause::Excluded(SpaceId { family, protocol, .. }) => {
            let (family, protocol) = (family.key(), protocol.key());
            let command = format!("netsh int {family} show excludedportrange protocol={protocol}");
            Step::run(command, "see which ports are excluded, and let one of them use another port")
        }
        Cause::Held(_) | Cause::Unknown => Step::on_screen(
            Act::Show(View::Sockets),
            "see who has the port, and let one of them use another one",
        ),
    };
    vec![Finding {
        id: "bind_refused",
        severity: Severity::Note,
        title: line(facts, first, cause),
        evidence: told.iter().map(|(bind, cause)| line(facts, bind, cause)).collect(),
        why: "The program asked for this very port, and another socket has it or it is excluded (errors 10048 \
              and 10013). It has nothing to do with how many ports are free.",
        next: vec![next],
        link: Link::filtered(
            View::Sockets,
            first.local.map_or_else(String::new, |local| format!("lport:{}", local.port())),
        ),
        owner: Some(first.owner),
    }]
}

/// `web.exe (4312) can't have TCP IPv4 port 80, which nginx.exe (77) has: 12 times in 10 s`
fn line(facts: &Facts, bind: &RefusedBind, cause: &Cause<'_>) -> String {
    let who = format!("{} ({})", safe(&bind.name), bind.owner.pid);
    let what = match bind.local {
        Some(local) => format!("{} port {}", space(facts, bind, local), local.port()),
        None => format!("its {} port", bind.protocol.key().to_uppercase()),
    };
    let why = match cause {
        Cause::Held(socket) => match socket.holders.counted() {
            Some(holder) => {
                let process = facts.snapshot.processes.get(&holder);
                let name = process.map_or_else(|| "pid".into(), |process| safe(&process.name));
                format!(", which {name} ({}) has", holder.pid)
            }
            None => ", which another socket has".to_owned(),
        },
        Cause::Excluded(_) => ", which is excluded".to_owned(),
        Cause::Unknown => format!(" (status {:#010X})", bind.error),
    };
    let times = if bind.count == 1 { "once".to_owned() } else { format!("{} times", thousands(bind.count)) };
    format!("{who} can't have {what}{why}: {times} in 10 s")
}

fn cause_of<'a>(facts: &Facts<'a>, bind: &RefusedBind) -> Cause<'a> {
    let Some(local) = bind.local else { return Cause::Unknown };
    let id = space(facts, bind, local);
    let dynamic = facts.snapshot.spaces.iter().find(|space| space.id == id);
    let dynamic = dynamic.and_then(|space| space.dynamic.as_ref());
    let same = facts.snapshot.sockets.iter().filter(|socket| {
        let here = socket.protocol == bind.protocol && socket.local().port() == local.port();
        let overlap = socket.local().ip() == local.ip()
            || socket.local().ip().is_unspecified()
            || local.ip().is_unspecified();
        here && overlap
    });
    match same.max_by_key(|socket| matches!(socket.state, State::Listen | State::Udp)) {
        Some(socket) => Cause::Held(socket),
        None if dynamic.is_some_and(|dynamic| dynamic.reserved.contains(Port(local.port()))) => {
            Cause::Excluded(id)
        }
        None => Cause::Unknown,
    }
}

fn space(facts: &Facts, bind: &RefusedBind, local: SocketAddr) -> SpaceId {
    let family = Family::of(local.ip());
    SpaceId { namespace: facts.snapshot.namespace, family, protocol: bind.protocol }
}
