//! The configuration file: what is the same at every start on this machine.
//!
//! `porttop/config.toml` in the user's configuration directory, or the file that `PORTTOP_CONFIG` names.
//! A key that is not known is an error, and so is a file that can't be read: a `read_only` must not be
//! overlooked.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use etcetera::BaseStrategy as _;
use serde::Deserialize;

use super::{UsageError, values};
use crate::analysis::Thresholds;
use crate::model::Share;
use crate::platform::files;

/// Names another file.
const VARIABLE: &str = "PORTTOP_CONFIG";

/// What can be configured.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Config {
    /// No action is offered, as with `--read-only`.
    pub read_only: bool,
    /// How many connections toward each destination a NAT in front of this machine lets it have, as with
    /// `--snat-budget`.
    snat_budget: Option<u32>,
    thresholds: Limits,
}

/// From where on something is a finding; what is not given keeps its default. Shares are percent, spans
/// seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Limits {
    warn: Option<f64>,
    critical: Option<f64>,
    warn_full_in: Option<u64>,
    critical_full_in: Option<u64>,
    churn: Option<f64>,
    excluded: Option<f64>,
    bound: Option<u32>,
    many_bound: Option<u32>,
    close_wait: Option<u32>,
    many_close_waits: Option<u32>,
    many_time_waits: Option<u32>,
    handles: Option<u64>,
    many_handles: Option<u64>,
    leak_span: Option<u64>,
    stray_failures: Option<u64>,
    event_age: Option<u64>,
}

impl Config {
    /// Reads the configuration; without a file everything has its default.
    ///
    /// # Errors
    /// When the file can't be read or understood.
    pub fn read() -> Result<Self, UsageError> {
        let named = std::env::var_os(VARIABLE);
        if named.as_ref().is_some_and(|path| path.is_empty()) {
            return Err(UsageError(format!("{VARIABLE} is empty: name a file with it, or unset it")));
        }
        let is_named = named.is_some();
        let Some(path) = named.map(PathBuf::from).or_else(usual_path) else { return Ok(Self::default()) };
        let wrong = |what: &str| UsageError(format!("{}: {what}", path.display()));
        match files::read(&path) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8 text"))?;
                Self::parse(&text).map_err(|what| wrong(&what))
            }
            Err(error) if !is_named && is_nobodys(&path, error.kind()) => Ok(Self::default()),
            Err(error) => Err(wrong(&error.to_string())),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            format!("line {line}: {}", error.message().replace('\n', " "))
        })?;
        config.thresholds.check()?;
        if config.snat_budget.is_some_and(|budget| !values::SNAT_BUDGETS.contains(&budget)) {
            return Err(format!("snat_budget: {}", values::SnatBudgetError));
        }
        in_order(&config.thresholds())?;
        Ok(config)
    }

    /// From where on something is a finding.
    pub fn thresholds(&self) -> Thresholds {
        let (given, usual) = (self.thresholds, Thresholds::default());
        let share = |percent: Option<f64>, usual| percent.map_or(usual, Share::percent);
        let span = |seconds: Option<u64>, usual| seconds.map_or(usual, Duration::from_secs);
        Thresholds {
            warn: share(given.warn, usual.warn),
            critical: share(given.critical, usual.critical),
            warn_full_in: span(given.warn_full_in, usual.warn_full_in),
            critical_full_in: span(given.critical_full_in, usual.critical_full_in),
            churn: share(given.churn, usual.churn),
            excluded: share(given.excluded, usual.excluded),
            bound: given.bound.unwrap_or(usual.bound),
            many_bound: given.many_bound.unwrap_or(usual.many_bound),
            close_wait: given.close_wait.unwrap_or(usual.close_wait),
            many_close_waits: given.many_close_waits.unwrap_or(usual.many_close_waits),
            many_time_waits: given.many_time_waits.unwrap_or(usual.many_time_waits),
            handles: given.handles.unwrap_or(usual.handles),
            many_handles: given.many_handles.unwrap_or(usual.many_handles),
            leak_span: span(given.leak_span, usual.leak_span),
            stray_failures: given.stray_failures.unwrap_or(usual.stray_failures),
            event_age: span(given.event_age, usual.event_age),
            snat_budget: self.snat_budget,
        }
    }
}

