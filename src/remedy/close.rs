//! Closing single connections of processes that live on.

use serde::Serialize;

use super::plan::{Plan, Refusal, Scene};
use crate::model::{Family, Missing, Protocol, Socket, State, System};
use crate::platform::control::{ControlError, SocketControl};
use crate::text::thousands;

/// How many commands are spelled out.
const SHOWN: usize = 20;

/// The sockets that will be closed.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosePlan {
    /// What will be closed.
    pub sockets: Vec<Socket>,
    /// What was selected and can't be, with the reason.
    pub left_out: Vec<(Socket, &'static str)>,
    cautions: Vec<String>,
    refusals: Vec<Refusal>,
    system: System,
    pub(super) gaps: Vec<Missing>,
}

impl ClosePlan {
    /// Plans to close these sockets of the snapshot. What can't be closed is left out; when nothing is
    /// left the plan is refused.
    #[must_use]
    pub fn new(scene: Scene<'_>, selected: impl IntoIterator<Item = Socket>) -> Self {
        let system = scene.snapshot.host.system;
        let (mut sockets, mut left_out) = (Vec::new(), Vec::new());
        for socket in selected {
            match obstacle(system, &socket) {
                Some(reason) => left_out.push((socket, reason)),
                None => sockets.push(socket),
            }
        }
        let mut refusals = Vec::new();
        if sockets.is_empty() {
            let reason = left_out.first().map_or("no socket is selected", |(_, reason)| reason);
            refusals.push(Refusal::Nothing(reason.into()));
        }
        let mut plan = Self { sockets, left_out, cautions: Vec::new(), refusals, system, gaps: scene.gaps() };
        plan.cautions = plan.think(scene);
        plan
    }

    fn think(&self, scene: Scene<'_>) -> Vec<String> {
        let mut cautions = Vec::new();
        let ancestors = scene.ancestors();
        let holders = || self.sockets.iter().flat_map(|socket| socket.holders.all());
        if let Some(owner) = holders().find(|owner| ancestors.contains(owner)) {
            let name = scene.name(*owner);
            cautions.push(format!("porttop runs under {name}: your own session may hang on this connection"));
        }
        if self.count(State::TimeWait) > 0 {
            cautions.push(
                "TIME_WAIT keeps late packets of the old connection out of a new one; without it they may \
                 reach it"
                    .into(),
            );
        }
        if self.count(State::Listen) > 0 {
            cautions
                .push("a listener that is closed accepts nothing until its program starts it again".into());
        }
        cautions
    }

    fn count(&self, state: State) -> usize {
        self.sockets.iter().filter(|socket| socket.state == state).count()
    }
}

/// Why this socket can't be closed on this system.
fn obstacle(system: System, socket: &Socket) -> Option<&'static str> {
    match system {
        System::Linux if socket.cookie.is_none() => {
            Some("it has no cookie by which the kernel could be told which socket is meant")
        }
        System::Linux if socket.state == State::Bound => {
            Some("the kernel closes no socket that is only BOUND; end the process that holds it")
        }
        System::Windows if socket.protocol == Protocol::Udp => Some("Windows closes TCP connections only"),
        System::Windows if socket.family() == Family::Ipv6 => {
            Some("Windows has no call that closes a connection over IPv6")
        }
        System::Windows if socket.remote.is_none() => Some("Windows closes connections only"),
        System::Linux | System::Windows => None,
        System::Other => Some("there is no call for it on this system"),
    }
}

impl Plan for ClosePlan {
    fn action(&self) -> &'static str {
        "close"
    }

    fn commands(&self) -> Vec<String> {
        let mut commands: Vec<_> = self
            .sockets
            .iter()
            .take(SHOWN)
            .map(|socket| {
                let protocol = socket.protocol.key();
                let remote = socket.remote.map_or_else(|| "*".to_owned(), |remote| remote.to_string());
                match (self.system, socket.cookie) {
                    (System::Windows, _) => {
                        format!("SetTcpEntry({} {remote}, MIB_TCP_STATE_DELETE_TCB)", socket.local)
                    }
                    (_, cookie) => format!(
                        "SOCK_DESTROY {protocol} {} {remote} cookie {:x}",
                        socket.local,
                        cookie.unwrap_or_default()
                    ),
                }
            })
            .collect();
        if self.sockets.len() > SHOWN {
            commands.push(format!("… and {} more", thousands((self.sockets.len() - SHOWN) as u64)));
        }
        commands
    }

    fn promises(&self) -> Vec<String> {
        let number = |count: usize| thousands(count as u64);
        let mut lines = Vec::new();
        let time_wait = self.count(State::TimeWait);
        let others = self.sockets.len() - time_wait;
        if time_wait > 0 {
            lines.push(format!("{} in TIME_WAIT end at once.", number(time_wait)));
        }
        if others > 0 {
            lines.push(format!(
                "{} are closed; their programs get an error, their peers a reset.",
                number(others)
            ));
        }
        if let Some((_, reason)) = self.left_out.first() {
            lines.push(format!("{} are left out: {reason}.", number(self.left_out.len())));
        }
        lines
    }

    fn cautions(&self) -> Vec<String> {
        self.cautions.clone()
    }

    fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }
}

