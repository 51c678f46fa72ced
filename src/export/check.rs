//! A picture for monitoring: one line with the verdict and perfdata, then the findings, and an exit code,
//! as the Monitoring Plugins Development Guidelines have it; or one JSON object, `porttop.check/1`.
//!
//! ## the object
//! - `schema`: `"porttop.check/1"`
//! - `time`: when the snapshot was taken, RFC 3339
//! - `host`: the name of the machine
//! - `namespace`: the number of the network namespace; null where there is but one
//! - `status`: `"ok"`, `"warn"`, `"critical"` or `"unknown"`
//! - `exit_code`: 0, 1, 2 or 3 accordingly
//! - `sentence`: the verdict
//! - `port_spaces`: `family`, `protocol`, `in_use`, `capacity`, `share` (0 to 1), `per_second`, and
//!   `full_in_seconds`: `low`, `expected` and `high`, null when nothing says that it will be full
//! - `failures_per_second`: ports refused over the last 10 s; null when nothing traces that
//! - `findings`, `events`: as in the snapshot's object
//! - `degradations`: what could not be read, as in the snapshot
//! - `nat`, `snat_budget`: as in the snapshot's object

use std::io::{self, Write};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::document;
use super::finding::{EventRecord, FindingRecord, KeyOf};
use super::gap::GapRecord;
use super::nat;
use crate::analysis::{Forecast, Picture, Severity, SpaceUsage, Step, Thresholds};
use crate::model::{Family, Protocol, Share};
use crate::text::safe;

/// The exit code when it can't be said.
pub const UNKNOWN: u8 = 3;

/// The exit code for a verdict: 0 when nothing is wrong, 1 for a warning, 2 when it is critical, 3 when
/// it can't be said.
#[must_use]
pub const fn exit_code(severity: Severity) -> u8 {
    match severity {
        Severity::Ok | Severity::Note => 0,
        Severity::Warn => 1,
        Severity::Critical => 2,
        Severity::Unknown => UNKNOWN,
    }
}

/// Writes the verdict with perfdata on the first line, and below it the findings with what to do.
///
/// # Errors
/// When the writer fails.
pub fn write_text(
    picture: &Picture,
    thresholds: &Thresholds,
    key_of: KeyOf,
    out: &mut impl Write,
) -> io::Result<()> {
    let verdict = &picture.verdict;
    let title = if verdict.severity == Severity::Warn { "WARNING" } else { verdict.severity.title() };
    write!(out, "PORTTOP {title} - {}", plain(&verdict.sentence))?;
    match perfdata(picture, thresholds).as_slice() {
        [] => writeln!(out)?,
        known => writeln!(out, " | {}", known.join(" "))?,
    }
    for finding in &picture.findings {
        writeln!(out, "{}: {}", finding.severity.title(), plain(&finding.title))?;
        for line in &finding.evidence {
            writeln!(out, "  {}", plain(line))?;
        }
        for step in &finding.next {
            writeln!(out, "  > {}", plain(&said(step, key_of)))?;
        }
    }
    let namespace = picture.snapshot.namespace;
    if namespace.number().is_some() {
        writeln!(out, "network namespace: {namespace}")?;
    }
    for gap in &picture.snapshot.gaps {
        writeln!(out, "not read: {}", plain(&gap.to_string()))?;
    }
    Ok(())
}

/// Writes the line for a machine that could not be looked at at all.
///
/// # Errors
/// When the writer fails.
pub fn write_unknown(reason: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "PORTTOP UNKNOWN - {}", plain(reason))
}

/// One line that is safe to show, without the character that begins perfdata.
fn plain(text: &str) -> String {
    safe(text).replace('|', "/")
}

fn said(step: &Step, key_of: KeyOf) -> String {
    match step {
        Step::OnScreen { act, what } => format!("{} in porttop: {what}", key_of(*act)),
        Step::Run { command, what } => format!("`{command}` {what}"),
        Step::Do(what) => what.clone(),
    }
}

/// `'label'=value;warn;critical;least;most` of what is known.
fn perfdata(picture: &Picture, thresholds: &Thresholds) -> Vec<String> {
    let spaces = picture.spaces.iter().filter_map(|space| {
        let (in_use, capacity) = (space.in_use?, space.capacity?);
        let at = |share: Share| share.times(capacity).ceil();
        let label = format!("{}_{}", space.id.protocol.key(), space.id.family.key());
        Some(format!("'{label}'={in_use};{};{};0;{capacity}", at(thresholds.warn), at(thresholds.critical)))
    });
    let fill = picture.destinations.iter().filter_map(|destination| destination.fill).max();
    let fill = fill.and_then(Share::number).map(|fill| {
        let [warn, critical] = [thresholds.warn, thresholds.critical].map(|share| share.times(100));
        format!("'fullest_destination'={:.1}%;{warn};{critical};0;100", fill * 100.0)
    });
    let failures =
        picture.failures.as_ref().map(|failures| format!("'failures'={:.1};;;0", failures.per_second));
    spaces.chain(fill).chain(failures).collect()
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    time: Timestamp,
    host: String,
    namespace: Option<u64>,
    status: &'static str,
    exit_code: u8,
    sentence: &'a str,
    port_spaces: Vec<Space>,
    failures_per_second: Option<f64>,
    findings: Vec<FindingRecord<'a>>,
    events: Vec<EventRecord>,
    degradations: Vec<GapRecord>,
    nat: serde_json::Value,
    snat_budget: serde_json::Value,
}

