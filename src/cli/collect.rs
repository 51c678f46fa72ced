//! Looks at this machine without a screen: once, or for a while, so that rates and owners are known.

use std::thread::sleep;
use std::time::{Duration, Instant};

use color_eyre::eyre::{OptionExt as _, Result};

use crate::analysis::{GroupBy, Picture, Thresholds};
use crate::monitor::Monitor;
use crate::platform::Platform;
use crate::source::Live;

/// How often it looks at the most, and into how many parts a short while is divided.
const INTERVAL: Duration = Duration::from_secs(1);
const PARTS: u32 = 6;

/// How it is looked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Way {
    /// How long; once where that is not said.
    pub span: Option<Duration>,
    /// Whether it is traced meanwhile; a single look is not.
    pub trace: bool,
    /// How the processes are grouped.
    pub group_by: GroupBy,
    /// From where on something is a finding.
    pub thresholds: Thresholds,
}

/// Looks and gives back the last picture.
pub(super) fn collect(platform: Platform, way: Way) -> Result<Picture> {
    let mut live = Live::new(platform);
    if way.trace && way.span.is_some() {
        live.trace();
    }
    let mut monitor = Monitor::new(Box::new(live), way.thresholds, way.group_by);
    monitor.wait_first();
    watch(&mut monitor, way.span).ok_or_eyre("there is nothing to see")
}

/// Looks once, or all through a while: then twice at least, however long one look takes.
fn watch(monitor: &mut Monitor, span: Option<Duration>) -> Option<Picture> {
    let mut last = monitor.look()?;
    let Some(span) = span else { return Some(last) };
    let start = Instant::now();
    let interval = (span / PARTS).min(INTERVAL);
    loop {
        sleep(interval.min(span.saturating_sub(start.elapsed())));
        match monitor.look() {
            Some(picture) => last = picture,
            None => return Some(last),
        }
        if start.elapsed() >= span {
            return Some(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests_support::snapshot;
    use crate::source::script::Script;

    #[test]
    fn a_while_is_two_looks_at_least() {
        for (span, looks) in [(None, 1), (Some(Duration::from_nanos(1)), 2)] {
            let seconds = (0..5).map(|second| {
                let mut seen = snapshot(Vec::new());
                seen.taken.elapsed = Duration::from_secs(second);
                seen
            });
            let source = Box::new(Script::of(seconds));
            let mut monitor = Monitor::new(source, Thresholds::default(), GroupBy::default());
            let picture = watch(&mut monitor, span).unwrap();
            assert_eq!(picture.snapshot.taken.elapsed.as_secs() + 1, looks);
        }
    }
}
