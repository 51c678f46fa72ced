//! Tries whether a very port can be had, and reads what decides that beside the sockets. It changes nothing:
//! a port is taken and given back at once.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::patience::again_while;
use super::probe::Unresolved;
use crate::analysis::why::{Place, Question, Refusal, Refused, Trial, Tried, other_namespaces};
use crate::model::{Gap, Missing, NamespaceId, Observed, Owner, Port, Protocol, Reason, Remedy, System};
use crate::platform;
use crate::platform::control::PortTrial;

/// How long is waited for a descriptor.
const PATIENCE: Duration = Duration::from_secs(1);

/// A question, and what has to be known of the machine to answer it.
#[derive(Clone, Debug, PartialEq)]
pub struct Inquiry {
    /// The question.
    pub question: Question,
    /// The processes of other network namespaces.
    namespaces: Vec<(NamespaceId, Vec<Owner>)>,
    /// Why there may be other namespaces.
    gap: Option<Gap>,
}

impl Inquiry {
    /// A question about the machine as it was seen.
    #[must_use]
    pub fn of(question: Question, snapshot: &Observed) -> Self {
        let untold = || snapshot.processes.values().any(|process| process.namespace.is_none());
        let may_be_others = snapshot.host.system == System::Linux && untold();
        let denied = Gap::new(Missing::Namespaces(None), Reason::AccessDenied);
        // Some processes are hidden from root too.
        let is_root = snapshot.host.elevated;
        let gap = if is_root { denied } else { denied.fixed_by(Remedy::Root(&["CAP_SYS_PTRACE"])) };
        Self { question, namespaces: other_namespaces(snapshot), gap: may_be_others.then_some(gap) }
    }
}

/// Tries and reads what a question takes.
#[must_use]
pub fn try_all(inquiry: &Inquiry) -> Tried {
    let system = platform::system();
    let trials = bind_all(&mut *platform::trial(), system, &inquiry.question.places());
    let elsewhere = platform::elsewhere(inquiry.question.port(), &inquiry.namespaces);
    let gaps = elsewhere.gaps.into_iter().chain(inquiry.gap.clone()).collect();
    Tried { trials, unprivileged_start: unprivileged_start(system), elsewhere: elsewhere.value, gaps }
}

/// The first port that needs no right, where that can be told.
fn unprivileged_start(system: System) -> Option<Port> {
    let state = || platform::controls().ranges.read().ok();
    (system == System::Linux).then(state)?.map(|state| state.limits.lowest_start)
}

/// Binds to each place once, and where that is in use once more with `SO_REUSEADDR`. Only TCP: a UDP socket that
/// shares a port is sent what others wait for.
pub fn bind_all(trial: &mut dyn PortTrial, system: System, places: &[Place]) -> Vec<Trial> {
    let deadline = Instant::now() + PATIENCE;
    let is_full =
        |error: &io::Error| system == System::Linux && matches!(error.raw_os_error(), Some(23 | 24));
    let mut bind = |place: Place, reusing| {
        again_while(deadline, is_full, || trial.bind(place.protocol, place.local, reusing))
            .map_err(|error| refused(system, place.local, &error))
    };
    let trials = places.iter().map(|place| {
        let plain = bind(*place, false);
        let in_use = plain.as_ref().is_err_and(|refused| refused.why == Refusal::InUse);
        // Windows would hand over a port that others use.
        let shares = in_use && place.protocol == Protocol::Tcp && system == System::Linux;
        Trial { place: *place, plain, reusing: shares.then(|| bind(*place, true)) }
    });
    trials.collect()
}

/// What an error of `bind()` says of the port. Numbers: `asm-generic/errno.h` and `asm-generic/errno-base.h`;
/// "Windows Sockets Error Codes".
fn refused(system: System, local: SocketAddr, error: &io::Error) -> Refused {
    let number = error.raw_os_error();
    let no_address = if local.ip().is_unspecified() { Refusal::NoFamily } else { Refusal::NoAddress };
    let why = match (system, number) {
        (System::Linux, Some(98)) | (System::Windows, Some(10048)) => Refusal::InUse,
        (System::Linux, Some(1 | 13)) | (System::Windows, Some(10013)) => Refusal::NoRight,
        (System::Linux, Some(97)) | (System::Windows, Some(10047)) => Refusal::NoFamily,
        (System::Linux, Some(99)) | (System::Windows, Some(10049)) => no_address,
        (System::Linux | System::Windows, _) => Refusal::Untried,
        // Their numbers differ; the library knows them.
        (System::Other, _) => match error.kind() {
            io::ErrorKind::AddrInUse => Refusal::InUse,
            io::ErrorKind::PermissionDenied => Refusal::NoRight,
            io::ErrorKind::AddrNotAvailable => no_address,
            _ => Refusal::Untried,
        },
    };
    Refused { why, said: error.to_string(), number }
}

