//! How wrong a forecast may be, held against generated series of one sample a second.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::model::Share;

const CAPACITY: u32 = 100_000;

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "levels are small and positive")]
fn whole(level: f64) -> u32 {
    level.max(0.0) as u32
}

/// A level every `interval`, for so many seconds.
fn every(interval: f64, seconds: f64, level: impl Fn(f64) -> f64) -> Vec<(Duration, u32)> {
    let samples = whole(seconds / interval);
    let at = |sample: u32| f64::from(sample) * interval;
    (0..=samples).map(|sample| (Duration::from_secs_f64(at(sample)), whole(level(at(sample))))).collect()
}

fn series(seconds: u64, level: impl Fn(f64) -> f64) -> Vec<(Duration, u32)> {
    every(1.0, seconds as f64, level)
}

/// A capacity that a series reaches after so many seconds more at that slope.
fn reached_in(series: &[(Duration, u32)], slope: f64, seconds: f64) -> u32 {
    series.last().unwrap().1 + whole((slope * seconds).ceil())
}

/// The true time until full, in seconds, for a slope and the level the series ended at.
fn truth(series: &[(Duration, u32)], slope: f64, capacity: u32) -> f64 {
    f64::from(capacity - series.last().unwrap().1) / slope
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
    /// A leak, looked at for 3 s or long, often or seldom: within 10 %.
    #[test]
    fn a_steady_rise(
        slope in 20.0f64..400.0,
        start in 0.0f64..1000.0,
        interval in 0.1f64..6.0,
        samples in 6.0f64..150.0,
        reach in 0.5f64..25.0,
    ) {
        let seconds = (interval * samples).max(3.0);
        let series = every(interval, seconds, |at| start + slope * at);
        let capacity = reached_in(&series, slope, reach * seconds.min(100.0));
        assert_near(forecast(&series, capacity), truth(&series, slope, capacity), 0.1)?;
    }

    /// A leak under noise of up to twice what it gains in a second: within 25 %, and the truth lies
    /// between low and high.
    #[test]
    fn a_noisy_rise(
        slope in 5.0f64..200.0,
        noise in prop::collection::vec(-2.0f64..2.0, 121),
        ahead in 20.0f64..2000.0,
    ) {
        let series = series(120, |at| 1000.0 + slope * (at + noise[whole(at) as usize]));
        let capacity = reached_in(&series, slope, ahead);
        let found = forecast(&series, capacity);
        let truth = truth(&series, slope, capacity);
        assert_near(found, truth, 0.25)?;
        let Forecast::FullIn { low, high, .. } = found else { unreachable!() };
        prop_assert!(low.as_secs_f64() <= truth * 1.02);
        prop_assert!(high.is_none_or(|high| high.as_secs_f64() >= truth * 0.98));
    }

    /// A rise in steps of up to 5 s: within 35 %.
    #[test]
    fn a_rise_in_steps(height in 20.0f64..1000.0, every in 2.0f64..5.0) {
        let series = series(120, |at| height * (at / every).floor());
        let capacity = reached_in(&series, height / every, 300.0);
        assert_near(forecast(&series, capacity), truth(&series, height / every, capacity), 0.35)?;
    }

    /// A saw-tooth is not filling, wherever in the wave one looks.
    #[test]
    fn a_saw_tooth_is_not_filling(period in 5.0f64..50.0, height in 100.0f64..90_000.0, end in 100u64..160) {
        let series = series(end, |at| 1000.0 + height * (at % period) / period);
        prop_assert_eq!(forecast(&series, CAPACITY), Forecast::NotFilling);
    }

    /// Noise around a level is not filling, however near the level is to the end.
    #[test]
    fn noise_is_not_filling(level in 0u32..99_000, noise in prop::collection::vec(0u32..1000, 12..121)) {
        let series: Vec<_> = noise
            .into_iter()
            .enumerate()
            .map(|(second, noise)| (Duration::from_secs(second as u64), level + noise))
            .collect();
        prop_assert_eq!(forecast(&series, CAPACITY), Forecast::NotFilling);
    }

    /// The few ports that come on a quiet machine foretell nothing, even where none is given back.
    #[test]
    fn little_is_not_filling(steps in prop::collection::vec(0u32..3, 121), room in 10_000u32..60_000) {
        let mut level = 100;
        let series: Vec<_> = steps
            .into_iter()
            .enumerate()
            .map(|(second, step)| {
                level += step;
                (Duration::from_secs(second as u64), level)
            })
            .collect();
        prop_assert_eq!(forecast(&series, level + room), Forecast::NotFilling);
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

    /// What settles below capacity is not foretold to fill it, at any moment of its rise.
    #[test]
    fn a_churn_that_fits_is_not_filling(rate in 1.0f64..2000.0, held in 0.0f64..5000.0, end in 3u64..200, spare in 1.05f64..3.0) {
        let waiting = |at: f64| rate * at.min(60.0);
        let capacity = whole(spare * (held + 60.0 * rate)) + 1;
        let all = series(end, |at| held + waiting(at));
        let held = series(end, |_| held);
        let found = forecast_settling(&all, &held, || 60.0 * rate, capacity);
        prop_assert!(matches!(found, Forecast::NotFilling | Forecast::NotEnoughData), "{found:?}");
    }

    /// One that does not fit is, by the ports it still has.
    #[test]
    fn a_churn_that_does_not_fit_is_filling(rate in 50.0f64..2000.0, held in 0.0f64..5000.0, end in 5u64..30) {
        let all = series(end, |at| held + rate * at);
        let held = series(end, |_| held);
        let capacity = reached_in(&all, rate, 29.0);
        assert_near(forecast_settling(&all, &held, || 60.0 * rate, capacity), 29.0, 0.1)?;
    }

    /// A leak beside a churn that settles fills what that leaves.
    #[test]
    fn a_leak_fills_what_a_churn_leaves(rate in 10.0f64..500.0, leak in 10.0f64..100.0, end in 10u64..120, ahead in 61.0f64..200.0) {
        let held = |at: f64| 100.0 + leak * at;
        let all = series(end, |at| held(at) + rate * at.min(60.0));
        let held = series(end, held);
        let capacity = reached_in(&held, leak, ahead) + whole(60.0 * rate);
        assert_near(forecast_settling(&all, &held, || 60.0 * rate, capacity), ahead, 0.15)?;
    }

    #[test]
    fn a_steady_state_fits_below_capacity_and_never_above(
        rate in 0.1f64..5000.0,
        seconds in 1u64..300,
        held in 0u32..65_536,
        waiting in 0u32..65_536,
    ) {
        let exactly = Rate { per_second: rate, surely: rate };
        // Of what is full no more can be seen than fits.
        let waiting = waiting.min(65_535 - held);
        let state = SteadyState::of(exactly, Duration::from_secs(seconds), held, waiting, 65_536);
        let fits = f64::from(held) + rate * seconds as f64 <= 65_535.0;
        prop_assert_eq!(matches!(state.outcome, Outcome::Settles(share) if share < Share::percent(100.0)), fits);
    }
}

/// Connections that come by chance, each for a minute on average, near the end of the ports: what their
/// number does in three hours foretells next to nothing.
#[test]
fn what_comes_and_goes_by_chance_is_not_filling() {
    let mut state = 1u64;
    let mut chance = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1u32 << 31)
    };
    let mut series: Vec<(Duration, u32)> = Vec::new();
    let (mut level, mut foretold) = (900u32, 0);
    for second in 0..10_800 {
        let gone = (0..level).filter(|_| chance() < 1.0 / 60.0).count();
        let come = (0..100).filter(|_| chance() < 900.0 / 60.0 / 100.0).count();
        level = level + u32::try_from(come).unwrap() - u32::try_from(gone).unwrap();
        series.push((Duration::from_secs(second), level));
        let recent = &series[series.len().saturating_sub(121)..];
        let soon = forecast(recent, 1000).expected().is_some_and(|full| full < Duration::from_mins(10));
        // Above that it is as bad as can be without a forecast.
        foretold += u32::from(soon && level < 950);
    }
    assert!(foretold <= 2, "{foretold} of 10,800 times");
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
    assert_eq!((low.as_secs(), expected.as_secs()), (200, 200));
    assert_eq!(high, None, "two minutes ago it did not rise");
}

