//! Many connections get no answer while there are ports: it is not this machine.

use std::time::Duration;

use super::facts::{Facts, used, who};
use super::{Act, Finding, Link, Severity, Step, View, nat_full};
use crate::analysis::stuck::{Stuck, UNANSWERED};
use crate::model::{Protocol, State};
use crate::text::{seconds, span, thousands};

/// How long there must have been many: a burst, and a server that starts again, is over sooner.
const LASTS: Duration = Duration::from_secs(8);

/// How many destinations are named.
const NAMED: usize = 3;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let tracked = facts.snapshot.limits.tracked;
    // Its own tables drop the SYN: that has its own rule.
    if tracked.is_some_and(|level| facts.thresholds.judge(level.share()) > Severity::Ok) {
        return Vec::new();
    }
    let now = facts.snapshot.taken.elapsed;
    let lasting = facts.stuck.iter().filter(|stuck| now.saturating_sub(stuck.since) >= LASTS);
    lasting.filter_map(|stuck| finding(stuck, facts)).take(NAMED).collect()
}

fn finding(stuck: &Stuck, facts: &Facts) -> Option<Finding> {
    let Stuck { remote, unanswered, longest, since, connected, open } = *stuck;
    let is_own_nat = nat_full::short(facts, Severity::Warn).any(|toward| toward.id.remote == remote);
    let mut toward = facts.toward(crate::model::Share::default());
    toward
        .retain(|toward| (toward.destination.protocol, toward.destination.remote) == (Protocol::Tcp, remote));
    // Of these ports none may be short, or that is why.
    let local = toward.first().filter(|toward| toward.share < facts.thresholds.warn)?;
    if is_own_nat {
        return None;
    }
    let many = thousands(unanswered.into());
    let waits =
        format!("{many} connections toward {remote} get no answer, the longest for {}", span(longest));
    let lasts = span(facts.snapshot.taken.elapsed.saturating_sub(since));
    let mut evidence = vec![
        format!("{many} in SYN_SENT for {} s or longer; so many for {lasts}", seconds(UNANSWERED)),
        format!(
            "{} seen to connect there in that time, {} open now",
            thousands(connected.into()),
            thousands(open.into())
        ),
        format!("ports here toward it: {}", used(local.share, local.taken, local.capacity)),
    ];
    evidence.extend(most(stuck, facts));
    let link = Link::filtered(
        View::Sockets,
        format!("remote:{} rport:{} state:syn_sent", remote.ip(), remote.port()),
    );
    let others = match (connected, open) {
        (0, 0) => {
            evidence.push("inferred from these numbers: nothing that answers was seen there".into());
            return Some(Finding {
                id: "no_answer",
                severity: Severity::Note,
                title: format!("{waits}, and none is open: a filter, or a server that is down"),
                evidence,
                why: "A connection that gets no answer has its port already: no port is short here. Where nobody \
                      gets an answer the destination is down, or something in between drops what leads there; a \
                      NAT whose ports others have used up looks the same.",
                next: vec![
                    Step::Do("see whether the server is up and its address is the right one".into()),
                    Step::on_screen(Act::Show(View::Destinations), "see who connects there"),
                ],
                link,
                owner: None,
            });
        }
        (0, open) => format!("{} others are open", thousands(open.into())),
        (connected, _) => format!("{} others connected", thousands(connected.into())),
    };
    let budget = "start porttop with --snat-budget N: it shows the use of what the NAT gives";
    evidence.push("inferred from these numbers: what drops the SYN can't be seen from here".into());
    if connected == 0 {
        evidence.push("what is open proves no answer now: a server that is gone looks the same".into());
    }
    Some(Finding {
        id: "syn_sent_stuck",
        severity: Severity::Warn,
        title: format!("{waits}, while {others}: suspect NAT or a filter, not this machine's ports"),
        evidence,
        why: "A connection that gets no answer has its port already: no port is short here. A NAT in between that \
              is out of ports toward this destination drops the SYN without a word; so does a filter that limits \
              connections, and a server whose listen queue is full.",
        next: vec![
            Step::Do(format!(
                "ask the NAT how many ports it has given toward {remote} (on a Linux gateway: run porttop there)"
            )),
            Step::Do(
                "on the server: `nstat -az TcpExtListenOverflows` rises where its listen queue is full"
                    .into(),
            ),
            Step::on_screen(Act::Show(View::Destinations), "see who connects there: keep-alive needs fewer"),
        ]
        .into_iter()
        .chain(facts.budget.is_none().then(|| Step::Do(budget.into())))
        .collect(),
        link,
        owner: None,
    })
}

/// `client (4312) has 58 in SYN_SENT there`
fn most(stuck: &Stuck, facts: &Facts) -> Option<String> {
    let mut counts = vec![0u64; facts.rows.len()];
    for (socket, row) in facts.snapshot.sockets.iter().zip(facts.row_of) {
        if socket.state == State::SynSent && socket.remote() == Some(stuck.remote) {
            counts[*row as usize] += 1;
        }
    }
    let (row, count) = facts.rows.iter().zip(counts).max_by_key(|(_, count)| *count)?;
    (count > 0).then(|| format!("{} has {} in SYN_SENT there", who(row), thousands(count)))
}
