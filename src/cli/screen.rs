//! `porttop`: opens the screen.

use std::io::{IsTerminal, stdin, stdout};
use std::time::Duration;

use color_eyre::eyre::Result;

use super::values::{self, FilterText};
use super::{UsageError, interval};
use crate::analysis::{GroupBy, Row, Sort, Thresholds};
use crate::model::Backend;
use crate::monitor::Interval;
use crate::platform::console;
use crate::source::Live;
use crate::tui;

/// How often is looked where nothing is said.
const INTERVAL: Duration = Duration::from_secs(1);

/// What the screen starts with; all but the backend can be changed by key.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How to look at this machine [default: its own way where there is one]
    #[arg(long, value_parser = values::backend())]
    backend: Option<Backend>,
    /// How often to look: 500ms, 1s, 2; from 0.1 s to 1 h [default: 1s, and less often where that costs
    /// too much]
    #[arg(long, value_name = "TIME", value_parser = interval::parse)]
    interval: Option<Duration>,
    /// What makes one row
    #[arg(long, default_value = "process", value_parser = values::group_by())]
    group_by: GroupBy,
    /// Sort by this column; COLUMN:asc or COLUMN:desc for the direction
    #[arg(long, value_name = "COLUMN", default_value = "ports", value_parser = values::sort::<Row>)]
    sort: Sort<Row>,
    /// Show only what passes: text, or terms such as `state:time_wait`, `!port:8080`, `remote:10.0.0.0/8`
    #[arg(long, value_name = "EXPR", default_value = "", hide_default_value = true)]
    filter: FilterText,
    /// Do not trace who closes connections and who is given no port
    #[arg(long)]
    no_trace: bool,
    /// Show the use of a NAT in front of this machine that lets it have N connections toward each remote
    /// address and port: 64 (Azure, Google Cloud by default), 128 (App Service), 55000 (AWS)
    #[arg(long, value_name = "N", value_parser = values::snat_budget)]
    snat_budget: Option<u32>,
    /// Draw with ASCII characters only, as by itself where the locale is not UTF-8 or TERM is dumb
    #[arg(long)]
    ascii: bool,
    /// Draw without colours, as with `NO_COLOR`, TERM=dumb or LANG=C
    #[arg(long)]
    no_color: bool,
}

pub(super) fn run(args: Args, read_only: bool, thresholds: Thresholds) -> Result<()> {
    if !(stdin().is_terminal() && stdout().is_terminal()) {
        let message = "the screen needs a terminal; `porttop snapshot` prints without one";
        return Err(UsageError(message.to_owned()).into());
    }
    let options = tui::Options {
        interval: args.interval.map_or(Interval::usual(INTERVAL), Interval::fixed),
        group_by: args.group_by,
        sort: args.sort,
        filter: args.filter.text,
        trace: !args.no_trace,
        ascii: args.ascii || !console::shows_unicode(),
        color: !args.no_color
            && console::shows_colors()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        read_only,
        thresholds: Thresholds { snat_budget: args.snat_budget.or(thresholds.snat_budget), ..thresholds },
    };
    let live = Live::new(super::open(args.backend)?);
    let live = if options.trace { live.traced() } else { live };
    Ok(tui::run(Box::new(live), &options)?)
}