/// Why a destination is none that can be asked about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDestination {
    /// It has no address.
    #[error(transparent)]
    Unresolved(#[from] Unresolved),
    /// To look up its name would send something.
    #[error("'{0}' is a name, and to look it up sends something: give an address, or leave --read-only out")]
    ReadOnly(String),
}

/// The address of a destination that a person has named. An address is taken as it is; a name is looked up.
///
/// # Errors
/// When it has none, or may not be looked up.
pub fn destination(text: &str, read_only: bool) -> Result<SocketAddr, NoDestination> {
    match text.parse() {
        Ok(address) => Ok(address),
        Err(_) if read_only => Err(NoDestination::ReadOnly(text.to_owned())),
        Err(_) => Ok(super::probe::resolve(text)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(System::Linux, "127.0.0.1:80", 98, Refusal::InUse)]
    #[case(System::Linux, "127.0.0.1:80", 13, Refusal::NoRight)]
    #[case(System::Linux, "127.0.0.1:80", 99, Refusal::NoAddress)]
    #[case(System::Linux, "[::]:80", 99, Refusal::NoFamily)]
    #[case(System::Linux, "[::]:80", 97, Refusal::NoFamily)]
    #[case(System::Linux, "127.0.0.1:80", 24, Refusal::Untried)]
    #[case(System::Linux, "127.0.0.1:80", 22, Refusal::Untried)]
    #[case(System::Windows, "127.0.0.1:80", 10048, Refusal::InUse)]
    #[case(System::Windows, "127.0.0.1:80", 10013, Refusal::NoRight)]
    #[case(System::Windows, "127.0.0.1:80", 10049, Refusal::NoAddress)]
    #[case(System::Windows, "[::]:80", 10047, Refusal::NoFamily)]
    #[case(System::Windows, "127.0.0.1:80", 98, Refusal::Untried)]
    fn an_error_says_what_is_the_matter(
        #[case] system: System,
        #[case] local: &str,
        #[case] number: i32,
        #[case] why: Refusal,
    ) {
        let error = io::Error::from_raw_os_error(number);
        let refused = refused(system, local.parse().unwrap(), &error);
        assert_eq!((refused.why, refused.number), (why, Some(number)));
    }

    #[test]
    fn a_name_is_not_looked_up_where_nothing_may_be_sent() {
        assert_eq!(destination("127.0.0.1:80", true), Ok(([127, 0, 0, 1], 80).into()));
        assert!(matches!(destination("localhost:80", true), Err(NoDestination::ReadOnly(_))));
        assert_eq!(destination("localhost:80", false).map(|to| to.port()), Ok(80));
        for wrong in ["80", "localhost", "localhost:65536", ""] {
            let error = destination(wrong, false);
            assert!(matches!(error, Err(NoDestination::Unresolved(Unresolved::Malformed(_)))), "{error:?}");
        }
    }

    /// Refuses the first so many times.
    struct Fails(usize, i32, Vec<bool>);

    impl PortTrial for Fails {
        fn bind(&mut self, _: Protocol, _: SocketAddr, reusing: bool) -> io::Result<()> {
            self.2.push(reusing);
            if self.2.len() <= self.0 { Err(io::Error::from_raw_os_error(self.1)) } else { Ok(()) }
        }
    }

    #[rstest]
    #[case::in_use(Protocol::Tcp, 1, 98, &[false, true])]
    #[case::never_two_for_one_datagram(Protocol::Udp, 1, 98, &[false])]
    #[case::free(Protocol::Tcp, 0, 98, &[false])]
    #[case::no_right(Protocol::Tcp, 1, 13, &[false])]
    #[case::no_descriptor_at_first(Protocol::Tcp, 2, 24, &[false, false, false])]
    fn only_where_it_helps_a_port_is_shared(
        #[case] protocol: Protocol,
        #[case] times: usize,
        #[case] number: i32,
        #[case] calls: &[bool],
    ) {
        let mut fails = Fails(times, number, Vec::new());
        let place = Place { protocol, local: ([127, 0, 0, 1], 80).into() };
        let trials = bind_all(&mut fails, System::Linux, &[place]);
        assert_eq!((fails.2.as_slice(), trials.len()), (calls, 1));
    }
}
