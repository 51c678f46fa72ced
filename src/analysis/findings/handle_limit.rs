//! A process, or the whole system, is about to have no descriptor left.

use super::facts::{Facts, filled, of_process, who};
use super::{Finding, Link, Severity, Step, View};
use crate::analysis::Row;
use crate::model::{Level, Share};
use crate::text::{safe, thousands};

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let mut of_rows: Vec<_> =
        facts.processes().into_iter().filter_map(|row| of_process_limit(row, facts)).collect();
    of_rows.sort_by_key(|(share, _)| std::cmp::Reverse(share.whole_percent().unwrap_or(u32::MAX)));
    of_rows.into_iter().map(|(_, finding)| finding).chain(of_system(facts)).collect()
}

/// The finding with the share of the limit.
fn of_process_limit(row: &Row, facts: &Facts) -> Option<(Share, Finding)> {
    let owner = *row.owners.first()?;
    let level = Level { used: row.handles?, most: *facts.snapshot.limits.handles.get(&owner)? };
    let finding = finding(&who(row), level, facts)?;
    let finding = Finding {
        next: vec![
            Step::run(
                format!("prlimit --pid {} --nofile=65536", owner.pid),
                "raises its limit while it runs",
            ),
            Step::Do(format!("have {} fixed when most of them are sockets it does not use", safe(&row.name))),
        ],
        link: Link::filtered(View::Processes, of_process(row)),
        owner: Some(owner),
        ..finding
    };
    Some((level.share(), finding))
}

fn of_system(facts: &Facts) -> Option<Finding> {
    finding("the system", facts.snapshot.limits.open_files?, facts)
}

fn finding(subject: &str, level: Level, facts: &Facts) -> Option<Finding> {
    let severity = facts.thresholds.judge(level.share());
    (severity > Severity::Ok).then(|| Finding {
        id: "handle_limit",
        severity,
        title: format!("{subject} has {}", filled(level, "open files")),
        evidence: vec![format!("{} more can be opened", thousands(level.most.saturating_sub(level.used)))],
        why: "At the limit socket() and accept() fail with \"too many open files\". That is not exhaustion of \
              ports, and a wider range does not help.",
        next: vec![Step::run("sysctl fs.file-max", "shows the limit of the system")],
        link: Link::to(View::Processes),
        owner: None,
    })
}
