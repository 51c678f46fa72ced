//! `porttop range`: shows the dynamic port ranges, says what would help, sets them and sets them back.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use color_eyre::eyre::{Result, bail};

use super::collect::{Way, collect};
use super::output::{self, Format, Target};
use super::{UsageError, consent};
use crate::analysis::Picture;
use crate::analysis::range_plan::{self, Proposal, RangeFacts};
use crate::export::{action, range as export};
use crate::model::{Family, Protocol, SpaceId, System};
use crate::platform;
use crate::platform::control::{RangeState, Store};
use crate::remedy::probe;
use crate::remedy::range::{RangeOutcome, RangePlan};
use crate::remedy::service::{RangeReading, Rights, Service};
use crate::remedy::{License, NotDone, Plan};

/// How long `suggest` looks to see how fast ports are used up.
const WATCH: Duration = Duration::from_secs(2);

/// How long it looks after a change to see whether ports are still refused.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// Shows the dynamic port ranges, says what would help, sets them and sets them back
#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// What to print
    #[arg(long, value_parser = Format::text_or_json(), default_value = "text", global = true)]
    format: Format,
    #[command(flatten)]
    target: Target,
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
    let (format, target) = (args.format, &args.target);
    if target.is_file() && matches!(args.command, Some(Command::Set(_) | Command::Undo(_))) {
        let only = "--output is for what is only shown: range show and range suggest";
        return Err(UsageError(only.to_owned()).into());
    }
    match &args.command {
        None | Some(Command::Show) => {
            let (now, picture) = (platform::controls().ranges.read(), look(None)?);
            target.print_as(
                format,
                |out| export::write_state(now.as_ref(), &picture, out),
                |out| export::write_state_json(now.as_ref(), &picture, out),
            )
        }
        Some(Command::Suggest(wanted)) => suggest(*wanted, &Service::range()?.now, format, target),
        Some(Command::Set(set)) => {
            Change { consent: set.consent, format, read_only }.carry_out(|reading| set.plan(&reading.now))
        }
        Some(Command::Undo(consent)) => {
            Change { consent: *consent, format, read_only }.carry_out(|reading| {
                let plan = RangePlan::undo(&reading.now, reading.last.map_err(super::failure)?);
                match plan.refusals().first() {
                    Some(refusal) if plan.undoes().is_none() => bail!("{refusal}"),
                    _ => Ok(plan),
                }
            })
        }
    }
}

impl SetArgs {
    fn plan(&self, now: &RangeState) -> Result<RangePlan> {
        let picture = look(None)?;
        let own = |facts: &RangeFacts| range_plan::own(facts, self.start, self.num);
        let wanted: Vec<_> = facts(&picture, now, &self.spaces.chosen(now))
            .map(|(id, facts)| {
                Ok((id.family, id.protocol, own(&facts).map_err(|e| UsageError(e.to_string()))?))
            })
            .collect::<Result<_, UsageError>>()?;
        Ok(RangePlan::set(now, &wanted, self.spaces.store()))
    }
}

fn suggest(wanted: SpaceArgs, now: &RangeState, format: Format, target: &Target) -> Result<()> {
    let picture = look(Some(WATCH))?;
    let proposals: Vec<(SpaceId, Proposal, RangePlan)> = facts(&picture, now, &wanted.chosen(now))
        .flat_map(|(id, facts)| range_plan::proposals(&facts).into_iter().map(move |proposal| (id, proposal)))
        .map(|(id, proposal)| {
            let plan = RangePlan::set(now, &[(id.family, id.protocol, proposal.clone())], wanted.store());
            (id, proposal, plan)
        })
        .collect();
    target.print_as(
        format,
        |out| export::write_proposals(&proposals, picture.what_if.as_ref(), out),
        |out| export::write_proposals_json(&proposals, picture.what_if.as_ref(), out),
    )
}

/// How a range is changed.
struct Change {
    consent: Consent,
    format: Format,
    read_only: bool,
}

