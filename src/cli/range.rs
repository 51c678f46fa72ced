//! `porttop range`: shows the dynamic port ranges, says what would help, sets them and sets them back.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use color_eyre::eyre::{Result, bail, eyre};

use super::collect::{Way, collect};
use super::output::{self, Format};
use super::{UsageError, consent, failure};
use crate::analysis::range_plan::{self, Proposal, RangeFacts};
use crate::analysis::{Picture, SpaceUsage};
use crate::export::{action, range as export};
use crate::model::{Family, Protocol, SpaceId, System};
use crate::platform::control::{RangeState, Store, range_state};
use crate::remedy::range::RangePlan;
use crate::remedy::{Done, Executor, License, Plan, StateDirectory};

/// How long `suggest` looks to see how fast ports are used up.
const WATCH: Duration = Duration::from_secs(2);

/// Shows the dynamic port ranges, says what would help, sets them and sets them back
#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Text, global = true)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the four ranges and how full they are [default]
    Show,
    /// Watch for two seconds and print which ranges would help, with the commands that set them
    Suggest(SpaceArgs),
    /// Set a range. Shows the commands and asks first
    Set(SetArgs),
    /// Set back what porttop has set last, also after a restart. Shows the commands and asks first
    Undo(Consent),
}

#[derive(Clone, Copy, Debug, clap::Args)]
struct SpaceArgs {
    /// Of which family. Linux has one range for both
    #[arg(long, value_enum, default_value_t = FamilyArg::Ipv4)]
    family: FamilyArg,
    /// Of which protocol. Linux has one range for both
    #[arg(long, value_enum, default_value_t = ProtocolArg::Tcp)]
    protocol: ProtocolArg,
    /// Until the next start of the system, or beyond
    #[arg(long, value_enum, default_value_t = StoreArg::Active)]
    store: StoreArg,
}

#[derive(Clone, Copy, Debug, clap::Args)]
struct SetArgs {
    #[command(flatten)]
    spaces: SpaceArgs,
    /// The first port
    #[arg(long, value_name = "PORT")]
    start: u32,
    /// How many ports
    #[arg(long, value_name = "COUNT")]
    num: u32,
    #[command(flatten)]
    consent: Consent,
}

