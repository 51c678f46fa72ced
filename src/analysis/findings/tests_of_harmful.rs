//! Settings of old advice: said only where they are so.

use std::time::Duration;

use rstest::rstest;

use super::tests::story;
use super::{Severity, Step};
use crate::analysis::tests_support::snapshot;
use crate::model::{Limits, Snapshot, System, TimeWaitReuse};

const SECOND: Duration = Duration::from_secs(1);

fn reuse(timestamps: Option<bool>, reuse: Option<TimeWaitReuse>) -> Limits {
    Limits { timestamps, time_wait_reuse: reuse, ..Limits::default() }
}

fn fin(seconds: u32) -> Limits {
    Limits { fin_timeout: Some(SECOND * seconds), ..Limits::default() }
}

fn recycle(on: bool) -> Limits {
    Limits { time_wait_recycle: Some(on), ..Limits::default() }
}

fn tracked(time_wait: u32, established: u32) -> Limits {
    let (time_wait, established) = (SECOND * time_wait, SECOND * established);
    Limits { tracked_time_wait: Some(time_wait), tracked_established: Some(established), ..Limits::default() }
}

const TRACKING: &str = "net.netfilter.nf_conntrack_tcp_timeout_";

#[rstest]
#[case::nothing_is_known(Limits::default(), None)]
#[case::recycle_off(recycle(false), None)]
#[case::recycle(recycle(true), Some("net.ipv4.tcp_tw_recycle is 1: "))]
#[case::fin_timeout_default(fin(60), None)]
#[case::fin_timeout_higher(fin(120), None)]
#[case::fin_timeout_lower(
    fin(15),
    Some("net.ipv4.tcp_fin_timeout is 15: it shortens FIN_WAIT_2, and no TIME_WAIT")
)]
#[case::timestamps(reuse(Some(true), Some(TimeWaitReuse::Everywhere)), None)]
#[case::no_timestamps(
    reuse(Some(false), Some(TimeWaitReuse::Everywhere)),
    Some("net.ipv4.tcp_timestamps is 0: tcp_tw_reuse = 1 does nothing")
)]
#[case::no_timestamps_on_loopback(
    reuse(Some(false), Some(TimeWaitReuse::Loopback)),
    Some("net.ipv4.tcp_timestamps is 0: tcp_tw_reuse = 2 does nothing")
)]
#[case::no_timestamps_and_no_reuse(reuse(Some(false), Some(TimeWaitReuse::Off)), None)]
#[case::no_timestamps_and_reuse_not_read(reuse(Some(false), None), None)]
#[case::tracking_default(tracked(120, 432_000), None)]
#[case::tracking_long_enough(tracked(60, 7440), None)]
#[case::tracking_forgets_closed_ones(tracked(30, 432_000), Some("time_wait is 30: "))]
#[case::tracking_forgets_idle_ones(tracked(120, 7439), Some("established is 7,439: "))]
fn a_harmful_setting_is_named_where_it_is_so(#[case] limits: Limits, #[case] expected: Option<&str>) {
    let picture = story(System::Linux, 0, |_| {
        let mut machine = snapshot(vec![]);
        machine.limits = limits.clone();
        machine
    });
    let said: Vec<_> = picture.findings.iter().filter(|finding| finding.id == "harmful_setting").collect();
    assert_eq!(said.len(), usize::from(expected.is_some()), "{said:?}");
    if let Some(expected) = expected {
        let finding = said[0];
        assert!(finding.title.trim_start_matches(TRACKING).starts_with(expected), "{}", finding.title);
        assert_eq!(finding.severity, Severity::Note);
        let setting = finding.title.split_once(" is ").unwrap().0;
        assert!(
            matches!(&finding.next[0], Step::Run { command, .. } if command.starts_with(&format!("sysctl -w {setting}=")))
        );
    }
}

#[test]
fn each_is_said_for_itself() {
    let limits = Limits { time_wait_recycle: Some(true), fin_timeout: Some(SECOND), ..tracked(1, 600) };
    let picture = story(System::Linux, 0, |_| Snapshot { limits: limits.clone(), ..snapshot(vec![]) });
    assert_eq!(picture.findings.iter().filter(|finding| finding.id == "harmful_setting").count(), 4);
}
