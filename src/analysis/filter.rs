//! The filter language: what a person types after `/` or `--filter`.
//!
//! Terms stand side by side and all must hold. A term is plain text, looked for in name, pid, user,
//! service, ports and addresses, or `key:value`; `!` before it means not, quotes keep spaces and colons
//! together: `state:time_wait !name:nginx remote:10.0.0.0/8 "my service"`.

mod passing;

use std::net::IpAddr;

use ipnet::IpNet;

pub use passing::Passing;

use crate::model::{Attribution, Family, Observed, Pid, Port, PortRange, Protocol, State};
use crate::text::{safe, thousands};

/// How many characters a filter has at the most: nobody means more, and a paste by mistake does not hold
/// anything up.
pub const LONGEST: usize = 1000;

/// What lets some sockets through and not others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Text { text: String, may_be_address: bool },
    Name(String),
    User(String),
    Service(String),
    Pid(Pid),
    State(Vec<State>),
    Protocol(Protocol),
    Family(Family),
    How(Attribution),
    Port(PortRange),
    LocalPort(PortRange),
    RemotePort(PortRange),
    Local(IpNet),
    Remote(IpNet),
}

/// A term that can't be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The word before the colon is none of the keys.
    #[error("no filter term '{}:'; there are: {}; quote the text to look for it as it is", safe(.0), KEYS.join(" "))]
    UnknownKey(String),
    /// The value does not fit its key.
    #[error("'{}' is not what {key}: takes, which is {expected}", safe(value))]
    BadValue {
        /// The key.
        key: &'static str,
        /// What stands behind it.
        value: String,
        /// What could.
        expected: String,
    },
    /// A quote is never closed.
    #[error("a quote is not closed")]
    OpenQuote,
    /// `!` or `key:` with nothing behind it.
    #[error("'{}' has nothing behind it", safe(.0))]
    Unfinished(String),
    /// It has more than [`LONGEST`] characters.
    #[error("a filter has at most {} characters", thousands(LONGEST as u64))]
    TooLong,
}

/// The keys of the language, for help and completion.
pub const KEYS: [&str; 13] = [
    "name:", "user:", "service:", "pid:", "state:", "proto:", "family:", "how:", "port:", "lport:", "rport:",
    "local:", "remote:",
];

impl Filter {
    /// Reads a filter; an empty text lets everything through.
    ///
    /// # Errors
    /// When a term can't be understood; the message names it.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        match Self::understood(text) {
            (filter, None) => Ok(filter),
            (_, Some(error)) => Err(error),
        }
    }

    /// What stands before the first term that can't be understood, and why that can't be.
    #[must_use]
    pub fn understood(text: &str) -> (Self, Option<FilterError>) {
        if text.chars().nth(LONGEST).is_some() {
            return (Self::default(), Some(FilterError::TooLong));
        }
        let mut terms = Vec::new();
        for word in Words::of(text) {
            match word.and_then(|word| Term::parse(&word)) {
                Ok(term) if terms.contains(&term) => {}
                Ok(term) => terms.push(term),
                Err(error) => return (Self { terms }, Some(error)),
            }
        }
        (Self { terms }, None)
    }

    /// Whether everything passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether it asks for sockets in this state by name.
    #[must_use]
    pub fn names(&self, state: State) -> bool {
        self.terms.iter().any(|term| match &term.test {
            Test::State(states) => !term.negated && states.contains(&state),
            _ => false,
        })
    }

    /// What of a snapshot it lets through.
    #[must_use]
    pub fn over<'a>(&'a self, snapshot: &'a Observed) -> Passing<'a> {
        Passing::new(self, snapshot)
    }
}

/// A word of the filter: its text, and how much of its start was outside quotes, where a `!` and a key
/// can stand.
struct Word {
    text: String,
    unquoted: usize,
}

/// The words of a filter, one after the other.
struct Words<'a>(std::str::Chars<'a>);

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        Self(text.chars())
    }
}

impl Iterator for Words<'_> {
    type Item = Result<Word, FilterError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut word: Option<Word> = None;
        let mut in_quotes = false;
        for character in self.0.by_ref() {
            if character.is_whitespace() && !in_quotes {
                if word.is_some() {
                    break;
                }
                continue;
            }
            let word = word.get_or_insert_with(|| Word { text: String::new(), unquoted: usize::MAX });
            if character == '"' {
                in_quotes = !in_quotes;
                word.unquoted = word.unquoted.min(word.text.len());
            } else {
                word.text.push(character);
            }
        }
        if in_quotes { Some(Err(FilterError::OpenQuote)) } else { word.map(Ok) }
    }
}

