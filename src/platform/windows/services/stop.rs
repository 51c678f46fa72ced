//! Stopping the services of a process: which of them, in which order, and until when it is waited for.
//!
//! All or nothing: when one of them can't be stopped, or a service of another process depends on one, none
//! is touched. The calls are behind [`Services`]; no service is started or configured here.

use std::time::Duration;

use crate::model::Pid;
use crate::platform::control::ControlError;

/// How long services have to stop.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Services are looked at again after a tenth of the time they ask for ("Stopping a Service" of the Win32
/// documentation), but sooner than it says there: a person waits.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

/// `ERROR_SERVICE_REQUEST_TIMEOUT`.
const NOT_ANSWERED: i32 = 1053;
/// `ERROR_DEPENDENT_SERVICES_RUNNING`.
const NEEDED: i32 = 1051;
/// `ERROR_INVALID_SERVICE_CONTROL`.
const NOT_ACCEPTED: i32 = 1052;
/// `ERROR_SERVICE_NOT_ACTIVE`.
const NOT_ACTIVE: i32 = 1062;
/// `ERROR_SERVICE_CANNOT_ACCEPT_CTRL`.
const NOT_NOW: i32 = 1061;
/// `ERROR_SERVICE_DOES_NOT_EXIST`.
const UNKNOWN: i32 = 1060;
/// `ERROR_ACCESS_DENIED`.
const DENIED: i32 = 5;

const NO_RIGHT: ControlError = ControlError::MissingRight {
    right: "the right SERVICE_STOP on the service",
    remedy: "run porttop elevated; some services refuse even administrators",
};

/// The service control manager.
pub(crate) trait Services {
    /// An open service.
    type Opened: Service;

    /// The names of the services that run in a process.
    fn of(&self, pid: Pid) -> Result<Vec<String>, Refused>;

    /// Opens a service to stop it.
    fn open(&self, name: &str) -> Result<Self::Opened, Refused>;

    /// The time since some moment.
    fn clock(&self) -> Duration;

    /// Lets time pass.
    fn pause(&self, time: Duration);
}

/// A service, opened to stop it.
pub(crate) trait Service {
    /// How it is now.
    fn status(&self) -> Result<Status, Refused>;

    /// The active services that need it.
    fn dependents(&self) -> Result<Vec<String>, Refused>;

    /// Asks it to stop.
    fn stop(&self) -> Result<(), Refused>;
}

/// What the service control manager answered instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The error of Win32, where it is one.
    pub code: Option<i32>,
    /// The call and what it said.
    pub said: String,
}

/// How a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// What it does.
    pub state: State,
    /// Whether it can be stopped now.
    pub accepts_stop: bool,
    /// In which process; [`Pid`] 0 when in none.
    pub pid: Pid,
    /// How long it wants to be left alone while it stops.
    pub wait_hint: Duration,
}

/// What a service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// `SERVICE_STOPPED`.
    Stopped,
    /// `SERVICE_STOP_PENDING`.
    Stopping,
    /// Any other.
    Active,
}

/// Stops every service of a process, which is held open by the caller so that its number stays its own.
///
/// # Errors
/// Why none was touched, or which of them did not stop.
pub(crate) fn stop_all<S: Services>(services: &S, pid: Pid) -> Result<(), ControlError> {
    let mut running = Vec::new();
    for name in services.of(pid).map_err(|refused| translated("its services", &refused))? {
        let said = |refused: Refused| translated(&name, &refused);
        let service = services.open(&name).map_err(said)?;
        let status = service.status().map_err(said)?;
        if runs_in(pid, status) {
            let dependents = service.dependents().map_err(said)?;
            running.push(Running { name, status, dependents, service });
        }
    }
    let running = in_order(running)?;
    let deadline = services.clock() + PATIENCE;
    for (stopped, one) in running.iter().enumerate() {
        stop(services, one, pid, deadline).map_err(|error| after(&running[..stopped], error))?;
    }
    Ok(())
}

