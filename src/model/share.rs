use std::cmp::Ordering;
use std::fmt;

use serde::{Serialize, Serializer};

/// A part of a capacity: 0 is nothing, 1 is all, and more where what is reserved is taken too.
///
/// There is no part of a capacity of 0. Nothing is left of it, so it compares as full, but it is no number
/// and no percentage.
#[derive(Clone, Copy, Debug, Default)]
pub struct Share(f64);

impl Share {
    /// So much of so much.
    #[must_use]
    pub fn of(part: impl Into<f64>, capacity: impl Into<f64>) -> Self {
        let capacity = capacity.into();
        if capacity > 0.0 { Self(part.into() / capacity) } else { Self(f64::INFINITY) }
    }

    /// So many percent.
    #[must_use]
    pub const fn percent(percent: f64) -> Self {
        Self(percent / 100.0)
    }

    /// How much that is of a capacity.
    #[must_use]
    pub fn times(self, capacity: u32) -> f64 {
        self.0 * f64::from(capacity)
    }

    /// As a number from 0 on; none of a capacity of 0.
    #[must_use]
    pub fn number(self) -> Option<f64> {
        Some(self.0).filter(|share| share.is_finite())
    }

    /// As whole percent; none of a capacity of 0. It is 100 only when nothing is left and 0 only when nothing
    /// is used: 99.7 % is 99, 0.2 % is 1.
    #[must_use]
    pub fn whole_percent(self) -> Option<u32> {
        let share = self.number()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0..=1000 first"
        )]
        let whole = (share * 100.0).clamp(0.0, 1000.0).round() as u32;
        Some(match whole {
            0 if share > 0.0 => 1,
            100 if share < 1.0 => 99,
            whole => whole,
        })
    }
}

/// `97 %`, or `-`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.whole_percent() {
            Some(percent) => f.pad(&format!("{percent} %")),
            None => f.pad("-"),
        }
    }
}

impl PartialEq for Share {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Share {}

impl PartialOrd for Share {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Share {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.number().serialize(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, 1, "0 %")]
    #[case(1, 10_000, "1 %")]
    #[case(1, 2, "50 %")]
    #[case(9999, 10_000, "99 %")]
    #[case(1, 1, "100 %")]
    #[case(5, 4, "125 %")]
    #[case(0, 0, "-")]
    #[case(5, 0, "-")]
    fn it_is_never_full_or_empty_by_rounding(#[case] part: u32, #[case] capacity: u32, #[case] text: &str) {
        assert_eq!(Share::of(part, capacity).to_string(), text);
        assert_eq!(format!("{:>5}", Share::of(part, capacity)), format!("{text:>5}"));
    }

    #[test]
    fn of_no_capacity_nothing_is_left_and_nothing_is_a_number() {
        let none = Share::of(0, 0);
        assert!(none >= Share::percent(100.0) && none == Share::of(7, 0));
        assert_eq!((none.number(), none.whole_percent()), (None, None));
        assert_eq!(serde_json::to_string(&[none, Share::of(1, 2)]).unwrap(), "[null,0.5]");
    }

    proptest! {
        #[test]
        fn shares_of_one_capacity_are_in_the_order_of_their_parts(a: u32, b: u32, capacity in 1u32..) {
            prop_assert_eq!(Share::of(a, capacity).cmp(&Share::of(b, capacity)), a.cmp(&b));
            prop_assert!(Share::of(a, capacity).number().is_some());
        }
    }
}
