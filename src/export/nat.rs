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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::analysis::tests_support::{snapshot, tcp};
    use crate::analysis::{Analysis, Filter, GroupBy, Thresholds};
    use crate::export::{Excerpt, Order, table};
    use crate::model::{NatDestinationId, NatRange, Port, PortRange, Protocol, State};

    /// A destination toward which a gateway uses 51 of 100 ports.
    pub fn translating() -> Nat {
        let (public, remote) = ("203.0.113.1".parse().unwrap(), "203.0.113.9:80".parse().unwrap());
        let toward = NatDestination {
            id: NatDestinationId { protocol: Protocol::Tcp, public, remote },
            range: NatRange::Rule(PortRange::new(Port(10_000), Port(10_099)).unwrap()),
            used: 51,
            waiting: 20,
            opening: 1,
            inside: vec![("192.168.7.2".parse().unwrap(), 51)],
        };
        Nat { translated: 51, toward: vec![toward] }
    }

    #[test]
    fn nat_is_written_in_numbers() {
        let away = |port| tcp(State::Established, &format!("10.0.0.1:{port}"), Some("203.0.113.9:80"), None);
        let mut machine = snapshot((10_000..10_006).map(away).collect());
        machine.limits.nat = Some(translating());
        let thresholds = Thresholds { snat_budget: Some(8), ..Thresholds::default() };
        let picture = Analysis::new(thresholds).observe(machine, GroupBy::Process);
        let json = nat(picture.snapshot.limits.nat.as_ref());
        let toward = &json["destinations"][0];
        let numbers =
            ["capacity", "used", "time_wait", "unanswered", "share"].map(|name| toward[name].clone());
        assert_eq!(numbers, [json!(100), json!(51), json!(20), json!(1), json!(0.51)]);
        assert_eq!(toward["inside"][0], serde_json::json!({ "address": "192.168.7.2", "connections": 51 }));
        let json = budget(picture.budget.as_ref());
        let most = &json["destinations"][0];
        assert_eq!((&json["budget"], &most["used"], &most["share"]), (&8.into(), &6.into(), &0.75.into()));
        let excerpt = Excerpt::of(&picture, &Filter::default(), Order::default(), None);
        let mut out = Vec::new();
        table::write(&excerpt, false, None, &mut out).unwrap();
        let printed = String::from_utf8(out).unwrap();
        assert!(printed.contains("TCP 203.0.113.9:80      8    6 75"), "{printed}");
        assert_eq!((nat(None), budget(None)), (Value::Null, Value::Null));
    }
}