/// An error that came when some had been stopped already.
fn after<S>(stopped: &[Running<S>], error: ControlError) -> ControlError {
    if stopped.is_empty() {
        return error;
    }
    let names: Vec<_> = stopped.iter().map(|one| one.name.as_str()).collect();
    ControlError::system(format!("{} was stopped, then", names.join(", ")), error)
}

/// A service of the process and what speaks against stopping it.
struct Running<S> {
    name: String,
    status: Status,
    dependents: Vec<String>,
    service: S,
}

fn runs_in(pid: Pid, status: Status) -> bool {
    status.state != State::Stopped && status.pid == pid
}

/// Those that others need come after these.
fn in_order<S>(mut waiting: Vec<Running<S>>) -> Result<Vec<Running<S>>, ControlError> {
    let refused = |message: String| Err(ControlError::NotThisOne(message));
    if waiting.is_empty() {
        return refused("it runs no service any more".into());
    }
    let fixed = waiting.iter().filter(|one| one.status.state == State::Active && !one.status.accepts_stop);
    let fixed: Vec<_> = fixed.map(|one| one.name.as_str()).collect();
    if !fixed.is_empty() {
        return refused(format!("nothing was stopped: {} does not accept a stop", fixed.join(", ")));
    }
    let is_one =
        |waiting: &[Running<S>], name: &str| waiting.iter().any(|one| one.name.eq_ignore_ascii_case(name));
    for one in &waiting {
        let others = one.dependents.iter().filter(|name| !is_one(&waiting, name));
        let others: Vec<_> = others.map(String::as_str).collect();
        if !others.is_empty() {
            let (name, others) = (&one.name, others.join(", "));
            return refused(format!("nothing was stopped: {others} of other processes depend on {name}"));
        }
    }
    let mut ordered = Vec::new();
    while !waiting.is_empty() {
        let needed_by_none =
            waiting.iter().position(|one| !one.dependents.iter().any(|name| is_one(&waiting, name)));
        let Some(next) = needed_by_none else {
            return refused("nothing was stopped: its services depend on each other in a circle".into());
        };
        ordered.push(waiting.remove(next));
    }
    Ok(ordered)
}

/// Stops one service that still runs in the process, and waits until it does not any more.
fn stop<S: Services>(
    services: &S,
    one: &Running<S::Opened>,
    pid: Pid,
    deadline: Duration,
) -> Result<(), ControlError> {
    let said = |refused: Refused| translated(&one.name, &refused);
    let mut status = one.service.status().map_err(said)?;
    if runs_in(pid, status) && status.state == State::Active {
        match one.service.stop() {
            Err(refused) if refused.code != Some(NOT_ACTIVE) => return Err(said(refused)),
            _ => status = one.service.status().map_err(said)?,
        }
    }
    // Started again it runs in another process: that one was not meant.
    while runs_in(pid, status) {
        let left = deadline.saturating_sub(services.clock());
        if left.is_zero() {
            let state = if status.state == State::Stopping { "still stopping" } else { "running as before" };
            let reason = format!("{state} after {} s", PATIENCE.as_secs());
            return Err(ControlError::system(format!("service {}", one.name), reason));
        }
        services.pause((status.wait_hint / 10).clamp(SHORTEST, LONGEST).min(left));
        status = one.service.status().map_err(said)?;
    }
    Ok(())
}

