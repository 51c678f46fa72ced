//! The budget of a NAT in front of this machine, which a person has told, is used up toward a destination.

use super::facts::{Facts, of, used};
use super::{Act, Finding, Link, Severity, Step, View};
use crate::analysis::budget::{Budget, BudgetUse};

/// How many of the fullest are looked at, and how many are named.
const LOOKED_AT: usize = 64;
const NAMED: usize = 3;

/// How a NAT counts otherwise than this machine.
const TIMERS: &str = "counted here in any state, TIME_WAIT included; a NAT has timers of its own: it may free a \
                      port sooner or later, and it keeps one for what the other end closed";

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let Some(budget) = facts.budget else { return Vec::new() };
    let judged = budget.fullest(LOOKED_AT).into_iter().map(|one| {
        let severity = facts.thresholds.judge(budget.share(one));
        // What stays in a private network is seldom translated.
        (if one.is_private() { severity.min(Severity::Note) } else { severity }, one)
    });
    let mut found: Vec<_> = judged.filter(|(severity, _)| *severity > Severity::Ok).collect();
    found.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
    found.into_iter().take(NAMED).map(|(severity, one)| finding(severity, budget, one)).collect()
}

fn finding(severity: Severity, budget: &Budget, one: &BudgetUse) -> Finding {
    let remote = one.remote;
    let mut evidence = vec![format!("{} in TIME_WAIT", of(one.waiting, one.used)), TIMERS.to_owned()];
    if one.is_private() {
        evidence.push(format!(
            "{} is a private address: most NATs do not translate what leads there",
            remote.ip()
        ));
    }
    Finding {
        id: "snat_budget",
        severity,
        title: format!(
            "NAT budget toward {remote} ({}) {}",
            one.protocol.title(),
            used(budget.share(one), one.used, budget.most)
        ),
        evidence,
        why: "A NAT can give a port to one connection toward each destination, so the budget holds for each remote \
              address and port. Beyond it the NAT drops new connections: they time out in SYN_SENT.",
        next: vec![
            Step::on_screen(
                Act::Show(View::Destinations),
                "see who connects there: keep-alive and pools need fewer",
            ),
            Step::Do(
                "more ports or public addresses at the NAT, or more addresses of the destination, raise it"
                    .into(),
            ),
        ],
        link: Link::filtered(View::Destinations, format!("remote:{} rport:{}", remote.ip(), remote.port())),
        owner: None,
    }
}
