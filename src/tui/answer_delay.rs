//! Whether a person can have meant a key as the answer to what they saw.

use std::time::Duration;

use super::burst::Press;

/// So long a dialog has to be on the screen, with no other key in between, before it can be answered.
pub const DELAY: Duration = Duration::from_millis(400);

/// Since when a dialog is on the screen.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnswerDelay {
    since: Option<Duration>,
    /// Whether a key was refused since.
    pub refused: bool,
}

impl AnswerDelay {
    /// It is on the screen now; whether it is for the first time.
    pub fn shown(&mut self, now: Duration) -> bool {
        let first = self.since.is_none();
        self.since.get_or_insert(now);
        first
    }

    /// It is not on the screen any more.
    pub fn hidden(&mut self) {
        self.since = None;
    }

    /// Whether it can be answered.
    #[must_use]
    pub fn is_clear(self, now: Duration) -> bool {
        self.since.is_some_and(|since| now.saturating_sub(since) >= DELAY)
    }

    /// Whether this key can have been meant. When not, the moment begins again, so that no stream of
    /// keys ever gets through.
    pub fn meant(&mut self, press: Press) -> bool {
        let meant = self.is_clear(press.at) && !press.together;
        if !meant {
            self.again(press);
        }
        self.refused = !meant;
        meant
    }

    /// The moment begins again.
    pub fn again(&mut self, press: Press) {
        self.since = self.since.map(|_| press.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(milliseconds: u64) -> Press {
        Press { at: Duration::from_millis(milliseconds), together: false }
    }

    #[test]
    fn a_key_counts_once_what_it_answers_was_on_the_screen_for_a_moment() {
        let mut delay = AnswerDelay::default();
        assert!(!delay.meant(press(10_000)), "it was never drawn");
        assert!(delay.shown(press(10_000).at) && !delay.shown(press(10_100).at));
        assert!(!delay.is_clear(press(10_399).at));
        assert!(delay.meant(press(10_400)));
        delay.hidden();
        assert!(!delay.meant(press(20_000)));
    }

    #[test]
    fn a_key_before_that_and_keys_in_one_go_begin_the_moment_again() {
        let mut delay = AnswerDelay::default();
        delay.shown(press(0).at);
        assert!(!delay.meant(press(399)));
        assert!(!delay.meant(press(700)) && delay.refused);
        assert!(delay.meant(press(1100)) && !delay.refused);
        assert!(!delay.meant(Press { together: true, ..press(5000) }));
        assert!(!delay.meant(press(5399)));
    }
}
