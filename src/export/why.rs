//! Why a port can't be had, in sentences and as JSON (`porttop.why/1`).

use std::io::{self, Write};

use serde_json::{Value, json};

use super::document;
use super::gap::GapRecord;
use crate::analysis::why::{
    Answer, Cause, Doubt, Effect, Held, Question, Reason, Refusal, Refused, Relation, Since, Toward, Tried,
    Use, Verdict,
};
use crate::model::{Attribution, Gap, Missing, NamespaceId, Observed, Owner, PortRange, System};
use crate::text::{age, safe, span, thousands};

/// What a question was answered with, and what that was made from.
pub struct Answered<'a> {
    /// The question.
    pub question: &'a Question,
    /// What was seen.
    pub snapshot: &'a Observed,
    /// What was tried.
    pub tried: &'a Tried,
    /// What it comes to at each place.
    pub answers: &'a [Answer],
}

/// A line of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whether it belongs to the one above.
    pub below: bool,
    /// What it says; safe to print.
    pub text: String,
}

impl Line {
    fn head(text: String) -> Self {
        Self { below: false, text }
    }

    fn below(text: String) -> Self {
        Self { below: true, text }
    }
}

/// The answer in lines.
#[must_use]
pub fn lines(answered: &Answered<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for answer in answered.answers {
        lines.push(Line::head(headline(answered, answer)));
        for reason in &answer.reasons {
            let line = Line::below(answered.line(answer, reason));
            // What is the same for several port spaces and not in the way is said once.
            if reason.effect != Effect::Aside || !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines.extend(doubt(answered, answer).map(Line::below));
    }
    let gaps = answered.gaps().map(|gap| {
        let remedy = gap.remedy.map_or_else(String::new, |remedy| format!("; {remedy}"));
        Line::head(format!("not read: {}{remedy}", safe(&gap.to_string())))
    });
    lines.extend(gaps);
    lines
}

/// Writes the answer for a person.
///
/// # Errors
/// When `out` can't be written.
pub fn write(answered: &Answered<'_>, out: &mut impl Write) -> io::Result<()> {
    lines(answered).iter().try_for_each(|line| {
        let indent = if line.below { "  " } else { "" };
        writeln!(out, "{indent}{}", line.text)
    })
}

/// The same as JSON.
///
/// # Errors
/// When `out` can't be written.
pub fn write_json(answered: &Answered<'_>, out: &mut impl Write) -> io::Result<()> {
    let Answered { question, snapshot, answers, .. } = answered;
    let gaps: Vec<_> = answered.gaps().map(GapRecord::of).collect();
    let places: Vec<_> = answers.iter().map(|answer| answered.place_json(answer)).collect();
    document::write(
        out,
        &json!({
            "schema": "porttop.why/1",
            "time": snapshot.taken.wall,
            "namespace": snapshot.namespace.number(),
            "port": question.port(),
            "address": question.local().map(|local| local.ip()),
            "remote": question.remote(),
            "answer": Verdict::of_all(answers).key(),
            "places": places,
            "degradations": gaps,
        }),
    )
}

/// `TCP IPv4 127.0.0.1:8080: taken, bind() was refused: Address already in use (os error 98)`
fn headline(answered: &Answered<'_>, answer: &Answer) -> String {
    let space = answer.place.space(NamespaceId::ONLY);
    let toward = answered.question.remote().map_or_else(String::new, |remote| format!(" to {remote}"));
    let verdict = match answer.verdict {
        Verdict::Free if answer.trial.as_ref().is_some_and(|trial| trial.plain.is_err()) => {
            "free for connect()"
        }
        Verdict::Free => "free",
        Verdict::Taken => "taken",
        Verdict::Unknown => "it can't be told",
        Verdict::Absent => "this machine has no such address family",
    };
    format!("{space} {}{toward}: {verdict}{}", answer.place.local, outcome(answer))
}

/// What the `bind()` gave, if there was one.
fn outcome(answer: &Answer) -> String {
    match answer.trial.as_ref().map(|trial| &trial.plain) {
        Some(Ok(())) => ", bind() succeeded".to_owned(),
        Some(Err(refused)) if refused.why != Refusal::Untried => {
            format!(", bind() was refused: {}", safe(&refused.said))
        }
        _ => String::new(),
    }
}

fn doubt(answered: &Answered<'_>, answer: &Answer) -> Option<String> {
    let refused = answer.trial.as_ref().and_then(|trial| trial.plain.as_ref().err());
    Some(match answer.doubt? {
        Doubt::Untried => match refused {
            Some(Refused { said, .. }) => format!("bind() could not be tried: {}", safe(said)),
            None => "bind() was not tried".to_owned(),
        },
        Doubt::Unread if refused.is_some() => {
            "not all sockets could be read: one of them may have it for every destination".to_owned()
        }
        Doubt::Unread => "the sockets could not be read: who else has the port is not known".to_owned(),
        Doubt::Contradicted => {
            "that contradicts what was seen: it has just gone or come; ask again".to_owned()
        }
        Doubt::Unexplained => {
            let no_right = refused.is_some_and(|refused| refused.why == Refusal::NoRight);
            let guess = match (no_right, answered.snapshot.host.system) {
                (true, System::Windows) => {
                    "a driver, or a socket that no table lists, may have it exclusively, or a block of WinNAT or \
                     Hyper-V is new"
                }
                (true, _) => "a security policy may forbid it",
                (false, _) => "whoever had it may have given it back meanwhile, or is not listed",
            };
            format!("nothing that was seen explains it: {guess}")
        }
    })
}

impl Answered<'_> {
    /// What of the ports, and of who has them, could not be read.
    fn gaps(&self) -> impl Iterator<Item = &Gap> {
        let matters = |gap: &&Gap| {
            let who = matches!(
                gap.subject,
                Missing::Owners(_) | Missing::Unlisted(_) | Missing::Processes | Missing::ProcessNumbers
            );
            who || gap.subject.is_of_ports()
        };
        self.snapshot.gaps.iter().filter(matters).chain(&self.tried.gaps)
    }

    fn line(&self, answer: &Answer, reason: &Reason) -> String {
        let sentence = self.sentence(answer, reason);
        match reason.effect {
            Effect::Takes => sentence,
            Effect::MayTake => format!("perhaps: {sentence}"),
            Effect::Aside => format!("note: {sentence}"),
        }
    }

    fn sentence(&self, answer: &Answer, reason: &Reason) -> String {
        match &reason.cause {
            Cause::Held(held) => self.held(held),
            Cause::More(1) => "so has 1 more".to_owned(),
            Cause::More(more) => format!("so have {} more", thousands(*more as u64)),
            Cause::NoAddress => format!("this machine has no address {}", answer.place.local.ip()),
            Cause::Privileged(start) => format!(
                "it is below {start}: only root and programs with CAP_NET_BIND_SERVICE may have it \
                 (net.ipv4.ip_unprivileged_port_start)"
            ),
            Cause::Excluded { block, administered } => excluded(answer, *block, *administered),
            Cause::Reserved => {
                "it is reserved (net.ipv4.ip_local_reserved_ports): the system hands it to nobody, \
                                and who asks for it by its number can have it"
                    .to_owned()
            }
            Cause::Dynamic { range, handed_out, reserve } => {
                let handed = if *handed_out {
                    "seems to have handed it out just now"
                } else {
                    "may hand it out at any moment"
                };
                let reserve = reserve
                    .as_ref()
                    .map_or_else(String::new, |command| format!("; to reserve it: {command}"));
                format!(
                    "it is inside the dynamic range {range} and not reserved: the system {handed}{reserve}"
                )
            }
            Cause::OnlyOn(addresses) => {
                let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                format!("only on {}: on any other address nothing is in the way", addresses.join(", "))
            }
            Cause::Reusable => "a program that sets SO_REUSEADDR can have it now".to_owned(),
            Cause::Exclusive => {
                "it is held with SO_EXCLUSIVEADDRUSE, or not shared with whoever sets that".to_owned()
            }
        }
    }

    /// `nginx (77) listens on 0.0.0.0:80; the process started 3 h ago`
    fn held(&self, held: &Held) -> String {
        let (who, local) = (self.who(held), held.local);
        let to = held.remote.map_or_else(String::new, |remote| {
            format!("{} to {remote}", if held.sockets > 1 { ", one of them" } else { "" })
        });
        let many = |one: &str, more: &str| match held.sockets {
            1 => format!("a {one}"),
            count => format!("{} {more}", thousands(count.into())),
        };
        let mut text = match held.by {
            Use::Listens => format!("{who} listens on {local}"),
            Use::Bound => format!(
                "{who} has {} BOUND to {local}, not listening or connected",
                many("socket", "sockets")
            ),
            Use::Udp => format!("{who} has {} on {local}{to}", many("UDP socket", "UDP sockets")),
            Use::Connected => format!("{who} has {} from {local}{to}", many("connection", "connections")),
            Use::Waits | Use::WaitsReusable => {
                let ends = if held.sockets == 1 { "it ends" } else { "the last ends" };
                let left = held.left.map_or_else(String::new, |left| format!("; {ends} in {}", span(left)));
                format!("{who} left {} from {local}{to}{left}", many("TIME_WAIT", "TIME_WAITs"))
            }
        };
        if let Some(since) = self.since(held) {
            text.push_str(&since);
        }
        text.push_str(match held.relation {
            Relation::Same => "",
            Relation::DualStack => "; [::] takes IPv4 too unless it is set to IPv6 only",
            Relation::OtherAddress => "; another address: in the way only of who wants every address",
            Relation::OtherFamily => "; IPv4: in the way only of a socket that takes IPv4 too",
        });
        let all = self.question.remote().is_some() && matches!(held.by, Use::Listens | Use::Bound | Use::Udp);
        text.push_str(match (held.toward, held.by) {
            (Some(Toward::This), Use::WaitsReusable) => "; connect() may take it again now (tcp_tw_reuse)",
            (Some(Toward::This), _) => "; that takes the port toward this destination only",
            (Some(Toward::Others), _) => {
                "; toward another destination: connect() can share the port unless either end was bound without \
                 SO_REUSEADDR"
            }
            (None, _) if all && held.relation == Relation::Same => "; that takes the port for every destination",
            (None, _) => "",
        });
        if let Some(namespace) = held.namespace {
            text = format!("in another network namespace, {namespace}, which has ports of its own: {text}");
        }
        text
    }

    fn since(&self, held: &Held) -> Option<String> {
        let now = self.snapshot.taken.wall;
        let since = |at| std::time::Duration::try_from(now.duration_since(at)).ok().map(age);
        match held.since? {
            Since::Socket(at) => since(at).map(|age| format!("; for {age}")),
            Since::Process(at) => since(at).map(|age| format!("; the process started {age} ago")),
        }
    }

    /// `nginx (77) and 4 others`, `client (99, inferred)`, `a process that is not known`
    fn who(&self, held: &Held) -> String {
        let Some(owner) = held.owner else { return "a process that is not known".to_owned() };
        let how = match held.attribution {
            Attribution::Exact | Attribution::Unknown => String::new(),
            how => format!(", {}", how.name()),
        };
        let others = match held.others {
            0 => String::new(),
            1 => " and 1 other".to_owned(),
            others => format!(" and {} others", thousands(others as u64)),
        };
        let ended = if self.snapshot.ended.contains(&owner) { ", ended" } else { "" };
        match self.name(owner) {
            Some(name) => format!("{} ({}{how}{ended}){others}", safe(name), owner.pid),
            None => format!("pid {}{how}{ended}{others}", owner.pid),
        }
    }

    fn name(&self, owner: Owner) -> Option<&str> {
        self.snapshot.processes.get(&owner).map(|process| process.name.as_str())
    }

    fn place_json(&self, answer: &Answer) -> Value {
        let tried = |result: Option<&Result<(), Refused>>| {
            result.map(|result| {
                let refused = result.as_ref().err();
                json!({
                    "ok": refused.is_none(),
                    "error": refused.map(|refused| &refused.said),
                    "number": refused.and_then(|refused| refused.number),
                })
            })
        };
        let trial = answer.trial.as_ref();
        let reasons: Vec<_> = answer.reasons.iter().map(|reason| self.reason_json(answer, reason)).collect();
        json!({
            "protocol": answer.place.protocol,
            "family": answer.place.space(NamespaceId::ONLY).family,
            "address": answer.place.local.ip(),
            "answer": answer.verdict.key(),
            "reasons": reasons,
            "doubt": answer.doubt.map(Doubt::key),
            "bind": tried(trial.map(|trial| &trial.plain)),
            "bind_reusing": tried(trial.and_then(|trial| trial.reusing.as_ref())),
        })
    }

    fn reason_json(&self, answer: &Answer, reason: &Reason) -> Value {
        let effect = match reason.effect {
            Effect::Takes => "takes",
            Effect::MayTake => "may_take",
            Effect::Aside => "aside",
        };
        let mut object = json!({ "effect": effect, "sentence": self.sentence(answer, reason) });
        let (cause, more) = match &reason.cause {
            Cause::Held(held) => (held.by.key(), self.held_json(held)),
            Cause::More(more) => ("more", json!({ "count": more })),
            Cause::NoAddress => ("no_address", json!({})),
            Cause::Privileged(start) => ("privileged", json!({ "unprivileged_start": start })),
            Cause::Excluded { block, administered } => {
                let (start, end) = (block.start(), block.end());
                ("excluded", json!({ "start": start, "end": end, "administered": administered }))
            }
            Cause::Reserved => ("reserved", json!({})),
            Cause::Dynamic { range, handed_out, reserve } => (
                "dynamic_range",
                json!({
                    "start": range.start(), "end": range.end(), "handed_out": handed_out, "command": reserve,
                }),
            ),
            Cause::OnlyOn(addresses) => ("only_on", json!({ "addresses": addresses })),
            Cause::Reusable => ("reuse_address", json!({})),
            Cause::Exclusive => ("exclusive", json!({})),
        };
        if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
            object.insert("cause".to_owned(), cause.into());
            object.extend(more);
        }
        object
    }

    fn held_json(&self, held: &Held) -> Value {
        let (since, process_since) = match held.since {
            Some(Since::Socket(at)) => (Some(at), None),
            Some(Since::Process(at)) => (None, Some(at)),
            None => (None, None),
        };
        json!({
            "pid": held.owner.map(|owner| owner.pid),
            "name": held.owner.and_then(|owner| self.name(owner)),
            "other_processes": held.others,
            "attribution": held.attribution,
            "sockets": held.sockets,
            "local": held.local,
            "remote": held.remote,
            "since": since,
            "process_since": process_since,
            "expires_ms": held.left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            "address_is": match held.relation {
                Relation::Same => "same",
                Relation::DualStack => "dual_stack",
                Relation::OtherAddress => "other",
                Relation::OtherFamily => "other_family",
            },
            "toward": held.toward.map(|toward| match toward {
                Toward::This => "this",
                Toward::Others => "others",
            }),
            "namespace": held.namespace.and_then(NamespaceId::number),
        })
    }
}

fn excluded(answer: &Answer, block: PortRange, administered: Option<bool>) -> String {
    let space = answer.place.space(NamespaceId::ONLY);
    let what = format!("it is inside the excluded block {block}");
    if administered == Some(true) {
        return format!("{what}, which an administrator has set: who asks for it by its number can have it");
    }
    let (family, protocol, port) = (space.family.key(), space.protocol.key(), answer.place.local.port());
    format!(
        "{what}, which Windows keeps for WinNAT, Hyper-V or a service and moves at its start: as administrator \
         net stop winnat, netsh int {family} add excludedportrange protocol={protocol} startport={port} \
         numberofports=1, net start winnat; then who asks for it by its number can have it"
    )
}
