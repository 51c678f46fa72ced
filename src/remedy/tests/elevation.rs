//! Rights that the person is asked for: what is read back decides, and nobody is asked twice.

use rstest::rstest;

use super::{Stand, range, range_state, state};
use crate::analysis::range_plan::{self, RangeFacts};
use crate::model::{Family, PortSet, Protocol, System};
use crate::platform::control::{
    ControlError, Controls, Elevation, RangeControl as _, RangeState, RangeStep, Store,
};
use crate::remedy::audit::{self, Stage};
use crate::remedy::range::{Journal, RangePlan};
use crate::remedy::{Executor, License, Plan as _};

#[derive(Clone, Copy)]
enum Person {
    Yes,
    No,
    YesInVain,
}

struct Asked {
    person: Person,
    machine: Stand,
    questions: u32,
}

impl Elevation for Asked {
    fn take(&mut self, step: &RangeStep) -> Result<(), ControlError> {
        self.questions += 1;
        assert_eq!(self.questions, 1, "asked twice");
        match self.person {
            Person::Yes => self.machine.take(step).map(drop),
            Person::No => Err(ControlError::Declined("answered with no")),
            Person::YesInVain => Ok(()),
        }
    }
}

fn windows() -> RangeState {
    range_state(System::Windows, range(49152, 65535))
}

fn plan(now: &RangeState, spaces: &[(Family, Protocol)], store: Store) -> RangePlan {
    let propose = |(family, protocol): &(Family, Protocol)| {
        let facts = RangeFacts {
            system: now.system,
            limits: now.limits,
            now: now.of(*family, *protocol).unwrap().clone(),
            used: PortSet::new(),
            peak: None,
            per_second: None,
            demand: None,
            listeners: Vec::new(),
            unread: false,
        };
        (*family, *protocol, range_plan::own(&facts, 10000, 55536).unwrap())
    };
    RangePlan::set(now, &spaces.iter().map(propose).collect::<Vec<_>>(), store)
}

#[rstest]
#[case::yes(Person::Yes, true, "It is set: read back and compared.")]
#[case::no(Person::No, false, "It was not set: answered with no")]
#[case::in_vain(Person::YesInVain, false, "but read back it is")]
fn what_is_read_back_decides(
    #[case] person: Person,
    #[case] set: bool,
    #[case] said: &str,
    #[values(Store::Active, Store::Persistent)] store: Store,
) {
    let (now, machine, (_home, state)) = (windows(), Stand::default(), state());
    machine.with(|machine| machine.range = Some(now.clone()));
    let controls = Controls {
        processes: Box::new(machine.clone()),
        sockets: Box::new(machine.clone()),
        ranges: Box::new(machine.clone()),
        elevation: Some(Box::new(Asked { person, machine: machine.clone(), questions: 0 })),
    };
    let license = License::unless(false).unwrap();
    let mut executor = Executor::with(license, controls, Box::new(machine.clone()), state.clone());
    let plan = plan(&now, &[(Family::Ipv4, Protocol::Tcp)], store);
    let outcome = executor.set_range_elevated(&plan.confirm().unwrap()).unwrap().outcome;
    assert_eq!(outcome.succeeded(), set);
    assert!(outcome.sentences()[0].contains(said), "{outcome:?}");
    assert_eq!(machine.range().spaces == now.spaces, !set);
    let kept = set && store == Store::Persistent;
    assert_eq!(machine.range().persistent == now.persistent, !kept);
    assert_eq!(Journal::of(&state).last(&now).unwrap().entry.is_some(), set);
    let entries = audit::read(&state).unwrap().0;
    let stages: Vec<_> = entries.into_iter().map(|entry| entry.stage).collect();
    assert!(
        matches!(stages.as_slice(), [Stage::Asked { .. }, Stage::Done { succeeded, .. }] if *succeeded == set),
        "{stages:?}"
    );
}

#[test]
fn it_is_offered_for_one_step_only() {
    let now = windows();
    let one = (Family::Ipv4, Protocol::Tcp);
    for store in [Store::Active, Store::Persistent] {
        assert!(plan(&now, &[one], store).single_step().is_some());
        assert!(plan(&now, &[one, (Family::Ipv6, Protocol::Tcp)], store).single_step().is_none());
    }
}

/// Setting back two ranges of one port space takes two steps.
#[test]
fn it_is_not_offered_where_a_second_step_sets_something_else() {
    let (mut now, machine, (_home, state)) = (windows(), Stand::default(), state());
    let one = (Family::Ipv4, Protocol::Tcp);
    now.persistent.insert(one, range(1025, 5000));
    machine.with(|machine| machine.range = Some(now.clone()));
    let set = plan(&now, &[one], Store::Persistent);
    machine.executor(&state).set_range(&set.confirm().unwrap()).unwrap();
    let now = machine.range();
    let undo = RangePlan::undo(&now, Journal::of(&state).last(&now).unwrap());
    assert_eq!((undo.commands().len(), undo.single_step()), (2, None));
}
