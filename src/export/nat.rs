//! NAT on this machine and in front of it, as an export has it.

use serde_json::{Value, json};

use crate::analysis::Budget;
use crate::model::{Nat, NatDestination};

/// How many destinations are written of a budget.
const MOST: usize = 64;

/// What this machine translates; null where it translates nothing that is seen.
pub(super) fn nat(nat: Option<&Nat>) -> Value {
    let Some(nat) = nat else { return Value::Null };
    let toward: Vec<_> = nat.toward.iter().map(destination).collect();
    json!({ "translated": nat.translated, "destinations": toward })
}

fn destination(one: &NatDestination) -> Value {
    let (id, ports) = (one.id, one.range.ports());
    let inside: Vec<_> =
        one.inside.iter().map(|(ip, count)| json!({ "address": ip, "connections": count })).collect();
    json!({
        "protocol": id.protocol, "public_address": id.public,
        "remote_address": id.remote.ip(), "remote_port": id.remote.port(),
        "start": ports.start(), "end": ports.end(), "range_from": one.range.key(),
        "capacity": one.capacity(), "used": one.used, "share": one.share(),
        "time_wait": one.waiting, "unanswered": one.opening,
        "inside": inside,
    })
}

/// What is used of a NAT's budget; null without one.
pub(super) fn budget(budget: Option<&Budget>) -> Value {
    let Some(budget) = budget else { return Value::Null };
    let toward: Vec<_> = budget
        .fullest(MOST)
        .into_iter()
        .map(|one| {
            json!({
                "protocol": one.protocol,
                "remote_address": one.remote.ip(), "remote_port": one.remote.port(),
                "used": one.used, "time_wait": one.waiting, "share": budget.share(one),
            })
        })
        .collect();
    json!({ "budget": budget.most, "destinations": toward })
}
