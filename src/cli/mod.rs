//! The command line: what can be asked for, and one short file per command. A command wires source,
//! monitor and screen or export together; it computes nothing itself.

mod audit;
mod check;
mod collect;
mod config;
mod consent;
mod interval;
mod output;
mod probe;
mod range;
mod screen;
mod snapshot;
mod usage;
mod values;
mod why;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use color_eyre::eyre::{Report, Result, eyre};

use crate::export::check::UNKNOWN;
use crate::model::{Backend, Gap};
use crate::platform::{OpenError, Platform, enough_descriptors, memory};
pub use crate::tui::restore;
use config::Config;
pub use usage::UsageError;

const EXIT_CODES: &str = "\
Exit codes: 0 done, also when the terminal is closed or SIGINT, SIGTERM or SIGHUP ends the screen, 1 \
something failed while running, 2 the command line or the configuration can't be understood or there is \
no terminal.";

/// Shows who holds this machine's TCP and UDP ports.
///
/// Without a command it opens the screen; `porttop snapshot` prints once, without a screen.
#[derive(Debug, Parser)]
#[command(name = "porttop", bin_name = "porttop", version, args_conflicts_with_subcommands = true, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    screen: screen::Args,
    /// Change nothing and send nothing: no action is offered
    #[arg(long, global = true)]
    read_only: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Snapshot(snapshot::Args),
    Range(range::Args),
    Probe(probe::Args),
    Audit(audit::Args),
    Check(check::Args),
    Why(why::Args),
}

