//! A chart of blocks: time from left to right, the newest at the right end.

use std::time::Duration;

const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A moment of a chart.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// How long ago it was.
    pub age: Duration,
    /// Its value; none where it is not known.
    pub value: Option<f64>,
}

/// The lines of a chart, its points oldest first, from top to bottom.
///
/// A column shows the highest value of its time, or the one before where it has no points; what is before
/// the first of them or not known stays blank. A value that is not 0 shows.
#[must_use]
pub fn lines(points: &[Point], span: Duration, most: f64, columns: u16, rows: u16) -> Vec<String> {
    let heights = heights(points, span, columns);
    let eighths = f64::from(rows) * 8.0;
    let line = |row: u16| {
        let below = f64::from(rows - 1 - row) * 8.0;
        let cell = |height: &Option<f64>| {
            let Some(height) = height else { return ' ' };
            let share = (height / most.max(1.0)).clamp(0.0, 1.0);
            let filled = if share > 0.0 { (share * eighths).round().max(1.0) } else { 0.0 };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 8")]
            let eighths = (filled - below).clamp(0.0, 8.0) as usize;
            BLOCKS[eighths]
        };
        heights.iter().map(cell).collect()
    };
    (0..rows).map(line).collect()
}

/// The value of each column.
fn heights(points: &[Point], span: Duration, columns: u16) -> Vec<Option<f64>> {
    let mut seen: Vec<Option<Option<f64>>> = vec![None; columns.into()];
    for Point { age, value } in points {
        let share = age.as_secs_f64() / span.as_secs_f64().max(f64::MIN_POSITIVE);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a column, or beyond all"
        )]
        let from_right = (share * f64::from(columns)).floor() as usize;
        if let Some(index) = seen.len().checked_sub(from_right + 1) {
            let most = seen[index].flatten().into_iter().chain(*value).reduce(f64::max);
            seen[index] = Some(most);
        }
    }
    let mut before = None;
    let column = |value: Option<Option<f64>>| {
        before = value.unwrap_or(before);
        before
    };
    seen.into_iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: &[(u64, f64)], rows: u16) -> Vec<String> {
        let most = points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
        let known = |value: f64| Some(value).filter(|value| *value >= 0.0);
        let point =
            |(age, value): &(u64, f64)| Point { age: Duration::from_secs(*age), value: known(*value) };
        let points: Vec<_> = points.iter().map(point).collect();
        lines(&points, Duration::from_secs(10), most, 5, rows)
    }

    #[test]
    fn a_ramp_rises_and_what_is_before_it_is_blank() {
        assert_eq!(drawn(&[(5, 4.0), (3, 8.0), (1, 16.0)], 2), ["    █", "  ▄██"]);
        assert_eq!(drawn(&[], 1), ["     "]);
    }

    #[test]
    fn a_gap_keeps_the_value_before_it_and_little_is_not_nothing() {
        assert_eq!(drawn(&[(9, 1000.0), (1, 1.0)], 1), ["████▁"]);
        assert_eq!(drawn(&[(9, 0.0), (1, 0.0)], 1), ["     "]);
    }

    #[test]
    fn what_is_not_known_is_a_gap() {
        assert_eq!(drawn(&[(9, 1.0), (5, -1.0), (1, 1.0)], 1), ["██  █"]);
    }
}
