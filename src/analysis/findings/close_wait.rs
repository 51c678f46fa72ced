//! A program does not close connections that its peers have closed.

use super::facts::{Facts, growth, of_process, who};
use super::{Act, Finding, Link, Severity, Step, View};
use crate::analysis::Row;
use crate::model::State;
use crate::text::{rate, safe, span, thousands};

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    facts.processes().into_iter().filter_map(|row| finding(row, facts)).collect()
}

fn finding(row: &Row, facts: &Facts) -> Option<Finding> {
    let (owner, waiting) = (*row.owners.first()?, row.counts.seen(State::CloseWait));
    if waiting < facts.thresholds.close_wait {
        return None;
    }
    let series = facts.series(&[Some(owner)], |sample| sample.counts.of(State::CloseWait));
    let grows = growth(&series, facts.thresholds.leak_span);
    if grows.is_none() && waiting < facts.thresholds.many_close_waits {
        return None;
    }
    let change = grows.as_ref().map_or_else(String::new, |growth| {
        format!(", {} for {}", rate(growth.per_second), span(growth.span))
    });
    let mut evidence = vec![format!(
        "{} CLOSE_WAIT of {} sockets",
        thousands(waiting.into()),
        thousands(row.counts.seen_sockets().into())
    )];
    evidence.extend(row.handles.map(|handles| format!("{} handles open", thousands(handles))));
    Some(Finding {
        id: "close_wait_leak",
        severity: if grows.is_some() { Severity::Warn } else { Severity::Note },
        title: format!("{} does not close: {} CLOSE_WAIT{change}", who(row), thousands(waiting.into())),
        evidence,
        why: "The peers have closed these connections and the program has not. That is no port exhaustion \
              by itself; each holds a handle, and a port when it led outward.",
        next: vec![
            Step::Do(format!("have {} fixed: it must close when its peer has", safe(&row.name))),
            Step::on_screen(Act::Kill, "end or restart it, when handles or ports run short"),
            Step::run(
                format!("porttop snapshot --sockets --format json --filter '{}'", of_process(row)),
                "the record for its vendor",
            ),
        ],
        link: Link::filtered(View::Sockets, format!("{} state:close_wait", of_process(row))),
        owner: Some(owner),
    })
}
