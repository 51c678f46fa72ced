//! What stands in a cell, whatever it is shown on or written to.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;

use crate::analysis::Attributions;
use crate::model::{Attribution, Owner, Protocol, Share, State};
use crate::text::{clock, per_second, thousands};

/// The value of a row in a column or field. What could not be read is not 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// It could not be read, or there is none.
    NotRead,
    /// A number that tells things apart.
    Id(u64),
    /// So many.
    Count(u64),
    /// So many were seen, and there may be more.
    AtLeast(u64),
    /// A part of a capacity.
    Share(Share),
    /// So many a second.
    Rate(f64),
    /// Text, also from outside: whoever shows or writes it makes it safe.
    Text(Cow<'a, str>),
    /// One of a few words, in an order of their own: for programs, and for people.
    Word(u8, &'a str, &'a str),
    /// An address.
    Ip(IpAddr),
    /// An address and a port.
    Address(SocketAddr),
    /// So much time is left.
    Left(Duration),
    /// A moment.
    Time(Timestamp),
    /// Yes or no.
    Flag(bool),
    /// A number as it went, oldest first.
    Trend(&'a [u32]),
    /// Processes.
    Pids(Cow<'a, [Owner]>),
    /// Sockets by how their owner is known, where all could be read.
    Attributions(Option<Attributions>),
}

impl<'a> Value<'a> {
    /// A count, where it is known.
    pub(super) fn count(count: Option<impl Into<u64>>) -> Self {
        count.map_or(Self::NotRead, |count| Self::Count(count.into()))
    }

    /// A count, or what was seen of it.
    pub(super) fn at_least(count: Option<u32>, seen: u32) -> Self {
        if count.is_none() && seen > 0 { Self::AtLeast(seen.into()) } else { Self::count(count) }
    }

    /// A share, where it is known.
    pub(super) fn share(share: Option<Share>) -> Self {
        share.map_or(Self::NotRead, Self::Share)
    }

    /// A rate, where it is known.
    pub(super) fn rate(rate: Option<f64>) -> Self {
        rate.map_or(Self::NotRead, Self::Rate)
    }

    /// A number that tells things apart, where it is known.
    pub(super) fn id(id: Option<impl Into<u64>>) -> Self {
        id.map_or(Self::NotRead, |id| Self::Id(id.into()))
    }

    /// A text, where it is known.
    pub fn text(text: Option<impl Into<Cow<'a, str>>>) -> Self {
        text.map_or(Self::NotRead, |text| Self::Text(text.into()))
    }

    /// A protocol.
    pub(super) const fn protocol(protocol: Protocol) -> Self {
        Self::Word(protocol as u8, protocol.key(), protocol.key())
    }

    /// A state.
    pub(super) const fn state(state: State) -> Self {
        Self::Word(state as u8, state.key(), state.title())
    }

    /// How an owner is known.
    pub(super) const fn attribution(how: Attribution) -> Self {
        Self::Word(how as u8, how.name(), how.name())
    }

    /// The ascending order; what was not read comes first, and of what is seen in part so much counts.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (
                Self::Id(a) | Self::Count(a) | Self::AtLeast(a),
                Self::Id(b) | Self::Count(b) | Self::AtLeast(b),
            ) => a.cmp(b),
            (Self::Share(a), Self::Share(b)) => a.cmp(b),
            (Self::Rate(a), Self::Rate(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => words(a, b),
            (Self::Word(a, a_key, _), Self::Word(b, b_key, _)) => a.cmp(b).then_with(|| words(a_key, b_key)),
            (Self::Ip(a), Self::Ip(b)) => a.cmp(b),
            (Self::Address(a), Self::Address(b)) => a.cmp(b),
            (Self::Left(a), Self::Left(b)) => a.cmp(b),
            (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (Self::Flag(a), Self::Flag(b)) => a.cmp(b),
            (Self::Trend(a), Self::Trend(b)) => growth(a).cmp(&growth(b)),
            (Self::Pids(a), Self::Pids(b)) => a.cmp(b),
            (a, b) => a.kind().cmp(&b.kind()),
        }
    }

    pub(super) const fn is_missing(&self) -> bool {
        matches!(self, Self::NotRead)
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::NotRead => 0,
            Self::Word(..) => 1,
            _ => 2,
        }
    }

    /// As a person reads it where there is room; none when it was not read.
    #[must_use]
    pub fn words(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::NotRead => return None,
            Self::Trend(samples) if samples.len() < 2 => return None,
            Self::Id(id) => id.to_string().into(),
            Self::Count(count) => thousands(*count).into(),
            Self::AtLeast(count) => format!("{}+", thousands(*count)).into(),
            Self::Share(share) => share.whole_percent()?.to_string().into(),
            Self::Rate(rate) => per_second(*rate).into(),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Word(_, _, word) => (*word).into(),
            Self::Ip(ip) => ip.to_string().into(),
            Self::Address(address) => address.to_string().into(),
            Self::Left(left) => clock(*left).into(),
            Self::Time(time) => time.to_string().into(),
            Self::Flag(flag) => (if *flag { "yes" } else { "no" }).into(),
            Self::Trend(samples) => signed(growth(samples)).into(),
            Self::Pids(owners) => {
                let pids: Vec<_> = owners.iter().map(|owner| owner.pid.to_string()).collect();
                pids.join(" ").into()
            }
            Self::Attributions(known) => {
                let known = (*known)?;
                let known =
                    Attribution::ALL.map(|how| format!("{} {}", thousands(known.of(how).into()), how.name()));
                known.join(", ").into()
            }
        })
    }
}

