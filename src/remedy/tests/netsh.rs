//! A stand-in that behaves like `netsh`: in every language, and in every way in which it may fail.
#![cfg(unix)]

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use encoding_rs::{Encoding, GBK, IBM866, SHIFT_JIS, WINDOWS_1252};
use rstest::rstest;

use super::{Stand, range, state};
use crate::analysis::range_plan::{self, RangeFacts};
use crate::model::{Family, PortRange, PortSet, Protocol};
use crate::platform::control::{Controls, RangeControl, RangeState, Store};
use crate::platform::windows::ranges::netsh::Netsh;
use crate::remedy::range::{Journal, RangeOutcome, RangePlan};
use crate::remedy::{Executor, License, Plan, StateDirectory};

/// Shows what its files hold, in the words of its other files; `set` is what `$behaviour` says.
const SCRIPT: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/calls"
obey() {
    echo "${1#start=} ${2#num=}" > "$state-active"
    case $store in store=persistent) cp "$state-active" "$state-persistent" ;; esac
}
state="$here/$2-$5"
for store; do :; done
case "$3 $4" in
"show dynamicport")
    read -r start count 2>/dev/null < "$state-${store#store=}" || { start=49152; count=16384; }
    printf '\r\n'; cat "$here/title"; printf '\r\n---------------------------------\r\n'
    cat "$here/first"; printf '      : %s\r\n' "$start"
    cat "$here/second"; printf ' : %s\r\n\r\n' "$count" ;;
"show excludedportrange")
    printf '\r\n'; cat "$here/title"; printf '\r\n----------    --------\r\n     50000       50059     *\r\n\r\n' ;;
"set dynamicport")
    . "$here/behaviour" ;;
*)  exit 9 ;;
esac
"#;

const OBEYS: &str = r#"obey "$6" "$7"; cat "$here/ok""#;

struct Fake {
    home: tempfile::TempDir,
    limit: Duration,
    elevated: bool,
}

impl Fake {
    fn new(behaviour: &str) -> Self {
        let fake =
            Self { home: tempfile::tempdir().unwrap(), limit: Duration::from_secs(30), elevated: true };
        fake.is(SCRIPT);
        fake.says(["Protocol tcp Dynamic Port Range", "Start Port", "Number of Ports", "Ok."], WINDOWS_1252);
        fs::write(fake.home.path().join("behaviour"), behaviour).unwrap();
        fake
    }

    /// Writes the program. A child that another test has started at this moment may hold the file open
    /// for writing until it is its own program; as long as one does, it can't be run.
    fn is(&self, script: &str) {
        fs::write(self.program(), script).unwrap();
        fs::set_permissions(self.program(), fs::Permissions::from_mode(0o755)).unwrap();
        while let Err(error) = Command::new(self.program()).stdout(Stdio::null()).status() {
            assert_eq!(error.kind(), ErrorKind::ExecutableFileBusy);
        }
    }

    fn says(&self, [title, first, second, ok]: [&str; 4], encoding: &'static Encoding) {
        for (name, text) in [("title", title), ("first", first), ("second", second), ("ok", ok)] {
            let (bytes, _, failed) = encoding.encode(text);
            assert!(!failed, "{text}");
            fs::write(self.home.path().join(name), bytes).unwrap();
        }
    }

    fn program(&self) -> PathBuf {
        self.home.path().join("netsh")
    }

    fn netsh(&self) -> Netsh {
        Netsh { program: self.program(), limit: self.limit, elevated: self.elevated }
    }

    fn read(&self) -> RangeState {
        self.netsh().read().unwrap()
    }

    fn tcp4(&self) -> PortRange {
        self.read().of(Family::Ipv4, Protocol::Tcp).unwrap().range
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.home.path().join("calls")).unwrap();
        calls.lines().filter(|call| call.contains(" set ")).map(str::to_owned).collect()
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
    let fake = Fake::new(OBEYS);
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
    assert_eq!(fake.calls(), if store == Store::Persistent { &set[..] } else { &set[1..] });

    let now = fake.read();
    let mut restarted = fake.executor(&state);
    let undo = RangePlan::undo(&now, Journal::of(&state).last(&now).unwrap());
    assert!(restarted.set_range(&undo.confirm().unwrap()).unwrap().outcome.succeeded());
    assert_eq!(fake.read(), before);
}