impl Limits {
    fn check(&self) -> Result<(), String> {
        let shares = [
            ("warn", self.warn),
            ("critical", self.critical),
            ("churn", self.churn),
            ("excluded", self.excluded),
        ];
        match shares.iter().find(|(_, share)| share.is_some_and(|share| !(0.0..=100.0).contains(&share))) {
            Some((name, _)) => Err(format!("thresholds.{name}: give percent, from 0 to 100")),
            None => Ok(()),
        }
    }
}

/// Whether a warning comes before it is critical.
///
/// # Errors
/// What is wrong with it.
pub(super) fn in_order(thresholds: &Thresholds) -> Result<(), String> {
    let Thresholds { warn, critical, warn_full_in, critical_full_in, .. } = *thresholds;
    if warn > critical {
        let percent = |share: Share| share.times(1000).round() / 10.0;
        return Err(format!("warn ({} %) is above critical ({} %)", percent(warn), percent(critical)));
    }
    if warn_full_in < critical_full_in && !warn_full_in.is_zero() {
        let (warn, critical) = (warn_full_in.as_secs(), critical_full_in.as_secs());
        return Err(format!("warn_full_in ({warn} s) is below critical_full_in ({critical} s)"));
    }
    Ok(())
}

fn usual_path() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.config_dir().join("porttop").join("config.toml"))
}

/// Whether there is no configuration of this user: none at all, or none that can be seen in the home of
/// another user, as with `setpriv` and `HOME` kept. What is there and can't be read is no such case, nor is a
/// link that leads nowhere.
fn is_nobodys(path: &Path, kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            let nearest = path.ancestors().find(|place| place.symlink_metadata().is_ok());
            nearest.is_none_or(|place| place != path && place.exists())
        }
        ErrorKind::PermissionDenied => path.symlink_metadata().is_err() && files::home_is_anothers(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn what_is_not_given_keeps_its_default() {
        let config = Config::parse("").unwrap();
        assert!(!config.read_only);
        assert_eq!(config.thresholds(), Thresholds::default());
        assert_eq!(Config::parse("snat_budget = 64").unwrap().thresholds().snat_budget, Some(64));
        let text = "read_only = true\n[thresholds]\nwarn = 70\nhandles = 500\nleak_span = 60\n";
        let config = Config::parse(text).unwrap();
        assert!(config.read_only);
        let expected = Thresholds {
            warn: Share::percent(70.0),
            handles: 500,
            leak_span: Duration::from_mins(1),
            ..Thresholds::default()
        };
        assert_eq!(config.thresholds(), expected);
    }

    #[test]
    fn the_readme_shows_every_threshold_with_its_default() {
        let readme = include_str!("../../README.md");
        let example = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let config = Config::parse(example).unwrap();
        assert!(config.read_only);
        assert_eq!(config.thresholds(), Thresholds::default());
        assert!(!format!("{:?}", config.thresholds).contains("None"), "{config:?}");
    }

    #[rstest]
    #[case("\nreadonly = true", "line 2", "readonly")]
    #[case("read_only = 1", "line 1", "boolean")]
    #[case("[thresholds]\nbound = -1", "line 2", "")]
    #[case("[thresholds]\nwarn = 120", "thresholds.warn", "percent")]
    #[case("[thresholds]\nwarn = nan", "thresholds.warn", "percent")]
    #[case("[thresholds]\nwarn = 90\ncritical = 70.5", "warn (90 %)", "critical (70.5 %)")]
    #[case("[thresholds]\nwarn = 97", "warn (97 %)", "critical (95 %)")]
    #[case("snat_budget = 0", "snat_budget", "from 1 to 64512")]
    #[case("snat_budget = 64513", "snat_budget", "from 1 to 64512")]
    #[case("snat_budget = \"many\"", "line 1", "")]
    #[case("[thresholds]\nwarn_full_in = 60", "warn_full_in (60 s)", "critical_full_in (120 s)")]
    #[case("[thresholds]\ncritical_full_in = -1", "line 2", "")]
    #[case("read_only", "line 1", "")]
    fn what_can_t_be_understood_is_named(#[case] text: &str, #[case] place: &str, #[case] says: &str) {
        let error = Config::parse(text).unwrap_err();
        assert!(error.contains(place) && error.contains(says), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}
