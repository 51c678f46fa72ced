//! A stand-in (`tests/lab/netsh.rs`) that behaves like `netsh`: in every language, and in every way in which it may
//! fail.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use encoding_rs::{Encoding, GBK, IBM866, SHIFT_JIS, WINDOWS_1252};
use rstest::rstest;

use super::{Stand, range, state};
use crate::analysis::range_plan::{self, RangeFacts};
use crate::model::{Family, NamespaceId, PortRange, PortSet, Protocol, SpaceId};
use crate::platform::control::{Controls, RangeControl, RangeState, Store};
use crate::platform::windows::ranges::format::readable;
use crate::platform::windows::ranges::netsh::Netsh;
use crate::remedy::range::{Journal, RangeOutcome, RangePlan};
use crate::remedy::{Executor, License, Plan, StateDirectory};

/// What moves the range, and no step that sets it back.
const NEW: &str = "start=10000";

struct Fake {
    home: tempfile::TempDir,
    limit: Duration,
    elevated: bool,
}

impl Fake {
    fn new(behaviour: &str) -> Self {
        let examples = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples");
        let home = tempfile::tempdir_in(&examples).unwrap();
        let fake = Self { home, limit: Duration::from_mins(1), elevated: true };
        let stand_in = examples.join("netsh").with_extension(std::env::consts::EXE_EXTENSION);
        // A copy can't be run on Linux while a child of another test, which has not become its program yet, holds
        // it open for writing; a link can't be removed on Windows while another one runs.
        let placed = if cfg!(windows) {
            fs::copy(&stand_in, fake.program()).map(drop)
        } else {
            fs::hard_link(&stand_in, fake.program())
        };
        placed.unwrap_or_else(|error| {
            panic!("{}: {error}: cargo build --example netsh", stand_in.display());
        });
        fs::write(fake.home.path().join("behaviour"), behaviour).unwrap();
        fake
    }

    fn says(&self, [title, first, second, ok]: [&str; 4], encoding: &'static Encoding) {
        for (name, text) in [("title", title), ("first", first), ("second", second), ("ok", ok)] {
            self.has(name, text, encoding);
        }
    }

    fn has(&self, name: &str, text: &str, encoding: &'static Encoding) {
        let (bytes, _, failed) = encoding.encode(text);
        assert!(!failed, "{text}");
        fs::write(self.home.path().join(name), bytes).unwrap();
    }

    fn program(&self) -> PathBuf {
        self.home.path().join("netsh").with_extension(std::env::consts::EXE_EXTENSION)
    }

    fn netsh(&self) -> Netsh {
        Netsh {
            program: self.program(),
            folder: self.home.path().to_owned(),
            limit: self.limit,
            elevated: self.elevated,
            decode: readable,
        }
    }

    fn read(&self) -> RangeState {
        self.netsh().read().unwrap()
    }

    fn tcp4(&self) -> PortRange {
        self.read().of(Family::Ipv4, Protocol::Tcp).unwrap().range
    }

    /// What each process was asked.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.home.path().join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    fn settings(&self) -> Vec<String> {
        self.calls().into_iter().filter(|call| call.contains(" set ")).collect()
    }

    fn executor(&self, state: &StateDirectory) -> Executor {
        let stand = Stand::default();
        let controls = Controls {
            processes: Box::new(stand.clone()),
            sockets: Box::new(stand.clone()),
            ranges: Box::new(self.netsh()),
            elevation: None,
        };
        Executor::with(License::unless(false).unwrap(), controls, Box::new(stand), state.clone())
    }

    /// Sets TCP over IPv4 to 10000–65535.
    fn set(&self) -> RangeOutcome {
        self.set_in(Store::Active)
    }

    fn set_in(&self, store: Store) -> RangeOutcome {
        let (_home, state) = state();
        let now = self.read();
        let plan = plan(&now, &[(Family::Ipv4, Protocol::Tcp)], store).confirm().unwrap();
        self.executor(&state).set_range(&plan).unwrap().outcome
    }
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

fn restored(outcome: RangeOutcome) -> String {
    let RangeOutcome::Restored { complaint } = outcome else { panic!("{outcome:?}") };
    complaint
}

