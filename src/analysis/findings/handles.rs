//! A process has many handles, or ever more of them: where sockets can't be seen, handles show a leak.

use super::facts::{Facts, growth, of_process, who};
use super::{Act, Finding, Link, Severity, Step, View};
use crate::analysis::Row;
use crate::text::{rate, span, thousands};

/// Processes that have many handles by nature (the guide names them, the last as `sqlsvr.exe`).
const EXCEPT: [&str; 4] = ["system", "lsass.exe", "store.exe", "sqlservr.exe"];

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    facts.processes().into_iter().filter_map(|row| finding(row, facts)).collect()
}

fn finding(row: &Row, facts: &Facts) -> Option<Finding> {
    let (owner, handles) = (*row.owners.first()?, row.handles?);
    if handles <= facts.thresholds.handles || EXCEPT.contains(&row.name.to_lowercase().as_str()) {
        return None;
    }
    let (sockets, many) = (row.counts.sockets(), handles > facts.thresholds.many_handles);
    let series = facts.series(&[Some(owner)], |sample| {
        sample.handles.map(|count| u32::try_from(count).unwrap_or(u32::MAX))
    });
    let grows = growth(&series, facts.thresholds.leak_span).filter(|growth| growth.per_second >= 1.0);
    let short = facts.is_short() || facts.failures.is_some_and(|failures| failures.recent > 0);
    let severity = match (short, many, &grows) {
        (true, true, _) | (_, _, Some(_)) => Severity::Warn,
        (true, false, None) | (false, true, None) => Severity::Note,
        (false, false, None) => return None,
    };
    let limit = if many { facts.thresholds.many_handles } else { facts.thresholds.handles };
    let change = grows.as_ref().map_or_else(String::new, |growth| {
        format!(", {} for {}", rate(growth.per_second), span(growth.span))
    });
    Some(Finding {
        id: "handles",
        severity,
        title: format!(
            "{} has {} handles (> {}){}{change}",
            who(row),
            thousands(handles),
            thousands(limit),
            sockets.map_or_else(String::new, |count| format!(", {} are sockets", thousands(count.into())))
        ),
        evidence: vec![
            match sockets {
                Some(count) => {
                    format!("{} handles, {} of them sockets", thousands(handles), thousands(count.into()))
                }
                None => format!("{} handles", thousands(handles)),
            },
            format!(
                "suspicious from {}, strong from {}",
                thousands(facts.thresholds.handles),
                thousands(facts.thresholds.many_handles)
            ),
        ],
        why: "Sockets are handles. A process with far more than others may leak them; by itself this proves \
              nothing about ports.",
        next: vec![
            Step::on_screen(Act::ListHandles, "see what its handles are"),
            Step::on_screen(Act::Kill, "end it: if connections work again, it was the cause"),
        ],
        link: Link::filtered(View::Processes, of_process(row)),
        owner: Some(owner),
    })
}