fn translated(name: &str, refused: &Refused) -> ControlError {
    let reason = match refused.code {
        Some(DENIED) => return NO_RIGHT,
        Some(UNKNOWN) => return ControlError::Gone,
        Some(NEEDED) => "services that depend on it have been started meanwhile",
        Some(NOT_ACCEPTED) => "it does not accept a stop",
        Some(NOT_NOW) => "it can't be stopped in its present state",
        Some(NOT_ANSWERED) => "it did not answer the request to stop",
        _ => &refused.said,
    };
    ControlError::system(name, reason)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::rc::Rc;

    use rstest::rstest;

    use super::*;

    const OURS: Pid = Pid(1180);

    /// A service that stops a while after it was asked to.
    #[derive(Clone)]
    struct Made {
        status: Status,
        dependents: Vec<String>,
        takes: Duration,
        asked: Option<Duration>,
        open: Option<i32>,
        stop: Option<i32>,
    }

    fn made(pid: Pid) -> Made {
        let status =
            Status { state: State::Active, accepts_stop: true, pid, wait_hint: Duration::from_secs(2) };
        let takes = Duration::from_secs(3);
        Made { status, dependents: Vec::new(), takes, asked: None, open: None, stop: None }
    }

    fn needed_by(names: &[&str]) -> Made {
        Made { dependents: names.iter().map(|name| (*name).to_owned()).collect(), ..made(OURS) }
    }

    #[derive(Default)]
    struct Machine {
        services: BTreeMap<String, Made>,
        listed: Vec<String>,
        now: Duration,
        stopped: Vec<String>,
    }

    #[derive(Clone)]
    struct Manager(Rc<RefCell<Machine>>);

    impl Manager {
        fn with(services: &[(&str, Made)]) -> Self {
            let listed = services.iter().map(|(name, _)| (*name).to_owned()).collect();
            let services = services.iter().map(|(name, made)| ((*name).to_owned(), made.clone())).collect();
            Self(Rc::new(RefCell::new(Machine { services, listed, ..Machine::default() })))
        }

        fn asked(&self) -> Vec<String> {
            self.0.borrow().stopped.clone()
        }
    }

    fn refused(code: i32) -> Refused {
        Refused { code: Some(code), said: format!("code {code}") }
    }

    impl Services for Manager {
        type Opened = Open;

        fn of(&self, _: Pid) -> Result<Vec<String>, Refused> {
            Ok(self.0.borrow().listed.clone())
        }

        fn open(&self, name: &str) -> Result<Open, Refused> {
            let machine = self.0.borrow();
            let made = machine.services.get(name).ok_or_else(|| refused(UNKNOWN))?;
            made.open.map_or_else(|| Ok(Open(self.clone(), name.to_owned())), |code| Err(refused(code)))
        }

        fn clock(&self) -> Duration {
            self.0.borrow().now
        }

        fn pause(&self, time: Duration) {
            assert!(!time.is_zero());
            self.0.borrow_mut().now += time;
        }
    }

    struct Open(Manager, String);

    impl Service for Open {
        fn status(&self) -> Result<Status, Refused> {
            let machine = self.0.0.borrow();
            let made = &machine.services[&self.1];
            Ok(match made.asked {
                None => made.status,
                Some(asked) if machine.now >= asked + made.takes => {
                    Status { state: State::Stopped, pid: Pid(0), ..made.status }
                }
                Some(_) => Status { state: State::Stopping, accepts_stop: false, ..made.status },
            })
        }

        fn dependents(&self) -> Result<Vec<String>, Refused> {
            Ok(self.0.0.borrow().services[&self.1].dependents.clone())
        }

        fn stop(&self) -> Result<(), Refused> {
            let machine = &mut *self.0.0.borrow_mut();
            let made = machine.services.get_mut(&self.1).unwrap();
            if let Some(code) = made.stop {
                return Err(refused(code));
            }
            made.asked = Some(machine.now);
            machine.stopped.push(self.1.clone());
            Ok(())
        }
    }

    #[test]
    fn all_services_of_the_process_are_stopped_those_that_others_need_last() {
        let manager = Manager::with(&[
            ("Base", needed_by(&["middle", "Top"])),
            ("Middle", needed_by(&["Top"])),
            ("Top", made(OURS)),
        ]);
        assert_eq!(stop_all(&manager, OURS), Ok(()));
        assert_eq!(manager.asked(), ["Top", "Middle", "Base"]);
    }

    #[test]
    fn a_service_that_runs_in_another_process_by_now_is_left_alone() {
        let manager = Manager::with(&[("Ours", made(OURS)), ("Moved", made(Pid(4312)))]);
        assert_eq!(stop_all(&manager, OURS), Ok(()));
        assert_eq!(manager.asked(), ["Ours"]);
        let manager = Manager::with(&[("Moved", made(Pid(4312)))]);
        let error = stop_all(&manager, OURS).unwrap_err().to_string();
        assert_eq!((error.as_str(), manager.asked()), ("it runs no service any more", vec![]));
    }

    /// Moves to another process after it has been looked at for the first time.
    #[test]
    fn a_service_that_moves_at_the_last_moment_is_left_alone() {
        struct Moving(RefCell<Vec<Pid>>, RefCell<u32>);
        impl Service for &Moving {
            fn status(&self) -> Result<Status, Refused> {
                let pid = self.0.borrow_mut().pop().unwrap();
                Ok(Status { pid, ..made(OURS).status })
            }
            fn dependents(&self) -> Result<Vec<String>, Refused> {
                Ok(Vec::new())
            }
            fn stop(&self) -> Result<(), Refused> {
                *self.1.borrow_mut() += 1;
                Ok(())
            }
        }
        impl<'a> Services for &'a Moving {
            type Opened = &'a Moving;
            fn of(&self, _: Pid) -> Result<Vec<String>, Refused> {
                Ok(vec!["Ours".into()])
            }
            fn open(&self, _: &str) -> Result<&'a Moving, Refused> {
                Ok(self)
            }
            fn clock(&self) -> Duration {
                Duration::ZERO
            }
            fn pause(&self, _: Duration) {}
        }
        let moving = Moving(RefCell::new(vec![Pid(4312), OURS]), RefCell::default());
        assert_eq!(stop_all(&&moving, OURS), Ok(()));
        assert_eq!(*moving.1.borrow(), 0);
    }

    #[rstest]
    #[case::dependents(needed_by(&["Backup", "Print"]), "Backup, Print of other processes depend on Spooler")]
    #[case::not_accepted(
        Made { status: Status { accepts_stop: false, ..made(OURS).status }, ..made(OURS) },
        "Spooler does not accept a stop"
    )]
    #[case::circle(needed_by(&["Spooler"]), "in a circle")]
    #[case::no_right(Made { open: Some(DENIED), ..made(OURS) }, "SERVICE_STOP")]
    #[case::unknown(Made { open: Some(UNKNOWN), ..made(OURS) }, "gone")]
    fn when_one_can_not_be_stopped_none_is(#[case] spooler: Made, #[case] why: &str) {
        let manager = Manager::with(&[("Other", made(OURS)), ("Spooler", spooler)]);
        let error = stop_all(&manager, OURS).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(manager.asked(), [""; 0]);
    }

    #[rstest]
    #[case(DENIED, "SERVICE_STOP")]
    #[case(NEEDED, "have been started meanwhile")]
    #[case(NOT_ACCEPTED, "does not accept")]
    #[case(NOT_NOW, "present state")]
    #[case(NOT_ANSWERED, "did not answer")]
    #[case(1, "Spooler: code 1")]
    fn a_refusal_is_put_into_words(#[case] code: i32, #[case] why: &str) {
        let manager = Manager::with(&[("Spooler", Made { stop: Some(code), ..made(OURS) })]);
        let error = stop_all(&manager, OURS).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn what_was_stopped_before_one_refused_is_said() {
        let refusing = Made { stop: Some(NOT_ACCEPTED), ..needed_by(&["Top"]) };
        let manager = Manager::with(&[("Base", refusing), ("Top", made(OURS))]);
        let error = stop_all(&manager, OURS).unwrap_err().to_string();
        assert_eq!(error, "Top was stopped, then: Base: it does not accept a stop");
    }

    #[test]
    fn it_is_waited_for_as_long_as_was_promised_and_no_longer() {
        let slow = Made { takes: PATIENCE * 2, ..made(OURS) };
        let manager = Manager::with(&[("Slow", slow)]);
        let error = stop_all(&manager, OURS).unwrap_err().to_string();
        assert_eq!(error, "service Slow: still stopping after 30 s");
        assert_eq!(manager.clock(), PATIENCE);
    }

    #[test]
    fn one_that_stops_already_is_only_waited_for() {
        let stopping = Made { asked: Some(Duration::ZERO), takes: Duration::from_secs(5), ..made(OURS) };
        let manager = Manager::with(&[("Stopping", stopping)]);
        assert_eq!(stop_all(&manager, OURS), Ok(()));
        assert_eq!((manager.asked(), manager.clock()), (vec![], Duration::from_secs(5)));
    }
}
