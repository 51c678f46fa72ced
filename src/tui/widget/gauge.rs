//! A bar that is as full as a share.

/// A bar of so many columns.
#[must_use]
pub fn bar(share: f64, columns: u16) -> String {
    let halves = f64::from(columns) * 2.0 * share.clamp(0.0, 1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 2 × 65535")]
    let halves = halves.ceil() as usize;
    let half = halves % 2;
    let rest = usize::from(columns) - halves / 2 - half;
    "█".repeat(halves / 2) + &"▌".repeat(half) + &"·".repeat(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0.0, "····")]
    #[case(0.001, "▌···")]
    #[case(0.5, "██··")]
    #[case(0.6, "██▌·")]
    #[case(1.0, "████")]
    #[case(1.7, "████")]
    fn a_bar_is_as_full_as_the_share(#[case] share: f64, #[case] bars: &str) {
        assert_eq!(bar(share, 4), bars);
    }
}
