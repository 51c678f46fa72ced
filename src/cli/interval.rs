//! The refresh interval as a person writes it.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_hours(1);

/// A text that is no refresh interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum IntervalError {
    #[error("give seconds, or a number with ms, s, m or h: 500ms, 1s, 2")]
    NotAnInterval,
    #[error("it goes from 0.1 s to 1 h")]
    OutOfRange,
}

/// Reads a refresh interval: `500ms`, `1s`, `1.5s`, `2` (seconds), `1m`.
pub(super) fn parse(text: &str) -> Result<Duration, IntervalError> {
    let end =
        text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().map_err(|_| IntervalError::NotAnInterval)?;
    let seconds = match unit.trim_start() {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(IntervalError::NotAnInterval),
    };
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|interval| (SHORTEST..=LONGEST).contains(interval))
        .ok_or(IntervalError::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("500ms", 500)]
    #[case("1s", 1000)]
    #[case("2", 2000)]
    #[case("1.5 s", 1500)]
    #[case("0.1", 100)]
    #[case("100ms", 100)]
    #[case("1m", 60_000)]
    #[case("1h", 3_600_000)]
    fn an_interval_is_a_number_with_a_unit(#[case] text: &str, #[case] milliseconds: u64) {
        assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)));
    }

    #[rstest]
    #[case("", IntervalError::NotAnInterval)]
    #[case("s", IntervalError::NotAnInterval)]
    #[case(".", IntervalError::NotAnInterval)]
    #[case("-1", IntervalError::NotAnInterval)]
    #[case("1e3", IntervalError::NotAnInterval)]
    #[case("inf", IntervalError::NotAnInterval)]
    #[case("1d", IntervalError::NotAnInterval)]
    #[case("1s 2s", IntervalError::NotAnInterval)]
    #[case("0", IntervalError::OutOfRange)]
    #[case("99ms", IntervalError::OutOfRange)]
    #[case("3601", IntervalError::OutOfRange)]
    #[case("99999999999999999999999999999999", IntervalError::OutOfRange)]
    fn what_is_none_is_refused(#[case] text: &str, #[case] error: IntervalError) {
        assert_eq!(parse(text), Err(error));
    }

    proptest! {
        #[test]
        fn any_text_is_an_interval_within_the_limits_or_an_error(text: String) {
            if let Ok(interval) = parse(&text) {
                prop_assert!((SHORTEST..=LONGEST).contains(&interval));
            }
        }
    }
}