/// What became of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It is in no table any more.
    Gone,
    /// Its connection is gone; its program had bound the port and holds it until it closes too.
    StillBound,
    /// It is there as before; what the system had said, if it said anything.
    StillThere(Option<ControlError>),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseOutcome {
    /// Each socket and what became of it; none when the sockets could not be read again.
    pub sockets: Option<Vec<Closed>>,
    /// The first complaint of the system.
    pub complaint: Option<ControlError>,
}

/// The outcome in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClosedCounts {
    /// Sockets that are gone.
    pub gone: u32,
    /// Sockets without a connection that still hold their port.
    pub still_bound: u32,
    /// Sockets that are there as before.
    pub still_there: u32,
}

impl CloseOutcome {
    /// How many became what.
    #[must_use]
    pub fn counts(&self) -> Option<ClosedCounts> {
        let mut counts = ClosedCounts::default();
        for closed in self.sockets.as_ref()? {
            match closed {
                Closed::Gone => counts.gone += 1,
                Closed::StillBound => counts.still_bound += 1,
                Closed::StillThere(_) => counts.still_there += 1,
            }
        }
        Some(counts)
    }

    /// Whether all are gone.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.sockets.as_ref().is_some_and(|sockets| sockets.iter().all(|closed| *closed == Closed::Gone))
    }

    /// What came of it, in sentences with the numbers.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let number = |count: u32| thousands(count.into());
        let mut lines = match self.counts() {
            None => vec!["The sockets could not be read again: what was closed is not known.".into()],
            Some(counts) => {
                let mut lines = vec![format!("{} closed.", number(counts.gone))];
                if counts.still_bound > 0 {
                    lines.push(format!(
                        "{} lost their connection and hold their port until their program closes them.",
                        number(counts.still_bound)
                    ));
                }
                if counts.still_there > 0 {
                    lines.push(format!("{} are still there.", number(counts.still_there)));
                }
                lines
            }
        };
        lines.extend(self.complaint.as_ref().map(|complaint| format!("The system said: {complaint}.")));
        lines
    }
}

impl ClosePlan {
    /// Closes one after the other; a right that is missing for the first is missing for all.
    pub(super) fn apply(&self, control: &mut dyn SocketControl) -> Vec<Option<ControlError>> {
        let mut complaints: Vec<Option<ControlError>> = Vec::with_capacity(self.sockets.len());
        for socket in &self.sockets {
            let complaint = match complaints.last() {
                Some(Some(error @ (ControlError::MissingRight { .. } | ControlError::Unsupported(_)))) => {
                    Some(error.clone())
                }
                _ => control.close(socket).err(),
            };
            complaints.push(complaint);
        }
        complaints
    }

    /// Compares with a new reading of the sockets, if there is one.
    pub(super) fn compare(
        &self,
        complaints: Vec<Option<ControlError>>,
        now: Option<&[Socket]>,
    ) -> CloseOutcome {
        let first = complaints.iter().flatten().next().cloned();
        let sockets: Option<Vec<Closed>> = now.map(|now| {
            let mut index = std::collections::HashMap::new();
            for socket in now {
                index.entry((socket.protocol, socket.local)).or_insert_with(Vec::new).push(socket);
            }
            let became = |(socket, complaint): (&Socket, Option<ControlError>)| {
                let candidates = index.get(&(socket.protocol, socket.local)).map_or(&[][..], Vec::as_slice);
                let same = candidates.iter().find(|now| match socket.cookie {
                    Some(_) => now.cookie == socket.cookie,
                    None => now.remote == socket.remote,
                });
                match same {
                    None => Closed::Gone,
                    Some(now) if now.state == State::Bound && socket.state != State::Bound => {
                        Closed::StillBound
                    }
                    // Its program gets an error and keeps the port that it has bound.
                    Some(now) if now.state == State::Udp && complaint.is_none() => Closed::StillBound,
                    Some(_) => Closed::StillThere(complaint.map(explain)),
                }
            };
            self.sockets.iter().zip(complaints).map(became).collect()
        });
        let complaint = match &sockets {
            Some(sockets) => sockets.iter().find_map(|closed| match closed {
                Closed::StillThere(complaint) => complaint.clone(),
                _ => None,
            }),
            None => first,
        };
        CloseOutcome { sockets, complaint }
    }
}

/// The system did not find a socket that is there: it looks it up by its addresses, and of several that
/// share them it finds one only.
fn explain(complaint: ControlError) -> ControlError {
    match complaint {
        ControlError::Gone | ControlError::Replaced => ControlError::Unsupported(
            "another socket shares its addresses and hides it from the kernel; end the process that holds it"
                .into(),
        ),
        other => other,
    }
}
