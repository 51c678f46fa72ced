//! What time it is.

use std::time::{Instant, SystemTime};

use jiff::Timestamp;

use crate::model::Moment;

/// The wall clock. One that is set beyond what a date can be shows the last or first date there is.
#[must_use]
pub fn wall() -> Timestamp {
    timestamp(SystemTime::now())
}

/// Now, told from a start.
#[must_use]
pub fn moment(start: Instant) -> Moment {
    Moment { wall: wall(), elapsed: start.elapsed() }
}

fn timestamp(time: SystemTime) -> Timestamp {
    let bound = if time < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::try_from(time).unwrap_or(bound)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_set_beyond_all_dates_is_read() {
        const YEAR: Duration = Duration::from_hours(24 * 366);
        let at = |years| timestamp(SystemTime::UNIX_EPOCH + YEAR * years);
        assert!(at(8000) < Timestamp::MAX);
        assert_eq!(at(8100), Timestamp::MAX);
        assert_eq!(timestamp(SystemTime::UNIX_EPOCH - YEAR * 12_100), Timestamp::MIN);
    }
}