/// Runs what a command line, the name of the program first, asks for, and says with which code to exit.
///
/// # Errors
/// [`UsageError`] when it can't be understood or there is no terminal for the screen; anything else when
/// running it failed.
pub fn run(line: impl IntoIterator<Item = OsString>) -> Result<ExitCode> {
    memory::give_back_what_is_large();
    match Cli::try_parse_from(read_only_last(line)) {
        Ok(Cli { command, screen, read_only }) => {
            let config = Config::read()?;
            let read_only = read_only || config.read_only;
            match command {
                None => screen::run(screen, read_only, config.thresholds())?,
                Some(Command::Snapshot(args)) => snapshot::run(&args, config.thresholds())?,
                Some(Command::Check(args)) => return check::run(&args, config.thresholds()),
                Some(Command::Range(args)) => range::run(&args, read_only)?,
                Some(Command::Probe(args)) => probe::run(&args, read_only)?,
                Some(Command::Audit(args)) => audit::run(&args)?,
                Some(Command::Why(args)) => return why::run(&args, read_only, config.thresholds()),
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) if error.use_stderr() => Err(UsageError::from(&error).into()),
        Err(help) => output::print(|out| write!(out, "{}", help.render())).map(|()| ExitCode::SUCCESS),
    }
}

/// With which code to exit after this error of this command line. For monitoring 1 and 2 are verdicts: a
/// check that could not be made is never one of them. Nor is a port taken because that could not be told.
#[must_use]
pub fn exit_code(line: impl IntoIterator<Item = OsString>, error: &Report) -> ExitCode {
    let is_usage = error.is::<UsageError>();
    ExitCode::from(match command(line).as_deref() {
        Some("check") => UNKNOWN,
        Some("why") if !is_usage => UNKNOWN,
        _ if is_usage => 2,
        _ => 1,
    })
}

/// The command that a command line means, also when the rest of it can't be understood: its first word that is
/// neither an option nor the value of one.
fn command(line: impl IntoIterator<Item = OsString>) -> Option<String> {
    let screen = Cli::command();
    let takes_value = |word: &OsString| {
        let mut options = screen.get_arguments().filter(|option| option.get_action().takes_values());
        options.any(|option| option.get_long().is_some_and(|long| *word == *format!("--{long}")))
    };
    let mut words = line.into_iter().skip(1);
    while let Some(word) = words.next() {
        if takes_value(&word) {
            words.next();
        } else if !word.as_encoded_bytes().starts_with(b"-") {
            return word.into_string().ok();
        }
    }
    None
}

/// The platform, where porttop may open as many files as it takes.
fn open(backend: Option<Backend>) -> Result<Platform, OpenError> {
    enough_descriptors()?;
    Platform::open(backend)
}

/// `--read-only` may stand anywhere; before a command clap would take it for an option of the screen.
fn read_only_last(line: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut line: Vec<_> = line.into_iter().collect();
    if let Some(index) = line.iter().position(|word| word == "--read-only") {
        let word = line.remove(index);
        line.push(word);
    }
    line
}

/// Something that could not be read, for a command that can't go on without it.
fn failure(gap: Gap) -> Report {
    let Gap { subject, reason, remedy } = gap;
    remedy.map_or_else(|| eyre!("{subject}: {reason}"), |remedy| eyre!("{subject}: {reason}; {remedy}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use rstest::rstest;

    use super::*;
    use crate::model::{Missing, Remedy};

    fn refusal(line: &[&str]) -> String {
        let line = ["porttop"].iter().chain(line).map(OsString::from);
        UsageError::from(&Cli::try_parse_from(line).unwrap_err()).to_string()
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[rstest]
    #[case(&[])]
    #[case(&["--interval", "500ms", "--group-by", "program", "--sort", "time-wait:asc", "--ascii", "--no-color"])]
    #[case(&["--backend", "portable", "--filter", "!state:listen \"a b\""])]
    #[case(&["snapshot"])]
    #[case(&["snapshot", "--format", "csv", "--sockets", "--sort", "left:desc", "--filter=port:80", "--top", "3"])]
    #[case(&["snapshot", "--format=json", "--group-by=service", "--backend=native"])]
    #[case(&["--read-only"])]
    #[case(&["--read-only", "range"])]
    #[case(&["--read-only", "--ascii"])]
    #[case(&["range", "show", "--format", "json"])]
    #[case(&["range", "suggest", "--family", "ipv6", "--protocol", "udp"])]
    #[case(&["range", "set", "--start", "10000", "--num", "55536", "--store", "persistent", "--dry-run", "--yes"])]
    #[case(&["range", "undo", "--yes"])]
    #[case(&["probe"])]
    #[case(&["probe", "localhost:80", "--format=json"])]
    #[case(&["audit", "--read-only"])]
    #[case(&["why", "8080"])]
    #[case(&["why", "[::1]:8080", "--remote", "[::1]:80", "--protocol", "tcp", "--format=json", "--for", "1s"])]
    #[case(&["snapshot", "--for", "1500ms"])]
    #[case(&["--snat-budget", "64"])]
    #[case(&["snapshot", "--snat-budget=55000"])]
    #[case(&["check"])]
    #[case(&["check", "--warn", "70", "--critical=90.5", "--format", "json", "--for", "3s", "--backend", "portable"])]
    fn a_right_command_line_is_understood(#[case] line: &[&str]) {
        let line = ["porttop"].iter().chain(line).map(OsString::from);
        Cli::try_parse_from(read_only_last(line)).unwrap();
    }

    #[test]
    fn a_failure_says_what_would_help() {
        let gap = Gap::error(Missing::StateDirectory, "there is no home");
        assert_eq!(failure(gap.clone()).to_string(), "state directory: there is no home");
        let gap = gap.fixed_by(Remedy::Directory("PORTTOP_STATE_DIR"));
        assert!(
            failure(gap).to_string().ends_with("no home; set PORTTOP_STATE_DIR to a directory of your own")
        );
    }

    #[rstest]
    #[case(&["check"], true)]
    #[case(&["check", "--wrong"], true)]
    #[case(&["check", "--warn"], true)]
    #[case(&["check", "--warn", "x", "--for", "y", "z"], true)]
    #[case(&["check", "--help"], true)]
    #[case(&["--read-only", "check", "--format=x"], true)]
    #[case(&["--ascii", "check"], true)]
    #[case(&["--wrong", "check"], true)]
    #[case(&["--interval", "x", "check"], true)]
    #[case(&["--filter", "check"], false)]
    #[case(&["snapshot", "--filter", "check", "--wrong"], false)]
    #[case(&["snapshot", "check"], false)]
    #[case(&["chekc", "--wrong"], false)]
    #[case(&[], false)]
    fn a_check_is_one_however_wrong_its_options(#[case] line: &[&str], #[case] expected: bool) {
        let line = ["porttop"].iter().chain(line).map(OsString::from);
        assert_eq!(command(line).as_deref() == Some("check"), expected);
    }

    #[rstest]
    #[case("--help")]
    #[case("-V")]
    #[case("help")]
    fn help_and_version_are_no_errors(#[case] option: &str) {
        assert!(!Cli::try_parse_from(["porttop", option]).unwrap_err().use_stderr());
    }

    #[rstest]
    #[case(&["--no-colour"], "unexpected argument '--no-colour' found", "'--no-color'")]
    #[case(&["--filtre", "x"], "unexpected argument '--filtre' found", "'--filter'")]
    #[case(&["snapshoot"], "unrecognized subcommand 'snapshoot'", "'snapshot'")]
    #[case(&["--interval", "fast"], "invalid value 'fast' for '--interval", "500ms")]
    #[case(&["--interval", "1ms"], "invalid value '1ms' for '--interval", "0.1 s to 1 h")]
    #[case(&["--interval"], "'--interval", "")]
    #[case(&["--sort", "size"], "no column 'size'; there are: pid, name", "")]
    #[case(&["--sort", "pid:up"], "'up'", "asc or desc")]
    #[case(&["--group-by", "host"], "invalid value 'host'", "process, program, user, service")]
    #[case(&["--filter", "stat:x"], "no filter term 'stat:'", "state:")]
    #[case(&["--filter", "port:x\n\u{1b}[31my"], "port:", "")]
    #[case(&["--x\nUsage: y\u{1b}[2J"], "unexpected argument '--x", "")]
    #[case(&["--backend", "wmi"], "invalid value 'wmi'", "native, portable")]
    #[case(&["--ascii", "snapshot"], "'--ascii'", "snapshot")]
    #[case(&["snapshot", "--interval", "1s"], "'--interval'", "")]
    #[case(&["snapshot", "--format", "xml"], "invalid value 'xml'", "table, json, csv")]
    #[case(&["snapshot", "--sort", "size"], "no column 'size'", "receive_queue")]
    #[case(&["snapshot", "--top", "0"], "'--top", "")]
    #[case(&["snapshot", "--top", "many"], "'many'", "")]
    #[case(&["range", "set", "--start", "10000"], "not provided: --num", "")]
    #[case(&["range", "set", "--start", "-1", "--num", "5"], "'-1'", "")]
    #[case(&["range", "grow"], "unrecognized subcommand 'grow'", "")]
    #[case(&["range", "set", "--family", "ipx"], "invalid value 'ipx'", "ipv4, ipv6, all")]
    #[case(&["snapshot", "--for", "ever"], "invalid value 'ever'", "500ms")]
    #[case(&["--snat-budget", "0"], "'0'", "from 1 to 64512")]
    #[case(&["check", "--warn", "0"], "'0'", "1 to 100")]
    #[case(&["check", "--critical", "much"], "'much'", "1 to 100")]
    #[case(&["check", "--format", "csv"], "invalid value 'csv'", "text, json")]
    #[case(&["why"], "[ADDRESS:]PORT", "")]
    #[case(&["why", "0"], "0 is no port", "any port")]
    #[case(&["why", "65536"], "'65536' is no port", "1 to 65535")]
    #[case(&["why", "http"], "'http' is no port", "PORT or ADDRESS:PORT")]
    #[case(&["why", "localhost:80"], "'localhost' is no address", "in numbers")]
    #[case(&["why", "::1:80"], "'::1' is no address", "in brackets")]
    #[case(&["why", "80", "--protocol", "sctp"], "invalid value 'sctp'", "tcp, udp")]
    #[case(&["snapshot", "now"], "unexpected argument 'now'", "")]
    #[case(&[""], "unrecognized subcommand ''", "")]
    fn a_wrong_command_line_is_one_clear_line(#[case] line: &[&str], #[case] says: &str, #[case] and: &str) {
        let message = refusal(line);
        assert!(message.contains(says) && message.contains(and), "{message}");
        assert!(!message.contains(crate::text::is_unsafe), "{message:?}");
        assert!(!message.contains("error:") && !message.contains("[OPTIONS]"), "{message}");
    }
}
