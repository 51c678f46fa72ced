//! `porttop audit`: what porttop was asked to change and what it did.

use std::io::{Write, stderr};

use color_eyre::eyre::Result;

use super::failure;
use super::output::{Format, Target};
use crate::export::audit as export;
use crate::remedy::{StateDirectory, audit};
use crate::text::SafeWriter;

/// Prints what porttop was asked to change and what it did
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to print
    #[arg(long, value_parser = Format::text_or_json(), default_value = "text")]
    format: Format,
    #[command(flatten)]
    target: Target,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let state = StateDirectory::find().map_err(failure)?;
    let (entries, odd) = audit::read(&state).map_err(failure)?;
    if let Some(gap) = odd {
        writeln!(SafeWriter::replacing(stderr()), "porttop: {gap}").ok();
    }
    args.target.print_as(
        args.format,
        |out| export::write(&entries, out),
        |out| export::write_json(&entries, out),
    )
}
