//! NAT: a gateway between a client and a server, each in a network namespace of its own.

use std::ffi::OsString;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use rustix::process::geteuid;
use serde_json::Value;

use crate::support::lab::Lab;
use crate::support::protocol::{Fate, Pace, Role};
use crate::support::{porttop_path, skip};

/// The server, at a public address and these ports.
fn server(port: u16) -> SocketAddr {
    ([203, 0, 113, 9], port).into()
}

/// The gateway has 100 ports for each destination.
const RULES: &str = "table ip nat { chain post { type nat hook postrouting priority 100; \
                     oifname \"outside\" ip protocol tcp masquerade to :10000-10099; }; }";

struct Network {
    client: Lab,
    gateway: Lab,
    server: Lab,
}

impl Network {
    /// A client, its gateway and a server that listens on ports 80 and 81; a word about it where there can be none.
    fn open() -> Option<Self> {
        if !geteuid().is_root() {
            skip("only root connects network namespaces");
            return None;
        }
        let [client, gateway, server] = [(); 3].map(|()| Lab::open(20000..=29999));
        let mut network = Self { client: client?, gateway: gateway?, server: server? };
        network.connect().then_some(network)
    }

    fn connect(&mut self) -> bool {
        let [client, gateway, server] = [&self.client, &self.gateway, &self.server];
        for (lab, ours, other, theirs) in
            [(gateway, "inside", client, "eth0"), (gateway, "outside", server, "eth0")]
        {
            let pair = format!("link add {ours} type veth peer name {theirs} netns {}", pid(other));
            if !ip(lab, &pair) {
                skip("no veth can be made here: ip link add … type veth");
                return false;
            }
        }
        let addresses = [
            (client, "addr add 192.168.7.2/24 dev eth0"),
            (gateway, "addr add 192.168.7.1/24 dev inside"),
            (gateway, "addr add 203.0.113.1/24 dev outside"),
            (server, "addr add 203.0.113.9/24 dev eth0"),
            (client, "link set eth0 up"),
            (gateway, "link set inside up"),
            (gateway, "link set outside up"),
            (server, "link set eth0 up"),
            (client, "route add default via 192.168.7.1"),
        ];
        for (lab, words) in addresses {
            assert!(ip(lab, words), "ip {words}");
        }
        gateway.set_ipv4("ip_forward", "1");
        if let Err(why) = nft(gateway, RULES) {
            skip(&format!("nothing can be masqueraded here: nft: {why}"));
            return false;
        }
        self.server.start("server", Role::Server { listen: vec![self::server(80), self::server(81)] });
        true
    }
}

/// The process whose namespace a lab is.
fn pid(lab: &Lab) -> String {
    let inside = lab.inside();
    let target = inside.iter().position(|word| word == "--target").unwrap();
    inside[target + 1].to_str().unwrap().to_owned()
}

fn in_lab(lab: &Lab, words: &[&str]) -> Command {
    let mut argv: Vec<OsString> = lab.inside();
    argv.extend(words.iter().map(Into::into));
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).stdin(Stdio::null());
    command
}

fn ip(lab: &Lab, words: &str) -> bool {
    let words: Vec<&str> = ["ip"].into_iter().chain(words.split(' ')).collect();
    in_lab(lab, &words).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn nft(lab: &Lab, rules: &str) -> Result<(), String> {
    let mut nft = in_lab(lab, &["nft", "-f", "-"]);
    let nft = nft.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut nft = nft.spawn().map_err(|error| error.to_string())?;
    nft.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
    let output = nft.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// What `porttop check` says, and its exit code.
fn check(mut porttop: Command, arguments: &[&str]) -> (Value, Option<i32>) {
    let porttop = porttop.arg("check").args(["--format", "json"]).args(arguments).stdin(Stdio::null());
    let output = porttop.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code())
}

fn titles<'a>(report: &'a Value, id: &str) -> Vec<&'a str> {
    let findings = report["findings"].as_array().unwrap().iter().filter(|finding| finding["id"] == id);
    findings.map(|finding| finding["title"].as_str().unwrap()).collect()
}

