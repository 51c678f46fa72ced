//! `porttop check`: a verdict for monitoring.

use std::process::ExitCode;
use std::time::Duration;

use color_eyre::eyre::Result;

use super::collect::{Way, collect};
use super::config::in_order;
use super::output::{Format, Target};
use super::{UsageError, interval, values};
use crate::analysis::Thresholds;
use crate::export::check;
use crate::model::{Backend, Share};
use crate::text::safe;
use crate::tui::keymap::key_of;

const EXIT_CODES: &str = "\
Exit codes: 0 nothing is wrong, 1 warning, 2 critical, 3 it can't be said, or the command line or the \
configuration can't be understood.";

/// Says how bad it is, for monitoring: one line with perfdata, findings, and an exit code
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Args {
    /// Percent of a capacity in use from which it is a warning [default: 80]
    #[arg(long, value_name = "PERCENT", value_parser = values::percent)]
    warn: Option<Share>,
    /// Percent of a capacity in use from which it is critical [default: 95]
    #[arg(long, value_name = "PERCENT", value_parser = values::percent)]
    critical: Option<Share>,
    /// What to print: one line with perfdata and then the findings, or porttop.check/1
    #[arg(long, value_parser = Format::text_or_json(), default_value = "text")]
    format: Format,
    #[command(flatten)]
    target: Target,
    /// Watch this long first: rates, forecasts and failures need time [default: look once]
    #[arg(long = "for", value_name = "DURATION", value_parser = interval::parse)]
    span: Option<Duration>,
    /// Do not trace who closes connections and who is given no port; without --for nothing is traced
    #[arg(long)]
    no_trace: bool,
    /// Show the use of a NAT in front of this machine that lets it have N connections toward each remote
    /// address and port: 64 (Azure, Google Cloud by default), 128 (App Service), 55000 (AWS)
    #[arg(long, value_name = "N", value_parser = values::snat_budget)]
    snat_budget: Option<u32>,
    /// How to look at this machine [default: its own way where there is one]
    #[arg(long, value_parser = values::backend())]
    backend: Option<Backend>,
}

pub(super) fn run(args: &Args, usual: Thresholds) -> Result<ExitCode> {
    let thresholds = Thresholds {
        warn: args.warn.unwrap_or(usual.warn),
        critical: args.critical.unwrap_or(usual.critical),
        snat_budget: args.snat_budget.or(usual.snat_budget),
        ..usual
    };
    in_order(&thresholds).map_err(UsageError)?;
    let platform = match super::open(args.backend) {
        Ok(platform) => platform,
        Err(error) => {
            args.target.print(|out| check::write_unknown(&safe(&error.to_string()), out))?;
            return Ok(ExitCode::from(check::UNKNOWN));
        }
    };
    let way = Way { span: args.span, trace: !args.no_trace, thresholds, ..Way::default() };
    let picture = collect(platform, way)?;
    args.target.print_as(
        args.format,
        |out| check::write_text(&picture, &thresholds, key_of, out),
        |out| check::write_json(&picture, key_of, out),
    )?;
    Ok(ExitCode::from(check::exit_code(picture.verdict.severity)))
}
