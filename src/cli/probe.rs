//! `porttop probe`: can a port still be had?

use color_eyre::eyre::{Result, bail};

use super::UsageError;
use super::output::{Format, Target};
use crate::export::probe as export;
use crate::platform;
use crate::remedy::License;
use crate::remedy::probe::{Attempt, Probed, Says, Unresolved};
use crate::remedy::service::Service;

/// Takes a port in each port space and gives it back, to see whether one can be had
///
/// No packet is sent unless a destination is named: then it connects there over TCP and closes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Args {
    /// Where to connect to; a name is looked up
    #[arg(value_name = "HOST:PORT")]
    destination: Option<String>,
    /// What to print
    #[arg(long, value_parser = Format::text_or_json(), default_value = "text")]
    format: Format,
    #[command(flatten)]
    target: Target,
}

const EXIT_CODES: &str = "\
Exit codes: 0 ports can be had, 1 they can't, the destination could not be connected to or it could not be \
tried, 2 the command line can't be understood.";

pub(super) fn run(args: &Args, read_only: bool) -> Result<()> {
    platform::enough_descriptors()?;
    let service = Service::new(License::unless(read_only));
    let Probed { tries, unresolved } =
        service.probe(args.destination.as_deref()).map_err(|why| UsageError(export::not_probed(&why)))?;
    match unresolved {
        None => {}
        Some(malformed @ Unresolved::Malformed(_)) => return Err(UsageError(malformed.to_string()).into()),
        Some(unresolved) => return Err(unresolved.into()),
    }
    let json = |out: &mut _| export::write_json(&tries, platform::namespace(), out);
    args.target.print_as(args.format, |out| export::write(&tries, out), json)?;
    let failures: Vec<_> =
        tries.iter().filter_map(|tried| Some((tried.attempt, tried.result.as_ref().err()?))).collect();
    let which = |says| failures.iter().find(|(_, failure)| failure.says == says);
    if which(Says::Exhausted).is_some() {
        bail!("ports have run out");
    }
    if let Some((_, failure)) = which(Says::Untried) {
        bail!("whether a port can be had is not known: {}", failure.meaning);
    }
    for (attempt, _) in &failures {
        if let Attempt::Connect(to) = attempt {
            bail!("{to} could not be connected to");
        }
    }
    Ok(())
}