/// Each destination has 100 ports; a second client of it gets none, and nobody is told why but by porttop.
#[test]
fn a_full_nat_is_named_on_the_gateway_and_suspected_on_the_client() {
    let Some(mut network) = Network::open() else { return };
    let both = vec![server(80), server(81)];
    network.client.start("client", Role::Client { to: both, count: 200, fate: Fate::Kept });

    let (report, code) = check(network.gateway.porttop(), &[]);
    let full = titles(&report, "nat_full");
    assert_eq!((full.len(), code), (2, Some(2)), "{report}");
    for (title, remote) in full.iter().zip(["203.0.113.9:80", "203.0.113.9:81"]) {
        let used = format!("NAT from 203.0.113.1 toward {remote} (TCP) 100 % used, 100 of 100");
        assert!(title.starts_with(&used) && title.ends_with("192.168.7.2 holds 100"), "{title}");
    }
    let known = &report["nat"]["destinations"][0];
    assert_eq!((&known["start"], &known["range_from"]), (&10000.into(), &"rule".into()), "{report}");

    let late = Role::Opening { to: server(80), pace: Pace { per_second: 10, count: usize::MAX } };
    network.client.start("late", late);
    let (report, _) = check(network.gateway.porttop(), &["--for", "4s"]);
    assert!(titles(&report, "nat_full")[0].contains("; drops "), "{report}");
    assert_eq!(titles(&report, "conntrack_full"), [""; 0], "{report}");

    let (report, code) = check(network.client.porttop(), &["--for", "15s"]);
    let [title] = titles(&report, "syn_sent_stuck")[..] else { panic!("{report}") };
    assert!(title.contains("203.0.113.9:80 get no answer") && title.contains("suspect NAT"), "{title}");
    assert_eq!((code, &report["sentence"], &report["nat"]), (Some(1), &title.into(), &Value::Null));

    let (report, code) = check(network.client.porttop(), &["--snat-budget", "100"]);
    let most = &report["snat_budget"]["destinations"][0];
    assert_eq!((code, &most["remote_port"]), (Some(2), &80.into()), "{report}");
    assert!(most["used"].as_u64() > Some(100), "with those that wait: {report}");
    assert!(titles(&report, "snat_budget")[0].starts_with("NAT budget toward 203.0.113.9:80"), "{report}");
    let (report, code) = check(network.client.porttop(), &[]);
    assert_eq!((code, &report["snat_budget"]), (Some(0), &Value::Null), "{report}");
}

#[test]
fn without_the_right_a_gateway_says_which_and_others_say_nothing() {
    let Some(mut network) = Network::open() else { return };
    network.client.start("client", Role::Client { to: vec![server(80)], count: 3, fate: Fate::Kept });
    let told = |lab: &Lab| {
        let words = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"];
        let mut porttop = in_lab(lab, &words);
        porttop.arg(porttop_path());
        let (report, _) = check(porttop, &[]);
        assert_eq!(report["nat"], Value::Null);
        let degradations = report["degradations"].as_array().unwrap().iter();
        degradations.filter(|one| one["subject"] == "nat").cloned().collect::<Vec<_>>()
    };
    let [gap] = &told(&network.gateway)[..] else { panic!("no gap") };
    assert_eq!(gap["cause"], "missing_right", "{gap}");
    assert!(gap["remedy"].as_str().unwrap().contains("CAP_NET_ADMIN"), "{gap}");
    assert!(told(&network.client).is_empty(), "it is no gateway");
    let (report, _) = check(network.gateway.porttop(), &[]);
    assert_eq!(report["nat"]["destinations"][0]["used"], 3, "{report}");
}

#[test]
fn a_budget_that_is_none_is_refused_in_one_line() {
    for (command, code) in [("snapshot", 2), ("check", 3)] {
        for budget in ["0", "64513", "many", "-1"] {
            let output = Command::new(porttop_path())
                .args([command, &format!("--snat-budget={budget}")])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status.code(), said.lines().count()), (Some(code), 1), "{said}");
            assert!(said.contains("from 1 to 64512"), "{said}");
        }
    }
}
