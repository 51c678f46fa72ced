//! Whether a person can have meant a key as the answer to what they saw.

use std::time::Duration;

use crate::tui::burst::Press;

/// So long a dialog has to be on the screen, with no other key in between, before it can be answered.
pub const MOMENT: Duration = Duration::from_millis(400);

/// Since when a dialog is on the screen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    since: Option<Duration>,
    /// Whether a key was refused since.
    pub hurried: bool,
}

impl Seen {
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
        self.since.is_some_and(|since| now.saturating_sub(since) >= MOMENT)
    }

    /// Whether this key can have been meant. When not, the moment begins again, so that no stream of
    /// keys ever gets through.
    pub fn meant(&mut self, press: Press) -> bool {
        let meant = self.is_clear(press.at) && !press.together;
        if !meant {
            self.again(press);
        }
        self.hurried = !meant;
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
        let mut seen = Seen::default();
        assert!(!seen.meant(press(10_000)), "it was never drawn");
        assert!(seen.shown(press(10_000).at) && !seen.shown(press(10_100).at));
        assert!(!seen.is_clear(press(10_399).at));
        assert!(seen.meant(press(10_400)));
        seen.hidden();
        assert!(!seen.meant(press(20_000)));
    }

    #[test]
    fn a_key_before_that_and_keys_in_one_go_begin_the_moment_again() {
        let mut seen = Seen::default();
        seen.shown(press(0).at);
        assert!(!seen.meant(press(399)));
        assert!(!seen.meant(press(700)) && seen.hurried);
        assert!(seen.meant(press(1100)) && !seen.hurried);
        assert!(!seen.meant(Press { together: true, ..press(5000) }));
        assert!(!seen.meant(press(5399)));
    }
}
