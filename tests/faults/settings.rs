//! Settings that people copy from old posts.

use std::path::Path;

use rustix::process::geteuid;

use crate::support::lab::Lab;
use crate::support::report::Report;
use crate::support::skip;

#[test]
fn settings_of_old_advice_are_named_where_they_are_so() {
    let Some(lab) = Lab::open(20000..=20999) else { return };
    let named = || {
        let report = Report::of(lab.porttop(), &[]);
        let harmful = report.findings.iter().filter(|finding| finding.id == "harmful_setting");
        let setting = |title: &str| title.split_once(" is ").unwrap().0.to_owned();
        (harmful.map(|finding| setting(&finding.title)).collect::<Vec<_>>(), report.settings)
    };
    let (none, settings) = named();
    assert_eq!((none, &settings["tcp_fin_timeout"]), (vec![], &60.into()));

    lab.set_ipv4("tcp_fin_timeout", "15");
    lab.set_ipv4("tcp_timestamps", "0");
    let (found, settings) = named();
    assert_eq!(found, ["net.ipv4.tcp_fin_timeout"], "nothing is reused here");
    assert_eq!((&settings["tcp_fin_timeout"], &settings["tcp_tw_reuse"]), (&15.into(), &0.into()));
    assert_eq!(settings["tcp_timestamps"], false);

    lab.set_ipv4("tcp_fin_timeout", "60");
    lab.set_ipv4("tcp_tw_reuse", "1");
    assert_eq!(named().0, ["net.ipv4.tcp_timestamps"]);

    lab.set_ipv4("tcp_timestamps", "1");
    let tracked = "nf_conntrack_tcp_timeout_time_wait";
    if !geteuid().is_root() || !Path::new("/proc/sys/net/netfilter").join(tracked).exists() {
        return skip("conntrack is not loaded, or nobody may set it up here");
    }
    lab.set_ipv4(&format!("../netfilter/{tracked}"), "30");
    assert_eq!(named().0, [format!("net.netfilter.{tracked}")]);
}
