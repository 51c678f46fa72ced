//! `porttop probe`: can a port still be had?

use std::net::{SocketAddr, ToSocketAddrs};

use color_eyre::eyre::{Result, bail, eyre};

use super::UsageError;
use super::output::{self, Format};
use crate::export::probe as export;
use crate::platform::Platform;
use crate::platform::control;
use crate::remedy::probe::{self, Attempt};

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
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

const EXIT_CODES: &str = "\
Exit codes: 0 ports can be had, 1 they can't or the destination could not be connected to, 2 the command \
line can't be understood.";

pub(super) fn run(args: &Args, read_only: bool) -> Result<()> {
    if read_only && args.destination.is_some() {
        return Err(UsageError("with --read-only nothing is sent anywhere: no HOST:PORT".to_owned()).into());
    }
    let system = Platform::open(None)?.host.system;
    let mut taker = control::probe();
    let mut tries = probe::bind_all(&mut *taker, system);
    if let Some(destination) = &args.destination {
        tries.push(probe::connect(&mut *taker, system, address(destination)?));
    }
    output::print(|out| match args.format {
        Format::Text => export::write(&tries, out),
        Format::Json => export::write_json(&tries, out),
    })?;
    for tried in &tries {
        match (&tried.result, tried.attempt) {
            (Err(failure), _) if failure.exhausted => bail!("ports have run out"),
            (Err(_), Attempt::Connect(to)) => bail!("{to} could not be connected to"),
            _ => {}
        }
    }
    Ok(())
}

fn address(destination: &str) -> Result<SocketAddr> {
    let found = destination.to_socket_addrs();
    match found {
        Ok(mut addresses) => addresses.next().ok_or_else(|| eyre!("{destination}: no address")),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
            Err(UsageError(format!("'{destination}' is no HOST:PORT")).into())
        }
        Err(error) => Err(eyre!("{destination}: {error}")),
    }
}
