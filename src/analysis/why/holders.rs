//! Which sockets have the port, and whether they are in the way.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use foldhash::fast::RandomState;
use jiff::Timestamp;

use super::{Case, Cause, Effect, Held, Reason, Relation, Since, Toward, Use};
use crate::analysis::reuse::Reuse;
use crate::model::{Family, NamespaceId, Owner, Socket, State};

/// How many groups of sockets are listed; the others are counted.
const MOST: usize = 12;

type Key = (Effect, Relation, Use, Option<Toward>, NamespaceId, SocketAddr, Option<Owner>);

/// The sockets on the port, grouped: those in the way first, listeners before connections, many before few.
pub(super) fn reasons(case: &Case<'_>) -> Vec<Reason> {
    let mut groups: HashMap<Key, Held, RandomState> = HashMap::default();
    for socket in here(case).chain(there(case)) {
        let Some(relation) = relation(case, socket) else { continue };
        let toward = toward(case, socket);
        let mut by = Use::of(socket.state);
        let reuse = (toward == Some(Toward::This) && by == Use::Waits).then(|| reusable(case, socket));
        if reuse == Some(Some(true)) {
            by = Use::WaitsReusable;
        }
        let effect = match reuse {
            _ if socket.namespace != case.snapshot.namespace => Effect::Aside,
            Some(Some(true)) => Effect::Aside,
            Some(None) => Effect::MayTake,
            _ => effect(case, socket, relation, by, toward),
        };
        let owner = socket.holders.counted();
        let key = (effect, relation, by, toward, socket.namespace, socket.local(), owner);
        let held = groups.entry(key).or_insert_with(|| held(case, socket, by, relation, toward));
        held.sockets += 1;
        held.left = held.left.max(socket.expires());
        held.others = held.others.max(socket.holders.all().len().saturating_sub(1));
    }
    let mut groups: Vec<(Key, Held)> = groups.into_iter().collect();
    groups.sort_unstable_by(|(a, one), (b, other)| {
        let rank = |key: &Key, held: &Held| (key.0, key.2, u32::MAX - held.sockets, key.1);
        rank(a, one).cmp(&rank(b, other)).then_with(|| a.cmp(b))
    });
    let more = groups.len().saturating_sub(MOST);
    // Those that are not listed are the least in the way; what the last of them does, none does more.
    let rest = groups.get(MOST).map(|(key, _)| Reason { cause: Cause::More(more), effect: key.0 });
    groups.truncate(MOST);
    let listed = groups.into_iter().map(|(key, held)| Reason { cause: Cause::Held(held), effect: key.0 });
    listed.chain(rest).collect()
}

/// Whether only sockets have it that do not listen, as those do that were given it by the system.
pub(super) fn is_handed_out(case: &Case<'_>) -> bool {
    let mut on_port = here(case).filter(|socket| relation(case, socket) == Some(Relation::Same)).peekable();
    on_port.peek().is_some() && on_port.all(|socket| socket.state != State::Listen)
}

/// Whether sockets have the port that a connection to the destination may share it with, and `bind()` may not.
pub(super) fn may_be_shared(reasons: &[Reason]) -> bool {
    reasons.iter().any(|reason| match &reason.cause {
        Cause::Held(held) if held.relation == Relation::Same && held.namespace.is_none() => {
            held.toward.is_some() && reason.effect != Effect::Takes
        }
        _ => false,
    })
}

fn here<'a>(case: &'a Case<'_>) -> impl Iterator<Item = &'a Socket> {
    let (port, protocol) = (case.port(), case.place.protocol);
    let sockets = case.snapshot.sockets.iter();
    sockets.filter(move |socket| socket.local_port() == port && socket.protocol == protocol)
}

fn there<'a>(case: &'a Case<'_>) -> impl Iterator<Item = &'a Socket> {
    let protocol = case.place.protocol;
    case.tried.elsewhere.iter().filter(move |socket| socket.protocol == protocol)
}

