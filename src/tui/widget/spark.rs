//! A line of bars that shows how a number went.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The last `columns` values, the newest at the right.
///
/// The lowest of them is the lowest bar. A change of less than an eighth of the whole does not fill the
/// height, so that noise looks like noise.
#[must_use]
pub fn spark(values: &[u32], columns: usize) -> String {
    let shown = &values[values.len().saturating_sub(columns)..];
    let lowest = shown.iter().copied().min().unwrap_or(0);
    let highest = shown.iter().copied().max().unwrap_or(0);
    let span = u64::from((highest - lowest).max(highest / 8)).max(BARS.len() as u64);
    let bar = |value: &u32| {
        let height = u64::from(value - lowest) * (BARS.len() as u64 - 1) / span;
        BARS[usize::try_from(height).unwrap_or(0).min(BARS.len() - 1)]
    };
    let blank = columns - shown.len();
    std::iter::repeat_n(' ', blank).chain(shown.iter().map(bar)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&[], "     ")]
    #[case(&[0, 0], "   ▁▁")]
    #[case(&[7, 7, 7, 7, 7, 7], "▁▁▁▁▁")]
    #[case(&[1000, 1001, 1000, 1002, 1001], "▁▁▁▁▁")]
    #[case(&[0, 100, 200, 300, 400], "▁▂▄▆█")]
    #[case(&[9, 400, 300, 200, 100, 0], "█▆▄▂▁")]
    fn growth_shows_and_noise_does_not(#[case] values: &[u32], #[case] bars: &str) {
        assert_eq!(spark(values, 5), bars);
    }
}