/// In any case.
fn words(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        let lower = |byte: u8| byte.to_ascii_lowercase();
        return a.bytes().map(lower).cmp(b.bytes().map(lower));
    }
    a.chars().flat_map(char::to_lowercase).cmp(b.chars().flat_map(char::to_lowercase))
}

/// How much a trend has gained from its first sample to its last.
fn growth(trend: &[u32]) -> i64 {
    match (trend.first(), trend.last()) {
        (Some(first), Some(last)) => i64::from(*last) - i64::from(*first),
        _ => 0,
    }
}

fn signed(change: i64) -> String {
    let sign = match change {
        ..0 => "-",
        0 => "",
        1.. => "+",
    };
    format!("{sign}{}", thousands(change.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Value::NotRead, None)]
    #[case(Value::AtLeast(12_840), Some("12,840+"))]
    #[case(Value::Trend(&[7]), None)]
    #[case(Value::Trend(&[12_000, 9, 13_107]), Some("+1,107"))]
    #[case(Value::Trend(&[3, 1]), Some("-2"))]
    #[case(Value::Trend(&[3, 3]), Some("0"))]
    fn what_is_not_known_has_no_words(#[case] value: Value<'static>, #[case] words: Option<&str>) {
        assert_eq!(value.words().as_deref(), words);
    }

    #[test]
    fn what_was_not_read_comes_first_and_text_is_in_any_case() {
        let text = |text: &'static str| Value::Text(text.into());
        let ordered = [
            [Value::NotRead, Value::Count(0)],
            [Value::Count(2), Value::AtLeast(3)],
            [text("Apache"), text("bash")],
            [Value::Word(0, "none", "*:*"), Value::Address("10.0.0.1:1".parse().unwrap())],
            [Value::Address("9.0.0.1:9".parse().unwrap()), Value::Address("10.0.0.1:1".parse().unwrap())],
            [Value::Trend(&[9, 1]), Value::Trend(&[1, 2])],
        ];
        for [less, more] in ordered {
            assert_eq!(less.order(&more), Ordering::Less, "{less:?} {more:?}");
            assert_eq!(more.order(&less), Ordering::Greater, "{less:?} {more:?}");
        }
    }
}