#[test]
fn what_was_full_may_be_again_and_what_turned_back_may_turn_back() {
    let again = |peak: f64| series(60, |at| if at < 40.0 { peak } else { 100.0 + 20.0 * (at - 40.0) });
    assert_eq!(forecast(&again(1000.0), 1000).expected(), Some(Duration::from_secs(25)));
    assert_eq!(forecast(&again(700.0), 1000), Forecast::NotFilling);
}

#[rstest]
#[case(93.0, 120, 0, Outcome::Settles(Share::of(11_160, 16_384)))]
#[case(93.0, 120, 2000, Outcome::Settles(Share::of(13_160, 16_384)))]
#[case(93.0, 120, 8192, Outcome::NeverFits(Duration::from_secs(4192) / 93))]
#[case(200.0, 120, 0, Outcome::NeverFits(Duration::from_millis(61_920)))]
fn churn_settles_or_never_fits(
    #[case] per_second: f64,
    #[case] seconds: u64,
    #[case] held: u32,
    #[case] outcome: Outcome,
) {
    let rate = Rate { per_second, surely: per_second };
    let state = SteadyState::of(rate, Duration::from_secs(seconds), held, 4000, 16_384);
    assert_eq!(state.outcome, outcome);
}

#[test]
fn what_chance_may_have_done_is_not_claimed() {
    let rate = Rate::over(20.0, Duration::from_secs(3));
    assert!((14.0..16.0).contains(&rate.surely), "{rate:?}");
    let state = SteadyState::of(rate, Duration::from_mins(1), 0, 60, 1000);
    assert_eq!(
        state.outcome,
        Outcome::Settles(Share::percent(99.9)),
        "it may fit: 20/s were counted for 3 s only"
    );
    let later = Rate::over(20.0, Duration::from_secs(30));
    let state = SteadyState::of(later, Duration::from_mins(1), 0, 600, 1000);
    assert_eq!(state.outcome, Outcome::NeverFits(Duration::from_secs(20)));
}
