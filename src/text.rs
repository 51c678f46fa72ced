//! Numbers, times and outside text made fit to be read: pure functions from values to strings.
//!
//! Whatever shows or keeps text that comes from outside passes it through [`safe`], and what is printed
//! goes through a [`SafeWriter`] too.

mod outside;
#[cfg(test)]
pub(crate) mod tests_support;
mod width;
mod writer;

use std::time::Duration;

pub use outside::{is_unsafe, safe};
pub use width::{blanks, keep_end, keep_start, split_at, width};
pub use writer::SafeWriter;

/// A number with thousands separators: `12,840`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate with its sign: `+221/s`, `-3/s`, `0/s`; one decimal below 10.
#[must_use]
pub fn rate(per_second: f64) -> String {
    let rounded = (per_second * 10.0).round() / 10.0;
    if rounded == 0.0 {
        "0/s".to_owned()
    } else if rounded.abs() < 10.0 && rounded.fract() != 0.0 {
        format!("{rounded:+.1}/s")
    } else {
        format!("{rounded:+.0}/s")
    }
}

/// A rate without sign or unit: `37`, `3.5`, `1,200`; one decimal below 10.
#[must_use]
pub fn per_second(rate: f64) -> String {
    let tenths = (rate * 10.0).round() / 10.0;
    if tenths < 10.0 && tenths.fract() != 0.0 {
        return format!("{tenths:.1}");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rates are small and positive"
    )]
    let whole = rate.max(0.0).round() as u64;
    thousands(whole)
}

/// A duration as one says it, in its two largest units: `41 s`, `2 min 14 s`, `1 h 5 min`.
#[must_use]
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs_f64().round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "spans are positive and short"
    )]
    let seconds = seconds as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let (large, small) = match seconds {
        0..60 => return format!("{seconds} s"),
        60..3600 => ((minutes, "min"), (seconds % 60, "s")),
        3600..86_400 => ((hours, "h"), (minutes, "min")),
        _ => ((days, "d"), (hours, "h")),
    };
    if small.0 == 0 {
        format!("{} {}", large.0, large.1)
    } else {
        format!("{} {} {} {}", large.0, large.1, small.0, small.1)
    }
}

/// A duration in seconds, all of its digits, without unit: `60`, `0.1`.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    duration.as_secs_f64().to_string()
}

/// A time left as on a clock: `1:41`, `0:07`, `1:02:03`.
#[must_use]
pub fn clock(left: Duration) -> String {
    let seconds = left.as_millis().div_ceil(1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// An age in its largest unit, as one says it: `41 s`, `12 min`, `3 h`, `9 d`.
#[must_use]
pub fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, "0")]
    #[case(999, "999")]
    #[case(1000, "1,000")]
    #[case(12_840, "12,840")]
    #[case(1_234_567, "1,234,567")]
    fn thousands_are_separated(#[case] number: u64, #[case] text: &str) {
        assert_eq!(thousands(number), text);
    }

    #[rstest]
    #[case(221.3, "+221/s")]
    #[case(-0.4, "-0.4/s")]
    #[case(0.04, "0/s")]
    #[case(-0.04, "0/s")]
    #[case(3.0, "+3/s")]
    fn rates_have_a_sign(#[case] per_second: f64, #[case] text: &str) {
        assert_eq!(rate(per_second), text);
    }

    #[rstest]
    #[case(37.2, "37")]
    #[case(3.46, "3.5")]
    #[case(0.0, "0")]
    #[case(1200.0, "1,200")]
    fn rates_without_a_sign(#[case] rate: f64, #[case] text: &str) {
        assert_eq!(per_second(rate), text);
    }

    #[rstest]
    #[case(41, "41 s")]
    #[case(134, "2 min 14 s")]
    #[case(120, "2 min")]
    #[case(3900, "1 h 5 min")]
    #[case(90_000, "1 d 1 h")]
    fn spans_have_two_units(#[case] seconds: u64, #[case] text: &str) {
        assert_eq!(span(Duration::from_secs(seconds)), text);
    }

    #[rstest]
    #[case(101_000, "1:41")]
    #[case(1, "0:01")]
    #[case(0, "0:00")]
    #[case(3_723_000, "1:02:03")]
    fn time_left_reads_like_a_clock(#[case] milliseconds: u64, #[case] text: &str) {
        assert_eq!(clock(Duration::from_millis(milliseconds)), text);
    }
}