impl Change {
    /// Shows the plan, asks, does it and says what came of it. When somebody has changed the range in the
    /// meantime, that is said, and there is a new plan for whoever can be asked.
    fn carry_out(&self, plan: impl Fn(RangeReading) -> Result<RangePlan>) -> Result<()> {
        let mut differences = Vec::new();
        loop {
            let reading = Service::range()?;
            let elevation = reading.elevation;
            let mut plan = plan(reading)?;
            if !differences.is_empty() {
                plan = plan.again(&differences);
            }
            let Some(changed) = self.ask_and_do(&plan, elevation)? else {
                return self.print(&plan, None);
            };
            self.print(&plan, Some(&changed))?;
            match changed {
                Err(NotDone::ChangedSince(since)) if self.asks() => differences = since,
                Ok(done) if done.outcome.succeeded() => return Ok(()),
                _ => bail!("the range was not set"),
            }
        }
    }

    /// Whether there is a person to whom another plan can be shown.
    fn asks(&self) -> bool {
        !self.consent.yes && self.format == Format::Text
    }

    fn ask_and_do(&self, plan: &RangePlan, elevation: bool) -> Result<Option<export::Changed>> {
        // Of what is already so, what came of it says all.
        if self.format == Format::Text && (self.consent.dry_run || !plan.is_already_so()) {
            output::print(|out| {
                action::write_plan(plan, out)?;
                export::write_by_hand(plan, out)
            })?;
        }
        if self.consent.dry_run {
            return Ok(None);
        }
        let Some(license) = License::unless(self.read_only) else {
            return Err(UsageError("nothing was changed: --read-only".to_owned()).into());
        };
        let confirmed = plan.clone().confirm()?;
        if let Some(why) = plan.needs_a_person().filter(|_| self.consent.yes) {
            bail!("nothing was changed: {why}; without --yes porttop asks whether to do it all the same");
        }
        // Whoever says --yes may not be there to answer Windows.
        let through_uac = !self.consent.yes && elevation && plan.single_step().is_some();
        let question = if through_uac { "porttop is not elevated. Run it through UAC?" } else { "Do it?" };
        if !plan.is_already_so() && !consent::given(self.consent.yes, question)? {
            return Ok(None);
        }
        let rights = if through_uac { Rights::Asked } else { Rights::Own };
        Ok(Some(Service::new(Some(license)).set_range(&confirmed, rights)))
    }

    fn print(&self, plan: &RangePlan, changed: Option<&export::Changed>) -> Result<()> {
        let set = changed.is_some_and(|changed| {
            changed.as_ref().is_ok_and(|done| matches!(done.outcome, RangeOutcome::Set { .. }))
        });
        // What can't be seen then takes nothing from what was done.
        let seen = set.then(|| (probe::probe(None).tries, look(Some(AFTERWARDS)).ok()));
        let after = || {
            let (tries, picture) = seen.as_ref()?;
            let failures = picture.as_ref().and_then(|picture| picture.failures.as_ref());
            Some(export::After { tries, failures })
        };
        output::print_as(
            self.format,
            |out| export::write_outcome(plan, changed, after(), out),
            |out| export::write_outcome_json(plan, changed, after(), out),
        )
    }
}

/// Looks once, or for a while, which shows how fast ports are used up and how often they are refused.
fn look(watch: Option<Duration>) -> Result<Picture> {
    collect(super::open(None)?, Way { span: watch, trace: true, ..Way::default() })
}

fn facts<'a>(
    picture: &'a Picture,
    now: &'a RangeState,
    chosen: &'a [SpaceId],
) -> impl Iterator<Item = (SpaceId, RangeFacts)> + 'a {
    chosen.iter().filter_map(|id| {
        let set = now.of(id.family, id.protocol)?.clone();
        Some((*id, RangeFacts::gather(picture, *id, now.limits, set)?))
    })
}
