//! The handles of one process: listed in one call, then asked one by one what they are.
//!
//! A question to a handle may hang: every one is asked by a worker that can be given up on. The name of
//! a file is asked for only when its device, which is had without waiting, is a volume.

mod ffi;
pub mod format;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::ffi::{Duplicate, SocketQuestion};
use self::format::{Listed, is_socket_device, is_volume, socket_address, socket_context};
use super::ffi::CallError;
use super::processes::Alive;
use super::processes::ffi::OpenedProcess;
use super::sockets::Tables;
use super::token::ffi::enable_debug_privilege;
use crate::model::{Gap, Handle, HandleKind, Handles, Missing, Owner, Reason, Remedy, Socket};
use crate::platform::patience::{Impatience, Worker};
use crate::platform::{HandleLists, Reading, Sockets};

/// How long one handle may take to answer.
const ONE: Duration = Duration::from_secs(1);
/// How long all of them may take.
const ALL: Duration = Duration::from_secs(10);
/// How many that hang are risked.
const HANGING: usize = 8;

/// [`HandleLists`] of Windows.
pub struct Lister {
    sockets: Tables,
    worker: Worker<Answer>,
    elevated: bool,
}

/// What a handle said of itself.
#[derive(Default)]
struct Answer {
    socket: bool,
    name: Option<String>,
    endpoints: Option<Endpoints>,
    device_unknown: bool,
}

/// What could not be found out.
#[derive(Default)]
struct Lacking {
    late: usize,
    unasked: usize,
    device_unknown: usize,
}

impl Lister {
    /// Asks for the right to open other users' processes, which only an elevated porttop is given, and not
    /// even that one everywhere; without it their owners decide.
    pub fn new(alive: Arc<Alive>, elevated: bool) -> Self {
        let _ = enable_debug_privilege();
        Self { sockets: Tables::new(alive), worker: Worker::new(ONE, HANGING), elevated }
    }

    fn read(&mut self, owner: Owner) -> Result<Reading<Handles>, CallError> {
        let process = OpenedProcess::to_copy_from(owner)?;
        let listed = ffi::of_process(&process).or_else(|_| ffi::of_system(owner.pid.0))?;
        let names = type_names(&process, &listed);
        let sockets = Endpoints::of_all(self.sockets.list().value);
        let mut lacking = Lacking::default();
        let until = Instant::now() + ALL;
        let handles = listed
            .into_iter()
            .map(|handle| {
                let kind = names.get(&handle.kind).map_or("", String::as_str);
                let answer = self.ask(&process, handle.number, kind, until, &mut lacking);
                let kind = match (answer.socket, kind) {
                    (true, _) => HandleKind::Socket,
                    (_, "") => HandleKind::Other(format!("type {}", handle.kind).into()),
                    (_, "Directory") => HandleKind::Other("object directory".into()),
                    (_, name) => HandleKind::Other(name.into()),
                };
                let socket =
                    answer.endpoints.as_ref().and_then(|ends| sockets.get(ends).cloned()).map(Box::new);
                let name = answer.name.or_else(|| answer.endpoints.map(|ends| ends.to_string()));
                Handle { number: handle.number, kind, name, socket }
            })
            .collect();
        Ok(Reading { value: Handles { owner, handles, limit: None }, gaps: lacking.gaps() })
    }

    fn ask(
        &mut self,
        process: &OpenedProcess,
        number: u64,
        kind: &str,
        until: Instant,
        lacking: &mut Lacking,
    ) -> Answer {
        let question = match kind {
            "File" => describe_file,
            kind if NAMED.contains(&kind) => describe_named,
            _ => return Answer::default(),
        };
        if Instant::now() >= until {
            lacking.unasked += 1;
            return Answer::default();
        }
        // A handle that was closed since, or can't be duplicated, stays without a name.
        let Ok(duplicate) = Duplicate::of(process, number) else { return Answer::default() };
        match self.worker.run(move || question(&duplicate)) {
            Ok(answer) => {
                lacking.device_unknown += usize::from(answer.device_unknown);
                answer
            }
            Err(Impatience::Late) => {
                lacking.late += 1;
                Answer::default()
            }
            Err(Impatience::Exhausted) => {
                lacking.unasked += 1;
                Answer::default()
            }
        }
    }
}

impl HandleLists for Lister {
    fn list(&mut self, owner: Owner) -> Result<Reading<Handles>, Gap> {
        self.read(owner).map_err(|error| {
            let subject = Missing::HandlesOf(owner.pid);
            match (error.is_refusal(), self.elevated) {
                (true, false) => Gap::error(subject, error).fixed_by(Remedy::Administrator),
                (true, true) => Gap::new(subject, Reason::Protected),
                (false, _) => Gap::error(subject, error),
            }
        })
    }
}