/// None where they have nothing to do with each other.
fn relation(case: &Case<'_>, socket: &Socket) -> Option<Relation> {
    let (wanted, has) = (case.place.local, socket.local());
    if Family::of(wanted.ip()) == Family::of(has.ip()) {
        let overlap = wanted.ip().is_unspecified() || has.ip().is_unspecified() || same_address(wanted, has);
        return Some(if overlap { Relation::Same } else { Relation::OtherAddress });
    }
    match (wanted.ip(), has.ip()) {
        (IpAddr::V4(_), IpAddr::V6(ip)) if ip.is_unspecified() => Some(Relation::DualStack),
        // Both families are asked about unless one is named.
        (IpAddr::V6(ip), IpAddr::V4(_)) if ip.is_unspecified() && case.question.local().is_some() => {
            Some(Relation::OtherFamily)
        }
        _ => None,
    }
}

/// Two link-local addresses are the same only on one interface.
fn same_address(one: SocketAddr, other: SocketAddr) -> bool {
    let apart = match (one, other) {
        (SocketAddr::V6(one), SocketAddr::V6(other)) => {
            let scopes = [one.scope_id(), other.scope_id()];
            scopes[0] != scopes[1] && !scopes.contains(&0)
        }
        _ => false,
    };
    one.ip() == other.ip() && !apart
}

fn toward(case: &Case<'_>, socket: &Socket) -> Option<Toward> {
    let (wanted, remote) = case.remote().zip(socket.remote())?;
    Some(if same_address(wanted, remote) && wanted.port() == remote.port() {
        Toward::This
    } else {
        Toward::Others
    })
}

fn effect(case: &Case<'_>, socket: &Socket, relation: Relation, by: Use, toward: Option<Toward>) -> Effect {
    match relation {
        Relation::OtherAddress | Relation::OtherFamily => Effect::Aside,
        Relation::DualStack if by == Use::Connected => Effect::Aside,
        Relation::DualStack => Effect::MayTake,
        Relation::Same if toward == Some(Toward::Others) => Effect::Aside,
        Relation::Same if case.is_windows() => on_windows(case, socket, by),
        Relation::Same => Effect::Takes,
    }
}

/// Windows: where the one that stands is on every address and the other on a single one, that can be beside it
/// unless the first is exclusive ("Using `SO_REUSEADDR` and `SO_EXCLUSIVEADDRUSE`", Microsoft). Of connections
/// only those of a listener that was exclusive are in the way.
fn on_windows(case: &Case<'_>, socket: &Socket, by: Use) -> Effect {
    let beside = socket.local().ip().is_unspecified() && !case.place.local.ip().is_unspecified();
    match by {
        Use::Connected | Use::Waits | Use::WaitsReusable => Effect::MayTake,
        _ if beside => Effect::MayTake,
        _ => Effect::Takes,
    }
}

/// Whether `connect()` may take the port of a TIME_WAIT; none where the setting is not known.
fn reusable(case: &Case<'_>, socket: &Socket) -> Option<bool> {
    let limits = &case.snapshot.limits;
    limits.time_wait_reuse?;
    Some(Reuse::of(limits).is_some_and(|reuse| reuse.gives_way(socket)))
}

fn held(case: &Case<'_>, socket: &Socket, by: Use, relation: Relation, toward: Option<Toward>) -> Held {
    let owner = socket.holders.counted();
    let process = owner.and_then(|owner| case.snapshot.processes.get(&owner));
    let created = socket.created().and_then(at);
    let since = created.map(Since::Socket).or_else(|| Some(Since::Process(process?.started?)));
    Held {
        by,
        relation,
        toward,
        namespace: Some(socket.namespace).filter(|there| *there != case.snapshot.namespace),
        local: socket.local(),
        remote: socket.remote(),
        sockets: 0,
        owner,
        others: 0,
        attribution: socket.attribution,
        since,
        left: None,
    }
}

/// A moment in tenths of a microsecond since 1970.
fn at(tenths: i64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(tenths) * 100).ok()
}