#[derive(Clone, Copy, Debug, clap::Args)]
struct Consent {
    /// Print what would be done and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Do it without asking
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FamilyArg {
    Ipv4,
    Ipv6,
    All,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProtocolArg {
    Tcp,
    Udp,
    All,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StoreArg {
    Active,
    Persistent,
}

impl SpaceArgs {
    /// The port spaces that are meant: on Linux one stands for all.
    fn chosen(self, now: &RangeState) -> Vec<SpaceId> {
        if now.system == System::Linux {
            return SpaceId::all_of(now.namespace).into_iter().take(1).collect();
        }
        let family = |family| match self.family {
            FamilyArg::Ipv4 => family == Family::Ipv4,
            FamilyArg::Ipv6 => family == Family::Ipv6,
            FamilyArg::All => true,
        };
        let protocol = |protocol| match self.protocol {
            ProtocolArg::Tcp => protocol == Protocol::Tcp,
            ProtocolArg::Udp => protocol == Protocol::Udp,
            ProtocolArg::All => true,
        };
        let all = SpaceId::all_of(now.namespace).into_iter();
        all.filter(|id| family(id.family) && protocol(id.protocol)).collect()
    }

    fn store(self) -> Store {
        match self.store {
            StoreArg::Active => Store::Active,
            StoreArg::Persistent => Store::Persistent,
        }
    }
}

pub(super) fn run(args: &Args, read_only: bool) -> Result<()> {
    let now = range_state();
    match &args.command {
        None | Some(Command::Show) => {
            let (now, picture) = (now.as_ref(), look(None)?);
            output::print(|out| match args.format {
                Format::Text => export::write_state(now, &picture, out),
                Format::Json => export::write_state_json(now, &picture, out),
            })
        }
        Some(Command::Suggest(wanted)) => suggest(*wanted, &now?, args.format),
        Some(Command::Set(set)) => {
            let (now, picture) = (now?, look(None)?);
            let own = |facts: &RangeFacts| range_plan::own(facts, set.start, set.num);
            let wanted: Vec<_> = facts(&picture, &now, &set.spaces.chosen(&now))
                .map(|(id, facts)| {
                    Ok((id.family, id.protocol, own(&facts).map_err(|e| UsageError(e.to_string()))?))
                })
                .collect::<Result<_, UsageError>>()?;
            let plan = RangePlan::set(&now, &wanted, set.spaces.store());
            carry_out(plan, &now, set.consent, args.format, read_only)
        }
        Some(Command::Undo(consent)) => {
            let now = now?;
            let state = StateDirectory::find().map_err(failure)?;
            let noted = crate::remedy::range::Journal::of(&state).last(now.namespace);
            let Some(noted) = noted.map_err(failure)? else {
                bail!("there is nothing to undo: porttop has set no range here that is not undone");
            };
            carry_out(RangePlan::undo(&now, &noted), &now, *consent, args.format, read_only)
        }
    }
}

fn suggest(wanted: SpaceArgs, now: &RangeState, format: Format) -> Result<()> {
    let picture = look(Some(WATCH))?;
    let proposals: Vec<(SpaceId, Proposal, RangePlan)> = facts(&picture, now, &wanted.chosen(now))
        .flat_map(|(id, facts)| range_plan::proposals(&facts).into_iter().map(move |proposal| (id, proposal)))
        .map(|(id, proposal)| {
            let plan = RangePlan::set(now, &[(id.family, id.protocol, proposal.clone())], wanted.store());
            (id, proposal, plan)
        })
        .collect();
    output::print(|out| match format {
        Format::Text => export::write_proposals(&proposals, out),
        Format::Json => export::write_proposals_json(&proposals, out),
    })
}

/// Shows the plan, asks, does it and says what came of it.
fn carry_out(
    plan: RangePlan,
    now: &RangeState,
    consent: Consent,
    format: Format,
    read_only: bool,
) -> Result<()> {
    if format == Format::Text {
        output::print(|out| {
            action::write_plan(&plan, out)?;
            export::write_by_hand(&plan, out)
        })?;
    }
    let shown = plan.clone();
    let print = |done: Option<&Done<_>>| match format {
        Format::Text => output::print(|out| export::write_outcome(&shown, done, out)),
        Format::Json => output::print(|out| export::write_outcome_json(&shown, done, out)),
    };
    if consent.dry_run {
        return print(None);
    }
    let Some(license) = License::unless(read_only) else {
        return Err(UsageError("nothing was changed: --read-only".to_owned()).into());
    };
    let confirmed = plan.confirm()?;
    let state = StateDirectory::find().map_err(failure)?;
    let mut executor = Executor::open(license, state)?;
    // Whoever says --yes may not be there to answer Windows.
    let through_uac = !consent.yes && executor.offers_elevation(confirmed.plan());
    let question = if through_uac { "porttop is not elevated. Run it through UAC?" } else { "Do it?" };
    if !consent::given(consent.yes, question)? {
        return print(None);
    }
    let done = if through_uac {
        executor.set_range_elevated(&confirmed, now)
    } else {
        executor.set_range(&confirmed, now)
    };
    print(Some(&done))?;
    if done.outcome.succeeded() { Ok(()) } else { Err(eyre!("the range was not set")) }
}

/// Looks once, or for a while, which shows how fast ports are used up.
fn look(watch: Option<Duration>) -> Result<Picture> {
    collect(super::open(None)?, Way { span: watch, ..Way::default() })
}

fn facts<'a>(
    picture: &'a Picture,
    now: &'a RangeState,
    chosen: &'a [SpaceId],
) -> impl Iterator<Item = (SpaceId, RangeFacts)> + 'a {
    chosen.iter().filter_map(|id| {
        let usage: Option<&SpaceUsage> = picture.spaces.iter().find(|usage| usage.id == *id);
        let peak = usage.and_then(|usage| usage.peak);
        let rate = usage.and_then(|usage| usage.per_second);
        Some((*id, RangeFacts::gather(&picture.snapshot, *id, now.limits, peak, rate)?))
    })
}
