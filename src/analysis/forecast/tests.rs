//! How wrong a forecast may be, held against generated series of one sample a second.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

const CAPACITY: u32 = 100_000;

fn series(seconds: u64, level: impl Fn(f64) -> f64) -> Vec<(Duration, u32)> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "levels are small and positive"
    )]
    let sample = |second: u64| (Duration::from_secs(second), level(second as f64).max(0.0) as u32);
    (0..=seconds).map(sample).collect()
}

/// The true time until full, in seconds, for a slope and the level the series ended at.
fn truth(series: &[(Duration, u32)], slope: f64) -> f64 {
    f64::from(CAPACITY - series.last().unwrap().1) / slope
}

fn assert_near(found: Forecast, truth: f64, error: f64) -> Result<(), TestCaseError> {
    let Forecast::FullIn { low, expected, high } = found else {
        return Err(TestCaseError::fail(format!("{found:?} instead of {truth} s")));
    };
    let off = (expected.as_secs_f64() - truth).abs() / truth;
    prop_assert!(off <= error, "{expected:?} is {off} off {truth} s");
    prop_assert!(low <= expected && high.is_none_or(|high| expected <= high));
    Ok(())
}

proptest! {
    /// A leak: within 5 %.
    #[test]
    fn a_steady_rise(slope in 2.0f64..400.0, start in 0.0f64..1000.0, seconds in 10u64..150) {
        let series = series(seconds, |at| start + slope * at);
        assert_near(forecast(&series, CAPACITY), truth(&series, slope), 0.05)?;
    }

    /// A leak under noise of up to twice what it gains in a second: within 25 %, and the truth lies
    /// between low and high.
    #[test]
    fn a_noisy_rise(slope in 5.0f64..200.0, noise in prop::collection::vec(-2.0f64..2.0, 121)) {
        let series = series(120, |at| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 120")]
            let place = at as usize;
            1000.0 + slope * (at + noise[place])
        });
        let found = forecast(&series, CAPACITY);
        let truth = truth(&series, slope);
        assert_near(found, truth, 0.25)?;
        let Forecast::FullIn { low, high, .. } = found else { unreachable!() };
        prop_assert!(low.as_secs_f64() <= truth * 1.02);
        prop_assert!(high.is_none_or(|high| high.as_secs_f64() >= truth * 0.98));
    }

    /// A rise in steps of up to 5 s: within 35 %.
    #[test]
    fn a_rise_in_steps(height in 20.0f64..1000.0, every in 2.0f64..5.0) {
        let series = series(120, |at| height * (at / every).floor());
        assert_near(forecast(&series, CAPACITY), truth(&series, height / every), 0.35)?;
    }

    /// A saw-tooth that falls back every 5 to 20 s is not filling, wherever in the wave one looks.
    #[test]
    fn a_saw_tooth_is_not_filling(period in 5.0f64..20.0, height in 100.0f64..50_000.0, end in 100u64..160) {
        let series = series(end, |at| 1000.0 + height * (at % period) / period);
        prop_assert_eq!(forecast(&series, CAPACITY), Forecast::NotFilling);
    }

    /// Noise around a level is not filling.
    #[test]
    fn noise_is_not_filling(noise in prop::collection::vec(0u32..400, 121)) {
        let series: Vec<_> =
            noise.into_iter().enumerate().map(|(second, level)| (Duration::from_secs(second as u64), level)).collect();
        // Within a minute at least: what noise seems to foretell lies far ahead.
        let soon = forecast(&series, CAPACITY).expected().is_some_and(|full| full < Duration::from_hours(1));
        prop_assert!(!soon);
    }

    #[test]
    fn any_series_has_a_forecast(levels in prop::collection::vec((0u64..50, 0u32..200), 0..60), capacity in 0u32..200) {
        let mut at = Duration::ZERO;
        let series: Vec<_> = levels
            .into_iter()
            .map(|(step, level)| {
                at += Duration::from_millis(step * 100);
                (at, level)
            })
            .collect();
        if let Forecast::FullIn { low, expected, high } = forecast(&series, capacity) {
            prop_assert!(low <= expected && high.is_none_or(|high| expected <= high));
        }
    }

    #[test]
    fn a_steady_state_fits_below_capacity_and_never_above(rate in 0.1f64..5000.0, seconds in 1u64..300, free in 0u32..65_536) {
        let state = SteadyState::of(rate, Duration::from_secs(seconds), free, 65_536);
        prop_assert_eq!(matches!(state.outcome, Outcome::Settles(_)), state.share() < 1.0);
    }
}

#[rstest]
#[case(&[])]
#[case(&[(0, 1)])]
#[case(&[(0, 1), (1, 2), (2, 3)])]
#[case(&[(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)])]
fn too_few_samples_are_no_forecast(#[case] samples: &[(u64, u32)]) {
    let series: Vec<_> = samples.iter().map(|(at, level)| (Duration::from_secs(*at), *level)).collect();
    assert_eq!(forecast(&series, 1000), Forecast::NotEnoughData);
}

#[test]
fn what_is_full_is_full_and_what_falls_is_not_filling() {
    assert_eq!(forecast(&series(3, |_| 1000.0), 1000), Forecast::Full);
    assert_eq!(forecast(&series(60, |at| 900.0 - at), 1000), Forecast::NotFilling);
    assert_eq!(forecast(&series(60, |_| 900.0), 1000), Forecast::NotFilling);
}

#[test]
fn a_leak_that_has_just_begun_is_seen_within_half_a_minute() {
    let series = series(330, |at| 100.0 + 50.0 * (at - 300.0).max(0.0));
    let Forecast::FullIn { low, expected, high } = forecast(&series, 11_600) else { panic!() };
    assert_eq!(low.as_secs(), 200);
    assert!(expected.as_secs() <= 300, "{expected:?}");
    assert_eq!(high, None, "two minutes ago it did not rise");
}

#[rstest]
#[case(93.0, 120, 16_384, Outcome::Settles(11_160.0 / 16_384.0))]
#[case(200.0, 120, 16_384, Outcome::NeverFits(Duration::from_millis(40_960)))]
fn churn_settles_or_never_fits(
    #[case] rate: f64,
    #[case] seconds: u64,
    #[case] capacity: u32,
    #[case] outcome: Outcome,
) {
    assert_eq!(SteadyState::of(rate, Duration::from_secs(seconds), 8192, capacity).outcome, outcome);
}