#[test]
fn success_that_prints_nothing_is_success_when_it_is_read_back() {
    assert!(Fake::new(r#"obey "$6" "$7""#).set().succeeded());
}

#[test]
fn success_without_effect_is_a_lie() {
    let fake = Fake::new(r#"cat "$here/ok""#);
    let complaint = restored(fake.set());
    assert!(complaint.contains("reported success") && complaint.contains("“Ok.”"), "{complaint}");
    assert!(complaint.contains("49152–65535"), "{complaint}");
}

#[test]
fn success_with_another_effect_is_taken_back() {
    let fake = Fake::new(r#"case $6 in start=10000) obey start=10000 num=1000 ;; *) obey "$6" "$7" ;; esac"#);
    let complaint = restored(fake.set());
    assert!(complaint.contains("10000–10999"), "{complaint}");
    assert_eq!(fake.tcp4(), range(49152, 65535));
}

#[test]
fn a_refusal_is_shown_as_it_is() {
    let fake = Fake::new(r"printf 'Zugriff\033[2J verweigert.\r\n'; exit 1");
    let complaint = restored(fake.set());
    assert!(complaint.contains("exit code 1") && complaint.contains("verweigert."), "{complaint}");
    assert!(!complaint.contains('\u{1b}'), "{complaint:?}");
}

#[test]
fn a_refusal_without_elevation_names_the_right() {
    let fake = Fake { elevated: false, ..Fake::new("echo x; exit 1") };
    assert!(restored(fake.set()).contains("administrator"));
}

#[test]
fn an_error_that_took_effect_is_success_with_a_complaint() {
    let outcome = Fake::new(r#"obey "$6" "$7"; exit 1"#).set();
    assert!(matches!(&outcome, RangeOutcome::Set { complaint: Some(said) } if said.contains("exit code 1")));
}

#[test]
fn what_does_not_reach_both_stores_is_taken_back_from_both() {
    let only_later =
        r#"case $6 in start=10000) echo "10000 55536" > "$state-persistent" ;; *) obey "$6" "$7" ;; esac"#;
    let fake = Fake::new(only_later);
    let complaint = restored(fake.set_in(Store::Persistent));
    assert!(complaint.contains("persistent TCP IPv4 10000–65535, TCP IPv4 49152–65535"), "{complaint}");
    let later = fake.read().stored(Family::Ipv4, Protocol::Tcp, Store::Persistent);
    assert_eq!((fake.tcp4(), later), (range(49152, 65535), Some(range(49152, 65535))));
}

#[test]
fn one_that_hangs_is_ended() {
    // It hangs when it is to set the new range, and works when it is to set back the old one.
    let hangs = r#"case $6 in start=10000) exec sleep 600 ;; *) obey "$6" "$7" ;; esac"#;
    let fake = Fake { limit: Duration::from_secs(2), ..Fake::new(hangs) };
    let complaint = restored(fake.set());
    assert!(complaint.contains("no answer within 2 s"), "{complaint}");
    assert_eq!(fake.tcp4(), range(49152, 65535));
}

#[test]
fn the_first_of_two_is_taken_back_when_the_second_fails() {
    let fake = Fake::new(r#"case "$2" in ipv4) obey "$6" "$7" ;; *) exit 1 ;; esac"#);
    let (_home, state) = state();
    let now = fake.read();
    let both = plan(&now, &[(Family::Ipv4, Protocol::Tcp), (Family::Ipv6, Protocol::Tcp)], Store::Active);
    let outcome = fake.executor(&state).set_range(&both.confirm().unwrap()).unwrap().outcome;
    restored(outcome);
    assert_eq!(fake.tcp4(), range(49152, 65535));
    assert_eq!(fake.calls().len(), 4);
}

#[test]
fn as_under_wine_it_says_nothing_at_all() {
    let fake = Fake::new("");
    fake.is("#!/bin/sh\n");
    let error = fake.netsh().read().unwrap_err().to_string();
    assert!(error.contains("netsh printed nothing"), "{error}");
}

#[test]
fn one_that_is_not_there_is_named() {
    let fake = Fake::new("");
    fs::remove_file(fake.program()).unwrap();
    assert!(fake.netsh().read().unwrap_err().to_string().starts_with("netsh:"));
}