impl Term {
    fn parse(word: &Word) -> Result<Self, FilterError> {
        let negated = word.unquoted > 0 && word.text.starts_with('!');
        let body = &word.text[usize::from(negated)..];
        let unquoted = word.unquoted.saturating_sub(usize::from(negated));
        if body.is_empty() {
            return Err(FilterError::Unfinished(word.text.clone()));
        }
        let test = match body.split_once(':') {
            Some((key, value)) if key.len() < unquoted && is_key_like(key, value) => {
                if value.is_empty() {
                    return Err(FilterError::Unfinished(word.text.clone()));
                }
                Test::parse(&key.to_lowercase(), value)?
            }
            _ => Test::text(body),
        };
        Ok(Self { negated, test })
    }
}

/// Whether `key:value` is meant as a term and not as an address: `fe80::1`, `abcd:1::2`.
fn is_key_like(key: &str, value: &str) -> bool {
    !key.is_empty()
        && key.chars().all(|character| character.is_ascii_alphabetic() || character == '_')
        && (KEYS.iter().any(|known| known.strip_suffix(':') == Some(&key.to_lowercase()))
            || !(key.chars().all(|character| character.is_ascii_hexdigit()) && value.contains(':')))
}

impl Test {
    fn text(text: &str) -> Self {
        let text = text.to_lowercase();
        let may_be_address = text.chars().all(|one| one.is_ascii_hexdigit() || ".:[]%".contains(one));
        Self::Text { text, may_be_address }
    }

    fn parse(key: &str, value: &str) -> Result<Self, FilterError> {
        let lower = value.to_lowercase();
        let bad = |key: &'static str, expected: &str| FilterError::BadValue {
            key,
            value: value.to_owned(),
            expected: expected.to_owned(),
        };
        Ok(match key {
            "name" => Self::Name(lower),
            "user" => Self::User(lower),
            "service" => Self::Service(lower),
            "pid" => Self::Pid(Pid(value.parse().map_err(|_| bad("pid", "a process number"))?)),
            "state" => Self::State(states(&lower).ok_or_else(|| {
                let known: Vec<_> = State::ALL.iter().map(|state| state.key()).collect();
                bad("state", &format!("one of {}", known.join(", ")))
            })?),
            "proto" => Self::Protocol(match lower.as_str() {
                "tcp" => Protocol::Tcp,
                "udp" => Protocol::Udp,
                _ => return Err(bad("proto", "tcp or udp")),
            }),
            "family" => Self::Family(match lower.as_str() {
                "ipv4" | "4" => Family::Ipv4,
                "ipv6" | "6" => Family::Ipv6,
                _ => return Err(bad("family", "ipv4 or ipv6")),
            }),
            "how" => Self::How(
                Attribution::ALL
                    .into_iter()
                    .find(|how| how.name() == lower)
                    .ok_or_else(|| bad("how", "exact, observed, listener, inferred or unknown"))?,
            ),
            "port" => Self::Port(ports(value).ok_or_else(|| bad("port", PORTS))?),
            "lport" => Self::LocalPort(ports(value).ok_or_else(|| bad("lport", PORTS))?),
            "rport" => Self::RemotePort(ports(value).ok_or_else(|| bad("rport", PORTS))?),
            "local" => Self::Local(net(value).ok_or_else(|| bad("local", NET))?),
            "remote" => Self::Remote(net(value).ok_or_else(|| bad("remote", NET))?),
            _ => return Err(FilterError::UnknownKey(key.to_owned())),
        })
    }
}

const PORTS: &str = "a port or a range such as 8000-8999";
const NET: &str = "an address or a network such as 10.0.0.0/8";

/// The states of that name; `fin_wait` means the four that a row counts as such.
fn states(name: &str) -> Option<Vec<State>> {
    let name = name.replace('-', "_");
    if name == "fin_wait" {
        return Some(vec![State::FinWait1, State::FinWait2, State::Closing, State::LastAck]);
    }
    State::ALL.into_iter().find(|state| state.key() == name).map(|state| vec![state])
}

fn ports(text: &str) -> Option<PortRange> {
    let (start, end) = text.split_once(['-', '–']).unwrap_or((text, text));
    PortRange::new(Port(start.parse().ok()?), Port(end.parse().ok()?))
}

