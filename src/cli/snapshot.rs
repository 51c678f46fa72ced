//! `porttop snapshot`: looks once, or for a while, and prints.

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use color_eyre::eyre::Result;

use super::collect::{Way, collect};
use super::interval;
use super::output::{Format, Target};
use super::values::{self, FilterText};
use crate::analysis::{GroupBy, Thresholds};
use crate::export::{Excerpt, Order, csv, json, table};
use crate::model::Backend;
use crate::platform::console;
use crate::tui::keymap::key_of;

/// Looks once and prints, without a screen.
#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Args {
    /// How to look at this machine [default: its own way where there is one]
    #[arg(long, value_parser = values::backend())]
    backend: Option<Backend>,
    /// What to print
    #[arg(long, value_parser = Format::table_json_or_csv(), default_value = "table")]
    format: Format,
    #[command(flatten)]
    target: Target,
    /// Print every socket too; with csv, instead of the processes
    #[arg(long)]
    sockets: bool,
    /// Sort each table that has this column; COLUMN:asc or COLUMN:desc for the direction
    #[arg(long, value_name = "COLUMN", default_value = "ports", value_parser = values::order)]
    sort: Order,
    /// Print only what passes: text, or terms such as `state:time_wait`, `!port:8080`,
    /// `remote:10.0.0.0/8`. Port spaces stay whole
    #[arg(long, value_name = "EXPR", default_value = "", hide_default_value = true)]
    filter: FilterText,
    /// Print the first N processes, destinations and sockets only
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    top: Option<u32>,
    /// Watch this long before printing: rates, owners and findings need time [default: look once]
    #[arg(long = "for", value_name = "DURATION", value_parser = interval::parse)]
    span: Option<Duration>,
    /// Do not trace who closes connections and who is given no port; without --for nothing is traced
    #[arg(long)]
    no_trace: bool,
    /// Show the use of a NAT in front of this machine that lets it have N connections toward each remote
    /// address and port: 64 (Azure, Google Cloud by default), 128 (App Service), 55000 (AWS)
    #[arg(long, value_name = "N", value_parser = values::snat_budget)]
    snat_budget: Option<u32>,
    /// What makes one row of the processes
    #[arg(long, default_value = "process", value_parser = values::group_by())]
    group_by: GroupBy,
}

pub(super) fn run(args: &Args, usual: Thresholds) -> Result<()> {
    let thresholds = Thresholds { snat_budget: args.snat_budget.or(usual.snat_budget), ..usual };
    let way = Way { span: args.span, trace: !args.no_trace, group_by: args.group_by, thresholds };
    let picture = collect(super::open(args.backend)?, way)?;
    let width = if args.target.is_file() { None } else { terminal_width() };
    let excerpt = Excerpt::of(&picture, &args.filter.filter, args.sort, args.top);
    args.target.print(|out| match args.format {
        Format::Text => table::write(&excerpt, args.sockets, width, out),
        Format::Json => json::write(&excerpt, args.sockets, key_of, out),
        Format::Csv if args.sockets => csv::write_sockets(&excerpt, out),
        Format::Csv => csv::write_processes(&excerpt, out),
    })
}

/// The columns of the terminal that is printed to, if it is one.
fn terminal_width() -> Option<usize> {
    stdout().is_terminal().then(|| console::size().0.into())
}
