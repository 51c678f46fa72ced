//! `TcpTimedWaitDelay`: seconds, by its documentation from 30 to 300. What Windows makes of others is not known.

use std::time::Duration;

/// How long a TIME_WAIT lasts with this value.
pub fn time_wait(seconds: u32) -> Option<Duration> {
    (30..=300).contains(&seconds).then(|| Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_value_that_windows_documents_says_something() {
        for (value, expected) in
            [(0, None), (29, None), (30, Some(30)), (120, Some(120)), (300, Some(300)), (301, None)]
        {
            assert_eq!(time_wait(value), expected.map(Duration::from_secs));
        }
    }
}
