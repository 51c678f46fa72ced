//! What would become of the ports if something were changed, in words and as JSON.

use serde_json::{Value, json};

use crate::analysis::what_if::{Change, Demand, Outlook, Place, WhatIf};
use crate::text::{per_second, seconds, thousands};

/// What is asked for and what becomes of it, then every change.
#[must_use]
pub fn lines(all: &WhatIf) -> Vec<String> {
    let demand = &all.demand;
    let changes: Vec<_> = all.changes.iter().map(change).collect();
    let now = format!("{}: {}{}.", asked(demand), all.now, most(demand));
    let changes = (!changes.is_empty()).then(|| format!("What if: {}.", changes.join("; ")));
    [now].into_iter().chain(changes).collect()
}

/// `At 45/s toward 10.0.0.9:5432`
fn asked(demand: &Demand) -> String {
    let place = match demand.place {
        Place::Toward(id) => format!("toward {}", id.remote),
        Place::Space(id) => format!("in {id}"),
    };
    let more = if demand.at_least { " or more" } else { "" };
    let mut rates = Vec::new();
    if demand.per_second > 0.0 {
        rates.push(format!("{}/s{more}", per_second(demand.per_second)));
    }
    if demand.grows > 0.0 {
        let growth = per_second(demand.grows);
        rates.push(format!("{growth}/s that {} kept", if growth == "1" { "is" } else { "are" }));
    }
    format!("At {} {place}", rates.join(" and "))
}

/// How many a second the ports are enough for, where connections come and go.
fn most(demand: &Demand) -> String {
    if demand.per_second <= 0.0 {
        return String::new();
    }
    let most = per_second(demand.most_per_second(demand.keeps, demand.capacity));
    let ports = thousands(demand.capacity.saturating_sub(demand.held).into());
    format!(" (no more than {most}/s: {ports} ports ÷ {} s)", seconds(demand.keeps))
}

fn change((change, outlook): &(Change, Outlook)) -> String {
    let twice = if *change == Change::SecondAddress { "×2, " } else { "" };
    format!("{change}: {twice}{outlook}")
}

/// The same as JSON; null where nothing is known.
#[must_use]
pub fn record(all: Option<&WhatIf>) -> Value {
    let Some(WhatIf { demand, now, changes }) = all else { return Value::Null };
    let (toward, local) = match demand.place {
        Place::Toward(id) => (Some(id.remote), Some(id.local)),
        Place::Space(_) => (None, None),
    };
    let space = demand.place.space();
    let changes: Vec<_> = changes
        .iter()
        .map(|(change, becomes)| {
            let mut record = outlook(*becomes);
            record["change"] = change.to_string().into();
            record["command"] = change.command().into();
            record
        })
        .collect();
    json!({
        "family": space.family, "protocol": space.protocol,
        "remote": toward, "local_address": local,
        "per_second": demand.per_second, "at_least": demand.at_least, "grows_per_second": demand.grows,
        "held": demand.held, "time_wait_taken": demand.waiting, "capacity": demand.capacity,
        "time_wait_seconds": demand.keeps.as_secs_f64(),
        "most_per_second": demand.most_per_second(demand.keeps, demand.capacity),
        "now": outlook(*now),
        "changes": changes,
    })
}

fn outlook(outlook: Outlook) -> Value {
    let (kind, share, seconds, most) = match outlook {
        Outlook::Fits(share) => ("fits", share.number(), None, None),
        Outlook::UpTo(most) => ("up_to", None, None, Some(most)),
        Outlook::FullIn(time) => ("full_in", None, Some(time.as_secs_f64()), None),
        Outlook::NeverFits => ("never_fits", None, None, None),
    };
    json!({ "outcome": kind, "share": share, "seconds": seconds, "most_per_second": most })
}