#[derive(Serialize)]
struct Space {
    family: Family,
    protocol: Protocol,
    in_use: Option<u32>,
    capacity: Option<u32>,
    share: Option<Share>,
    per_second: Option<f64>,
    full_in_seconds: Option<FullIn>,
}

#[derive(Serialize)]
struct FullIn {
    low: f64,
    expected: f64,
    high: Option<f64>,
}

impl Space {
    fn of(usage: &SpaceUsage) -> Self {
        Self {
            family: usage.id.family,
            protocol: usage.id.protocol,
            in_use: usage.in_use,
            capacity: usage.capacity,
            share: usage.share(),
            per_second: usage.per_second,
            full_in_seconds: FullIn::of(usage.forecast),
        }
    }
}

impl FullIn {
    fn of(forecast: Forecast) -> Option<Self> {
        let Forecast::FullIn { low, expected, high } = forecast else {
            return (forecast == Forecast::Full).then_some(Self { low: 0.0, expected: 0.0, high: Some(0.0) });
        };
        let high = high.as_ref().map(Duration::as_secs_f64);
        Some(Self { low: low.as_secs_f64(), expected: expected.as_secs_f64(), high })
    }
}

/// Writes the object and a line end.
///
/// # Errors
/// When the writer fails.
pub fn write_json(picture: &Picture, key_of: KeyOf, out: &mut impl Write) -> io::Result<()> {
    let (snapshot, verdict) = (&picture.snapshot, &picture.verdict);
    let written = Document {
        schema: "porttop.check/1",
        time: snapshot.taken.wall,
        host: safe(&snapshot.host.name).into_owned(),
        namespace: snapshot.namespace.number(),
        status: if verdict.severity == Severity::Note { "ok" } else { verdict.severity.key() },
        exit_code: exit_code(verdict.severity),
        sentence: &verdict.sentence,
        port_spaces: picture.spaces.iter().map(Space::of).collect(),
        failures_per_second: picture.failures.as_ref().map(|failures| failures.per_second),
        findings: FindingRecord::all(picture, key_of),
        events: picture.events.iter().map(EventRecord::of).collect(),
        degradations: snapshot.gaps.iter().map(GapRecord::of).collect(),
        nat: nat::nat(snapshot.limits.nat.as_ref()),
        snat_budget: nat::budget(picture.budget.as_ref()),
    };
    document::write(out, &written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests_support::{owner, process, snapshot, tcp};
    use crate::analysis::{Analysis, GroupBy};
    use crate::model::{Gap, Missing, State};
    use crate::tui::keymap::key_of;
    use serde_json::Value;

    fn picture(ports: u16) -> Picture {
        let open = |port| tcp(State::Established, &format!("10.0.0.1:{port}"), None, Some(owner(7)));
        let mut machine = snapshot((10_000..10_000 + ports).map(open).collect());
        machine.processes.extend([process(owner(7), "a|b\n", "svc")]);
        machine.gaps.push(Gap::error(Missing::HandleCounts(Some(2)), "access | denied"));
        Analysis::default().observe(machine, GroupBy::Process)
    }

    fn text(picture: &Picture) -> String {
        let mut out = Vec::new();
        write_text(picture, &Thresholds::default(), key_of, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_first_line_is_a_plugins() {
        let printed = text(&picture(950));
        assert_eq!(
            printed.lines().next(),
            Some(
                "PORTTOP CRITICAL - TCP IPv4 95 % used, 950 of 1,000: a/b\u{fffd} (7) holds 950, all ESTABLISHED \
                 | 'tcp_ipv4'=950;800;950;0;1000 'tcp_ipv6'=0;800;950;0;1000 \
                 'udp_ipv4'=0;800;950;0;1000 'udp_ipv6'=0;800;950;0;1000"
            )
        );
        assert_eq!(printed.matches('|').count(), 1, "perfdata begins once: {printed}");
        assert!(printed.contains("\n  > r in porttop: widen the range"), "{printed}");
        assert!(printed.ends_with("not read: handles of 2 processes: access / denied\n"), "{printed}");
    }

    #[test]
    fn the_verdict_is_the_exit_code() {
        let code = |ports| exit_code(picture(ports).verdict.severity);
        assert_eq!([code(10), code(800), code(950)], [0, 1, 2]);
        assert_eq!([exit_code(Severity::Note), exit_code(Severity::Unknown)], [0, 3]);
        assert!(text(&picture(800)).starts_with("PORTTOP WARNING - "));
        assert!(text(&picture(10)).starts_with("PORTTOP OK - TCP IPv4 1 % used, 10 of 1,000"));
    }

    #[test]
    fn json_says_the_same() {
        let mut out = Vec::new();
        write_json(&picture(950), key_of, &mut out).unwrap();
        let json: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&json["status"], &json["exit_code"]), (&"critical".into(), &2.into()));
        assert_eq!(json["findings"][0]["id"], "pool_full");
        assert_eq!(json["findings"][0]["title"], json["sentence"]);
        assert_eq!(
            (&json["port_spaces"][0]["share"], &json["port_spaces"][0]["capacity"]),
            (&0.95.into(), &1000.into())
        );
        let documented = include_str!("check.rs").lines().filter(|line| line.starts_with("//! - "));
        let documented: String = documented.collect();
        for field in json.as_object().unwrap().keys() {
            assert!(documented.contains(&format!("`{field}`")), "{field}");
        }
    }
}
