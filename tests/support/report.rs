//! What `porttop snapshot --format json` prints, name by name: a field that is missing or of another type
//! fails the test that reads it, and so does a new one where rows have no columns.

use std::collections::BTreeMap;
use std::process::Command;

use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    pub schema: String,
    pub time: String,
    pub host: String,
    pub os: String,
    pub backend: String,
    pub namespace: Option<u64>,
    pub port_spaces: Vec<PortSpace>,
    pub processes: Vec<Process>,
    pub destinations: Vec<Destination>,
    pub sockets: Option<Vec<Socket>>,
    pub degradations: Vec<Degradation>,
    pub findings: Vec<Finding>,
    pub events: Vec<serde_json::Value>,
    pub settings: BTreeMap<String, serde_json::Value>,
    pub nat: serde_json::Value,
    pub snat_budget: serde_json::Value,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortSpace {
    pub family: String,
    pub protocol: String,
    pub start: Option<u16>,
    pub end: Option<u16>,
    pub reserved: Option<u32>,
    pub capacity: Option<u32>,
    pub in_use: Option<u32>,
    pub free: Option<u32>,
    pub largest_free_block: Option<u32>,
    pub free_blocks_of_64: Option<u32>,
    pub by_state: BTreeMap<String, usize>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Process {
    pub pid: Option<u32>,
    pub start_time: Option<String>,
    pub name: Option<String>,
    pub path: Option<String>,
    pub user: Option<String>,
    pub ports: usize,
    pub bound: usize,
    pub time_wait: usize,
    pub close_wait: usize,
    pub established: usize,
    pub syn_sent: usize,
    pub fin_wait: usize,
    pub listen: usize,
    pub udp: usize,
    pub sockets: usize,
    pub handles: Option<usize>,
    pub ended: bool,
    pub attribution: BTreeMap<String, usize>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Destination {
    pub protocol: String,
    pub local_address: String,
    pub remote_address: String,
    pub remote_port: u16,
    pub ports: usize,
    pub fill: Option<f64>,
    pub pids: Vec<Option<u32>>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Socket {
    pub protocol: String,
    pub family: String,
    pub local_address: String,
    pub local_port: u16,
    pub remote_address: Option<String>,
    pub remote_port: Option<u16>,
    pub state: String,
    pub pid: Option<u32>,
    pub attribution: String,
    pub expires_ms: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Degradation {
    pub what: String,
    pub reason: String,
    pub remedy: Option<String>,
    pub subject: String,
    pub family: Option<String>,
    pub protocol: Option<String>,
    pub cause: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    pub id: String,
    pub severity: String,
    pub title: String,
    pub evidence: Vec<String>,
    pub why: String,
    pub next: Vec<BTreeMap<String, String>>,
    pub view: String,
    pub filter: String,
    pub pid: Option<u32>,
}

impl Report {
    /// What this porttop prints with `snapshot --format json` and these arguments.
    pub fn of(mut porttop: Command, arguments: &[&str]) -> Self {
        let output = porttop.args(["snapshot", "--format", "json"]).args(arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{porttop:?}: {}\n{errors}", output.status);
        assert_eq!(errors, "", "{porttop:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn space(&self, protocol: &str, family: &str) -> &PortSpace {
        let found =
            self.port_spaces.iter().find(|space| space.protocol == protocol && space.family == family);
        found.unwrap_or_else(|| panic!("no port space {protocol} {family}"))
    }

    /// The row of a process; `None` is the row of what nobody owns.
    pub fn process(&self, pid: Option<u32>) -> &Process {
        self.processes.iter().find(|row| row.pid == pid).unwrap_or_else(|| panic!("no row of {pid:?}"))
    }
}

impl PortSpace {
    /// How many sockets are in this state.
    pub fn state(&self, state: &str) -> usize {
        self.by_state.get(state).copied().unwrap_or(0)
    }
}
