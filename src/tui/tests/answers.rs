//! What the screen asks for beside itself, and answers to it where nothing is changed.

use std::collections::HashMap;

use super::support::{look, machine, press, update};
use crate::analysis::why::{Refusal, Refused, Trial, Tried};
use crate::model::{Family, NamespaceId, Owner, Port, PortRange, PortSpace, Protocol, RangeLimits, System};
use crate::platform::control::{ControlError, RangeState, Signal, Store};
use crate::remedy::Done;
use crate::remedy::close::{CloseOutcome, Closed};
use crate::remedy::kill::{KillOutcome, Promise, TargetOutcome};
use crate::remedy::probe::{Attempt, Probed, Try};
use crate::remedy::range::{JournalEntry, LastChange, RangeChange, RangeOutcome, SpaceChange};
use crate::remedy::service::{BeforeTheEnd, RangeReading, Request, Response};
use crate::remedy::why::Inquiry;
use crate::remedy::worker::{Answer, RequestId};
use crate::tui::action::{Action, Effect};
use crate::tui::app::App;

/// What was asked for.
pub fn asked(effects: Vec<Effect>) -> Vec<(RequestId, Request)> {
    let request = |effect| if let Effect::Ask(id, request) = effect { Some((id, *request)) } else { None };
    effects.into_iter().filter_map(request).collect()
}

pub fn requests(effects: Vec<Effect>) -> Vec<Request> {
    asked(effects).into_iter().map(|(_, request)| request).collect()
}

/// Lets an answer arrive.
pub fn arrives(app: &mut App, id: RequestId, response: Response) -> Vec<(RequestId, Request)> {
    asked(update(app, Action::Answer(Box::new(Answer { id, response }))))
}

pub fn ranges() -> RangeReading {
    RangeReading {
        now: RangeState {
            system: System::Windows,
            namespace: NamespaceId::ONLY,
            identity: None,
            spaces: machine(8).spaces,
            persistent: machine(8).spaces.iter().filter_map(same_after_the_next_start).collect(),
            limits: RangeLimits::WINDOWS,
            file: None,
        },
        last: Ok(LastChange::default()),
        elevation: false,
    }
}

fn same_after_the_next_start(space: &PortSpace) -> Option<((Family, Protocol), PortRange)> {
    Some(((space.id.family, space.id.protocol), space.dynamic.as_ref()?.range))
}

pub fn done<T>(outcome: T) -> Done<T> {
    Done { outcome, gaps: Vec::new() }
}

pub fn probed() -> Probed {
    let had = |family, protocol, port| Try {
        attempt: Attempt::Bind(family, protocol),
        result: Ok(([0, 0, 0, 0], port).into()),
    };
    let tries = vec![had(Family::Ipv4, Protocol::Tcp, 50000), had(Family::Ipv6, Protocol::Udp, 50001)];
    Probed { tries, unresolved: None }
}

/// A machine that refuses every port, because something has it.
pub fn in_use(inquiry: &Inquiry) -> Tried {
    let refused = Refused { why: Refusal::InUse, said: "in use".into(), number: Some(10048) };
    let trial = |place| Trial { place, plain: Err(refused.clone()), reusing: None };
    Tried { trials: inquiry.question.places().into_iter().map(trial).collect(), ..Tried::default() }
}

/// That these processes may not be ended, and that nothing is known of services.
pub fn forbidden<const N: usize>(these: [(Owner, ControlError); N]) -> Response {
    Response::MayEnd(Ok(BeforeTheEnd { forbidden: these.into(), recoveries: Ok(HashMap::new()) }))
}

/// What is answered where nothing is changed.
pub fn fake(request: &Request) -> Response {
    match request.clone() {
        Request::MayEnd(_) => forbidden([]),
        Request::Kill(plan) => {
            let plan = plan.into_plan();
            let became =
                if plan.signal == Signal::Kill { TargetOutcome::Gone } else { TargetOutcome::StillThere };
            let targets = plan.targets.iter().map(|target| (target.owner, became.clone())).collect();
            let outcome = KillOutcome { targets, ports: None, promise: Promise::default() };
            Response::Killed(Box::new(plan), Ok((done(outcome), probed())))
        }
        Request::Close(plan) => {
            let sockets = Some(vec![Closed::Gone; plan.plan().sockets.len()]);
            Response::Closed(Ok(done(CloseOutcome { sockets, complaint: None })))
        }
        Request::SetRange(plan, _) => {
            let set = Ok((done(RangeOutcome::Set { complaint: None }), probed()));
            Response::RangeSet(Box::new(plan.into_plan()), set)
        }
        Request::ReadRange => Response::Range(Ok(ranges())),
        Request::Probe(_) => Response::Probed(Ok(probed())),
        Request::Try(inquiry) => Response::Tried(Ok(Box::new(in_use(&inquiry)))),
        Request::KeepCommands(_) => Response::Kept(Ok("range-commands.txt".into())),
    }
}

/// Presses keys, and lets everything be answered.
pub fn play(app: &mut App, keys: &str) -> Vec<Request> {
    let mut open = asked(press(app, keys));
    let mut all = Vec::new();
    while !open.is_empty() {
        let (id, request) = open.remove(0);
        open.extend(arrives(app, id, fake(&request)));
        all.push(request);
    }
    look(app);
    all
}

pub fn killed(requests: &[Request]) -> Vec<(Vec<Owner>, Signal)> {
    let kill = |request: &Request| match request {
        Request::Kill(plan) => {
            let plan = plan.plan();
            Some((plan.targets.iter().map(|target| target.owner).collect(), plan.signal))
        }
        _ => None,
    };
    requests.iter().filter_map(kill).collect()
}

/// The range of TCP over IPv4 as it is, and that porttop has set it.
pub fn changed() -> RangeReading {
    let reading = ranges();
    let change = RangeChange::Windows {
        spaces: vec![SpaceChange {
            family: Family::Ipv4,
            protocol: Protocol::Tcp,
            store: Store::Active,
            before: PortRange::new(Port(1025), Port(5000)).unwrap(),
            after: reading.now.of(Family::Ipv4, Protocol::Tcp).unwrap().range,
        }],
    };
    let entry = JournalEntry::new(&reading.now, change);
    RangeReading { last: Ok(LastChange { entry: Some(entry), damaged: 0 }), ..reading }
}
