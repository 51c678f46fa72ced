//! `porttop why`: why can't I have this port?

use std::process::ExitCode;
use std::time::Duration;

use color_eyre::eyre::Result;

use super::collect::{Way, collect};
use super::output::{Format, Target};
use super::{UsageError, interval, values};
use crate::analysis::Thresholds;
use crate::analysis::why::{Question, Verdict, answers};
use crate::export::check::UNKNOWN;
use crate::export::why::{self as export, Answered};
use crate::model::{Backend, Protocol};
use crate::remedy::why::{Inquiry, destination, try_all};

const EXIT_CODES: &str = "\
Exit codes: 0 the port is free, 1 it is taken, 2 the command line or the configuration can't be understood, \
3 it can't be told.";

/// Says why a port can't be had: who has it and until when, ranges, rights and namespaces
///
/// It also binds the port for a moment and gives it back, and compares. No packet is sent.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Args {
    /// The port, on every address or on one: `8080`, `10.0.0.5:8080`, `[::1]:8080`
    #[arg(value_name = "[ADDRESS:]PORT", value_parser = Question::parse)]
    port: Question,
    /// For connections to this destination only; nothing is sent there, a name is looked up
    #[arg(long, value_name = "HOST:PORT")]
    remote: Option<String>,
    /// For TCP or UDP only [default: both; taken in one of them is taken]
    #[arg(long, value_parser = values::protocol())]
    protocol: Option<Protocol>,
    /// What to print
    #[arg(long, value_parser = Format::text_or_json(), default_value = "text")]
    format: Format,
    #[command(flatten)]
    target: Target,
    /// Watch this long first: who closed what takes time to see [default: look once]
    #[arg(long = "for", value_name = "DURATION", value_parser = interval::parse)]
    span: Option<Duration>,
    /// Do not trace who closes connections; without --for nothing is traced
    #[arg(long)]
    no_trace: bool,
    /// How to look at this machine [default: its own way where there is one]
    #[arg(long, value_parser = values::backend())]
    backend: Option<Backend>,
}

pub(super) fn run(args: &Args, read_only: bool, thresholds: Thresholds) -> Result<ExitCode> {
    let usage = |error: &dyn std::error::Error| UsageError(error.to_string());
    let mut question = args.port.clone().over(args.protocol);
    if let Some(remote) = &args.remote {
        let remote = destination(remote, read_only).map_err(|error| usage(&error))?;
        question = question.toward(remote).map_err(|error| usage(&error))?;
    }
    let way = Way { span: args.span, trace: !args.no_trace, thresholds, ..Way::default() };
    let picture = collect(super::open(args.backend)?, way)?;
    let snapshot = &*picture.snapshot;
    let tried = try_all(&Inquiry::of(question.clone(), snapshot));
    let answers = answers(&question, snapshot, &tried);
    let answered = Answered { question: &question, snapshot, tried: &tried, answers: &answers };
    args.target.print_as(
        args.format,
        |out| export::write(&answered, out),
        |out| export::write_json(&answered, out),
    )?;
    Ok(ExitCode::from(match Verdict::of_all(&answers) {
        Verdict::Free => 0,
        Verdict::Taken => 1,
        Verdict::Unknown | Verdict::Absent => UNKNOWN,
    }))
}
