//! The wall clock. It is for people to read; nothing is measured with it.

use std::time::{Instant, SystemTime};

use jiff::Timestamp;

use crate::model::Moment;

/// What the wall clock says. A clock that is set beyond what can be written down, after the year 9999, says
/// the last or the first moment that can.
#[must_use]
pub fn now() -> Timestamp {
    timestamp(SystemTime::now())
}

/// Now on both clocks, told since a start.
#[must_use]
pub fn moment(start: Instant) -> Moment {
    Moment { wall: now(), elapsed: start.elapsed() }
}

fn timestamp(time: SystemTime) -> Timestamp {
    let limit = if time < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    time.try_into().unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_that_is_set_wrong_has_a_time_all_the_same() {
        let years = |years: u64| Duration::from_hours(years * 8766);
        let epoch = SystemTime::UNIX_EPOCH;
        assert_eq!(timestamp(epoch), Timestamp::UNIX_EPOCH);
        assert_eq!(timestamp(epoch + years(9000)), Timestamp::MAX);
        // Windows knows no time before 1601.
        assert!(epoch.checked_sub(years(13_000)).is_none_or(|time| timestamp(time) == Timestamp::MIN));
    }
}