fn net(text: &str) -> Option<IpNet> {
    let text = text.trim_start_matches('[').trim_end_matches(']');
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests_support::{owner, process, snapshot, tcp};
    use proptest::prelude::*;
    use rstest::rstest;

    fn machine() -> Observed {
        let (orders, nginx) = (owner(12), owner(120));
        let mut machine = snapshot(vec![
            tcp(State::TimeWait, "10.0.0.5:50211", Some("10.0.0.9:1433"), Some(orders)),
            tcp(State::Listen, "[::]:8080", None, Some(nginx)),
            tcp(State::Established, "[fe80::1]:8080", Some("[fe80::2]:443"), None),
        ]);
        machine
            .processes
            .extend([process(orders, "orders.exe", "svc-orders"), process(nginx, "Nginx: worker", "www")]);
        machine.into()
    }

    #[rstest]
    #[case("", "012")]
    #[case("orders", "0")]
    #[case("ORDERS", "0")]
    #[case("12", "0")]
    #[case("1433", "0")]
    #[case("8080", "12")]
    #[case("svc-", "0")]
    #[case("10.0.0.9", "0")]
    #[case("fe80::2", "2")]
    #[case("state:time_wait", "0")]
    #[case("state:TIME-WAIT", "0")]
    #[case("!state:time_wait", "12")]
    #[case("port:8080", "12")]
    #[case("port:8000-8999", "12")]
    #[case("rport:400-500", "2")]
    #[case("lport:50211", "0")]
    #[case("pid:12", "0")]
    #[case("!pid:12", "12")]
    #[case("remote:10.0.0.0/8", "0")]
    #[case("remote:10.0.0.9", "0")]
    #[case("local:fe80::/16", "2")]
    #[case("family:ipv6", "12")]
    #[case("proto:udp", "")]
    #[case("how:unknown", "2")]
    #[case("port:8080 !state:listen", "2")]
    #[case("\"nginx: w\"", "1")]
    #[case("name:\"nginx: w\"", "1")]
    #[case("user:www", "1")]
    #[case("nothing-of-the-kind", "")]
    fn a_filter_lets_through(#[case] text: &str, #[case] expected: &str) {
        let machine = machine();
        let filter = Filter::parse(text).unwrap();
        let mut passing = filter.over(&machine);
        let passed: String = (0..machine.sockets.len())
            .filter(|index| passing.socket(&machine.sockets[*index]))
            .map(|index| index.to_string())
            .collect();
        assert_eq!(passed, expected);
    }

    #[rstest]
    #[case("stat:time_wait", "no filter term 'stat:'")]
    #[case("state:time", "'time' is not what state: takes")]
    #[case("port:99999", "'99999' is not what port: takes")]
    #[case("port:9-1", "'9-1'")]
    #[case("pid:x", "pid:")]
    #[case("remote:10.0.0.0/64", "remote:")]
    #[case("\"open", "a quote is not closed")]
    #[case("!", "'!' has nothing behind it")]
    #[case("state:", "'state:' has nothing behind it")]
    #[case(&"x".repeat(1001), "a filter has at most 1,000 characters")]
    fn a_wrong_term_is_named(#[case] text: &str, #[case] message: &str) {
        let error = Filter::parse(text).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
        assert!(!error.contains('\n'));
    }

    #[rstest]
    #[case("", "")]
    #[case("orders state:tim", "orders")]
    #[case("orders !", "orders")]
    #[case("orders \"nginx: w", "orders")]
    #[case("stat:x orders", "")]
    #[case("port:80  port:80", "port:80")]
    fn what_stands_before_a_wrong_term_is_understood(#[case] text: &str, #[case] understood: &str) {
        let (filter, error) = Filter::understood(text);
        assert_eq!(filter, Filter::parse(understood).unwrap());
        assert_eq!(error, Filter::parse(text).err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_filter_or_an_error_of_one_line(text: String) {
            if let Err(error) = Filter::parse(&text) {
                prop_assert!(!error.to_string().contains(crate::text::is_unsafe));
            }
        }

        #[test]
        fn not_turns_a_term_around(term in "(state:listen|port:8080|orders|remote:10\\.0\\.0\\.0/8|user:www)") {
            let machine = machine();
            let (plain, negated) = (Filter::parse(&term).unwrap(), Filter::parse(&format!("!{term}")).unwrap());
            for socket in &machine.sockets {
                prop_assert_ne!(plain.over(&machine).socket(socket), negated.over(&machine).socket(socket));
            }
        }
    }
}