/// Both ends of a socket, as its handle tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Endpoints {
    local: SocketAddr,
    remote: Option<SocketAddr>,
}

impl Endpoints {
    /// The sockets of the tables by their ends.
    fn of_all(sockets: Vec<Socket>) -> HashMap<Self, Socket> {
        sockets
            .into_iter()
            .map(|socket| (Self { local: socket.local(), remote: socket.remote() }, socket))
            .collect()
    }
}

impl std::fmt::Display for Endpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.remote {
            Some(remote) => write!(f, "{} → {remote}", self.local),
            None => self.local.fmt(f),
        }
    }
}

impl Lacking {
    fn gaps(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let mut add = |count: usize, reason: Reason| {
            if count > 0 {
                gaps.push(Gap::new(Missing::HandleNames(count), reason));
            }
        };
        add(self.late, Reason::TimedOut);
        add(self.unasked, Reason::NotAsked);
        add(self.device_unknown, Reason::NoDevices);
        gaps
    }
}

/// The types whose names are had from the object manager or the registry alone.
const NAMED: [&str; 9] =
    ["Key", "Event", "Mutant", "Section", "Semaphore", "Directory", "SymbolicLink", "ALPC Port", "Timer"];

/// The name of each type that occurs: from a handle of that type, and for those whose handles can't be
/// duplicated from the list of types, unless that says something else where both can be heard.
fn type_names(process: &OpenedProcess, listed: &[Listed]) -> HashMap<u32, String> {
    let mut heard = HashMap::new();
    for handle in listed {
        if !heard.contains_key(&handle.kind)
            && let Ok(duplicate) = Duplicate::of(process, handle.number)
            && let Ok(name) = duplicate.type_name()
        {
            heard.insert(handle.kind, name);
        }
    }
    let said: HashMap<u32, String> = ffi::types().unwrap_or_default().into_iter().collect();
    let is_true = heard.iter().all(|(kind, name)| said.get(kind).is_none_or(|said| said == name));
    if is_true { said.into_iter().chain(heard).collect() } else { heard }
}

fn describe_named(handle: &Duplicate) -> Answer {
    Answer { name: handle.name().ok().filter(|name| !name.is_empty()), ..Answer::default() }
}

fn describe_file(handle: &Duplicate) -> Answer {
    let Ok(device) = handle.device() else { return Answer { device_unknown: true, ..Answer::default() } };
    if is_socket_device(&device) {
        return Answer { socket: true, endpoints: endpoints(handle), ..Answer::default() };
    }
    let name = if is_volume(&device) { handle.name().ok() } else { None };
    Answer { name: Some(name.filter(|name| !name.is_empty()).unwrap_or(device)), ..Answer::default() }
}

fn endpoints(socket: &Duplicate) -> Option<Endpoints> {
    let context = socket.ask_socket(SocketQuestion::Context).ok()?;
    let (_, connected) = socket_context(&context).ok()?;
    let address = |question| socket_address(&socket.ask_socket(question).ok()?).ok()?;
    let local = address(SocketQuestion::Address)?;
    let remote = if connected { address(SocketQuestion::RemoteAddress) } else { None };
    Some(Endpoints { local, remote })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::windows::io::AsRawHandle;

    use super::*;
    use crate::model::{Pid, StartTime};

    fn this_process() -> Owner {
        let entries = Alive::default().read().unwrap();
        let own = entries.iter().find(|entry| entry.pid == std::process::id()).unwrap();
        Owner { pid: Pid(own.pid), started: StartTime(own.created) }
    }

    /// A pipe is a synchronous file: while somebody reads it, whoever asks it for its name waits.
    #[test]
    fn a_pipe_that_is_being_read_does_not_hold_up_the_list() {
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        let number = reader.as_raw_handle() as u64;
        let reading = std::thread::spawn(move || reader.read(&mut [0; 1]).unwrap());
        let own = this_process();

        let listed = Lister::new(Arc::default(), false).list(own).unwrap().value;
        let pipe = listed.handles.iter().find(|handle| handle.number == number).unwrap();
        assert_eq!(pipe.kind, HandleKind::Other("File".into()));

        // Asked for its name outright it may hang; whoever asked goes on within the limit.
        let process = OpenedProcess::to_copy_from(own).unwrap();
        let pipe = Duplicate::of(&process, number).unwrap();
        let mut worker = Worker::new(Duration::from_millis(100), 1);
        let asked = worker.run(move || pipe.name().is_ok());
        assert!(matches!(asked, Ok(_) | Err(Impatience::Late)));

        writer.write_all(&[1]).unwrap();
        assert_eq!(reading.join().unwrap(), 1);
    }
}