#[rstest]
#[case::english(["Protocol tcp Dynamic Port Range", "Start Port", "Number of Ports", "Ok."], WINDOWS_1252)]
#[case::french(["Plage de ports dynamique du protocole tcp", "Port de démarrage", "Nombre de ports", "Ok."], WINDOWS_1252)]
#[case::german(["Protokoll tcp Dynamischer Portbereich", "Startport", "Anzahl von Ports", "OK."], WINDOWS_1252)]
#[case::japanese(["プロトコル tcp の動的ポートの範囲", "開始ポート", "ポート数", "OK"], SHIFT_JIS)]
#[case::chinese(["协议 tcp 动态端口范围", "启动端口", "端口数", "确定。"], GBK)]
#[case::russian(["Динамический диапазон портов", "Начальный порт", "Число портов", "ОК."], IBM866)]
fn in_every_language_it_is_set_and_undone(
    #[case] words: [&str; 4],
    #[case] encoding: &'static Encoding,
    #[values(Store::Active, Store::Persistent)] store: Store,
) {
    let fake = Fake::new("");
    fake.says(words, encoding);
    let (_home, state) = state();
    let before = fake.read();
    assert_eq!(before.of(Family::Ipv4, Protocol::Tcp).unwrap().capacity(), 16384 - 60);
    let set = plan(&before, &[(Family::Ipv4, Protocol::Tcp)], store).confirm().unwrap();
    let done = fake.executor(&state).set_range(&set).unwrap();
    assert_eq!(done.outcome, RangeOutcome::Set { complaint: None });
    assert_eq!(fake.tcp4(), range(10000, 65535));
    let set = ["persistent", "active"]
        .map(|store| format!("int ipv4 set dynamicport tcp start=10000 num=55536 store={store}"));
    assert_eq!(fake.settings(), if store == Store::Persistent { &set[..] } else { &set[1..] });

    let now = fake.read();
    let mut restarted = fake.executor(&state);
    let undo = RangePlan::undo(&now, Journal::of(&state).last(&now).unwrap());
    assert!(restarted.set_range(&undo.confirm().unwrap()).unwrap().outcome.succeeded());
    assert_eq!(fake.read(), before);
}

