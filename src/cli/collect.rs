//! Looks at the machine without a screen: once, or for a while, so that rates and owners are known.

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::analysis::Analysis;
use crate::model::Snapshot;
use crate::sampler::Sampler;

/// How often it looks at the most, and into how many parts a short while is divided.
const INTERVAL: Duration = Duration::from_secs(1);
const PARTS: u32 = 6;

/// Shows an analysis one snapshot, and more of them when it is to last; gives back the last. What is to
/// last is traced, unless `no_trace`.
pub(super) fn collect(
    sampler: &mut Sampler,
    analysis: &mut Analysis,
    span: Option<Duration>,
    no_trace: bool,
) -> Arc<Snapshot> {
    if span.is_some() && !no_trace {
        sampler.trace();
    }
    sampler.settle();
    let start = Instant::now();
    let mut last = analysis.observe(sampler.take());
    let Some(span) = span else { return last };
    let interval = (span / PARTS).min(INTERVAL);
    while start.elapsed() < span {
        sleep(interval.min(span.saturating_sub(start.elapsed())));
        last = analysis.observe(sampler.take());
    }
    last
}
