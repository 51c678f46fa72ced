//! The lab's own process: prepares the namespace, starts and ends the roles.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio, id};

use serde::de::DeserializeOwned;
use tempfile::TempDir;

use super::protocol::{Done, Hello, Reply, Request, Role, Started};
use super::{Outcome, namespace};

/// The copy of this program that all of them are links to.
const PROGRAM: &str = ".lab";

/// Serves requests until standard input ends.
pub fn serve(start: &str, end: &str, reserved: &str) -> Outcome<()> {
    let range = (start.parse()?, end.parse()?);
    namespace::prepare(start, end, reserved)?;
    say(&Hello { pid: id(), range, ipv6: namespace::has_ipv6() })?;
    let mut processes = Processes::new()?;
    for line in io::stdin().lines() {
        let reply = match serde_json::from_str(&line?)? {
            Request::Start { name, role } => processes.start(name, &role).map(Reply::Started),
            Request::Finish { name } => processes.finish(&name).map(Reply::Finished),
            Request::Stop { name } => processes.stop(&name).map(|()| Reply::Stopped),
        };
        say(&reply.unwrap_or_else(|error| Reply::Failed(error.to_string())))?;
    }
    Ok(())
}

fn say(message: &impl serde::Serialize) -> Outcome<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, message)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// The processes of the roles, each this program under its own name: the name and the path of a
/// process are what porttop shows. A name with directories before it gives several processes of one
/// program: `1/worker`, `2/worker`.
struct Processes {
    programs: TempDir,
    running: HashMap<String, Running>,
}

impl Processes {
    fn new() -> Outcome<Self> {
        let programs = TempDir::new()?;
        fs::copy(env::current_exe()?, programs.path().join(PROGRAM))?;
        Ok(Self { programs, running: HashMap::new() })
    }

    fn start(&mut self, name: String, role: &Role) -> Outcome<Started> {
        if self.running.contains_key(&name) {
            return Err(format!("{name} is already running").into());
        }
        let program = self.programs.path().join(&name);
        program.parent().map(fs::create_dir_all).transpose()?;
        fs::hard_link(self.programs.path().join(PROGRAM), &program)?;
        let mut command = Command::new(program);
        command.arg("role").arg(serde_json::to_string(role)?).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let Some(output) = process.stdout.take() else { return Err("no output to read".into()) };
        let mut process = Running { process, output: BufReader::new(output) };
        let started = process.says().map_err(|_| format!("{name} could not start {role:?}"))?;
        if !matches!(role, Role::Churn { .. } | Role::Opening { .. }) {
            namespace::wait_for_rest()?;
        }
        self.running.insert(name, process);
        Ok(started)
    }

    fn finish(&mut self, name: &str) -> Outcome<Done> {
        self.running.get_mut(name).ok_or_else(|| format!("nobody is called {name}"))?.says()
    }

    fn stop(&mut self, name: &str) -> Outcome<()> {
        self.running.remove(name).map(drop).ok_or_else(|| format!("nobody is called {name}").into())
    }
}

/// A process that ends when its standard input does.
struct Running {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    fn says<T: DeserializeOwned>(&mut self) -> Outcome<T> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        if let Err(error) = self.process.wait() {
            eprintln!("lab: a role did not end: {error}");
        }
    }
}