#[test]
fn all_is_asked_of_one_process() {
    let fake = Fake::new("");
    fake.read();
    let calls = fake.calls();
    let [script] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!(script.split("; ").count(), 12, "{script}");
    let spaces = fake.netsh().spaces();
    assert_eq!((spaces.gaps, fake.calls().len()), (vec![], 2));
    assert_eq!(fake.calls()[1].split("; ").count(), 8);
    // Nothing stays behind.
    let files = fs::read_dir(fake.home.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(files.filter(|name| name.to_string_lossy().starts_with("porttop-")).count(), 0);
}

#[test]
fn each_store_is_read_for_itself() {
    let fake = Fake::new("");
    for (file, set) in [("ipv4-tcp-active", "1025 3976"), ("ipv6-udp-persistent", "20000 1000")] {
        fs::write(fake.home.path().join(file), set).unwrap();
    }
    let now = fake.read();
    let stored = |family, protocol| {
        [Store::Active, Store::Persistent].map(|store| now.stored(family, protocol, store).unwrap())
    };
    assert_eq!(stored(Family::Ipv4, Protocol::Tcp), [range(1025, 5000), range(49152, 65535)]);
    assert_eq!(stored(Family::Ipv6, Protocol::Udp), [range(49152, 65535), range(20000, 20999)]);
    assert_eq!(stored(Family::Ipv4, Protocol::Udp), [range(49152, 65535); 2]);
}

#[rstest]
#[case::with_exit_code_0("say")]
#[case::with_exit_code_1("say; exit 1")]
#[case::without_a_word("exit 1")]
fn a_store_that_cannot_be_read_costs_only_itself(#[case] action: &str) {
    let fake = Fake::new(&format!("store=persistent\t{action}\n"));
    let now = fake.read();
    assert_eq!(now.persistent.len(), 0);
    assert_eq!(fake.tcp4(), range(49152, 65535));
    let refusal = plan(&now, &[(Family::Ipv4, Protocol::Tcp)], Store::Persistent).confirm().unwrap_err();
    assert!(refusal.to_string().contains("after the next start is not known"), "{refusal}");

    let fake = Fake::new(&format!("store=active\t{action}\n"));
    let error = fake.netsh().read().unwrap_err().to_string();
    let said = if action.contains("say") { "The parameter is incorrect." } else { "printed nothing" };
    assert!(error.contains(said), "{error}");
}

#[test]
fn one_space_that_cannot_be_read_costs_only_itself() {
    let fake = Fake::new("ipv6 show dynamicport udp store=active\tsay\n");
    fake.has("said", "Параметр задан неверно.\r\n\r\n", IBM866);
    let decode = |bytes: &[u8]| IBM866.decode(bytes).0.into_owned();
    let spaces = Netsh { decode, ..fake.netsh() }.spaces();
    let known: Vec<_> = spaces.value.iter().map(|space| (space.id, space.dynamic.is_some())).collect();
    let expected = |id: SpaceId| (id, (id.family, id.protocol) != (Family::Ipv6, Protocol::Udp));
    assert_eq!(known, SpaceId::all_of(NamespaceId::ONLY).map(expected));
    let [gap] = &spaces.gaps[..] else { panic!("{:?}", spaces.gaps) };
    assert!(gap.reason.to_string().ends_with("something else: Параметр задан неверно."), "{gap:?}");
    assert!(fake.calls().len() <= 7, "{:?}", fake.calls());
}

#[test]
fn excluded_ports_that_cannot_be_read_are_said() {
    let spaces = Fake::new("ipv4 show excludedportrange protocol=udp\tsay\n").netsh().spaces();
    assert!(spaces.value.iter().all(|space| space.dynamic.is_some()));
    let [gap] = &spaces.gaps[..] else { panic!("{:?}", spaces.gaps) };
    assert!(gap.to_string().contains("The parameter is incorrect."), "{gap}");
}

#[test]
fn the_limit_is_for_all_that_is_asked_at_once() {
    let fake = Fake::new("ipv6 show dynamicport udp store=active\thang\n");
    let fake = Fake { limit: Duration::from_secs(2), ..fake };
    let spaces = fake.netsh().spaces();
    assert!(spaces.value.iter().all(|space| space.dynamic.is_none()));
    assert!(spaces.gaps.iter().all(|gap| gap.reason.to_string().contains("no answer within 2 s")));
    assert_eq!(spaces.gaps.len(), 4);
    assert!(fake.calls().len() <= 1);
}

#[test]
fn one_that_takes_its_time_is_waited_for() {
    let spaces = Fake::new("show\twait 20; obey\n").netsh().spaces();
    assert_eq!(spaces.gaps, []);
}

#[test]
fn success_that_prints_nothing_is_success_when_it_is_read_back() {
    let fake = Fake::new("");
    fake.has("ok", "", WINDOWS_1252);
    assert!(fake.set().succeeded());
}

#[test]
fn success_without_effect_is_a_lie() {
    let fake = Fake::new(&format!("{NEW}\tlie\n"));
    let complaint = restored(fake.set());
    assert!(complaint.contains("reported success") && complaint.contains("“Ok.”"), "{complaint}");
    assert!(complaint.contains("49152–65535"), "{complaint}");
}

#[test]
fn success_with_another_effect_is_taken_back() {
    let fake = Fake::new(&format!("{NEW}\tobey 10000 1000\n"));
    let complaint = restored(fake.set());
    assert!(complaint.contains("10000–10999"), "{complaint}");
    assert_eq!(fake.tcp4(), range(49152, 65535));
}

#[test]
fn a_refusal_is_shown_as_it_is() {
    let fake = Fake::new(" set \tsay; exit 1\n");
    fake.has("said", "Zugriff\u{1b}[2J verweigert.\r\n", WINDOWS_1252);
    let complaint = restored(fake.set());
    assert!(complaint.contains("exit code 1") && complaint.contains("verweigert."), "{complaint}");
    assert!(!complaint.contains('\u{1b}'), "{complaint:?}");
}

#[test]
fn a_refusal_without_elevation_names_the_right() {
    let fake = Fake { elevated: false, ..Fake::new(" set \tsay; exit 1\n") };
    assert!(restored(fake.set()).contains("administrator"));
}

#[test]
fn an_error_that_took_effect_is_success_with_a_complaint() {
    let outcome = Fake::new(" set \tobey; exit 1\n").set();
    assert!(matches!(&outcome, RangeOutcome::Set { complaint: Some(said) } if said.contains("exit code 1")));
}

#[test]
fn what_does_not_reach_both_stores_is_taken_back_from_both() {
    let only_later = format!("{NEW} num=55536 store=persistent\tlater 10000 55536\n{NEW}\tlie\n");
    let fake = Fake::new(&only_later);
    let complaint = restored(fake.set_in(Store::Persistent));
    assert!(complaint.contains("persistent TCP IPv4 10000–65535, TCP IPv4 49152–65535"), "{complaint}");
    let later = fake.read().stored(Family::Ipv4, Protocol::Tcp, Store::Persistent);
    assert_eq!((fake.tcp4(), later), (range(49152, 65535), Some(range(49152, 65535))));
}

#[test]
fn one_that_hangs_is_ended() {
    // It hangs when it is to set the new range, and works when it is to set back the old one.
    let fake = Fake { limit: Duration::from_secs(2), ..Fake::new(&format!("{NEW}\thang\n")) };
    let complaint = restored(fake.set());
    assert!(complaint.contains("no answer within 2 s"), "{complaint}");
    assert_eq!(fake.tcp4(), range(49152, 65535));
}

#[test]
fn the_first_of_two_is_taken_back_when_the_second_fails() {
    let fake = Fake::new("ipv6 set\texit 1\n");
    let (_home, state) = state();
    let now = fake.read();
    let both = plan(&now, &[(Family::Ipv4, Protocol::Tcp), (Family::Ipv6, Protocol::Tcp)], Store::Active);
    let outcome = fake.executor(&state).set_range(&both.confirm().unwrap()).unwrap().outcome;
    restored(outcome);
    assert_eq!(fake.tcp4(), range(49152, 65535));
    assert_eq!(fake.settings().len(), 4);
}

#[test]
fn as_under_wine_it_says_nothing_at_all() {
    let fake = Fake::new("int\texit 0\n");
    let error = fake.netsh().read().unwrap_err().to_string();
    assert!(error.contains("netsh printed nothing"), "{error}");
}

#[test]
fn one_that_is_not_there_is_named() {
    let fake = Fake::new("");
    fs::remove_file(fake.program()).unwrap();
    assert!(fake.netsh().read().unwrap_err().to_string().starts_with("netsh:"));
}
