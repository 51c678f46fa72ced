//! The program: hooks for errors and panics, one command, its exit code.

use std::io::{Write, stderr};
use std::process::ExitCode;

use color_eyre::config::{HookBuilder, Theme};
use color_eyre::eyre::Result;
use porttop::cli::{self, UsageError};

fn main() -> ExitCode {
    let result = install_hooks().and_then(|()| cli::run(std::env::args_os()));
    let Err(report) = result else { return ExitCode::SUCCESS };
    if let Some(usage) = report.downcast_ref::<UsageError>() {
        complain(&usage.to_string());
        return ExitCode::from(2);
    }
    complain(&format!("{report:?}"));
    ExitCode::FAILURE
}

/// Reports are plain text, and come after the terminal is itself again.
fn install_hooks() -> Result<()> {
    let (panic_hook, error_hook) =
        HookBuilder::default().theme(Theme::new()).display_env_section(false).try_into_hooks()?;
    error_hook.install()?;
    std::panic::set_hook(Box::new(move |panic| complain(&panic_hook.panic_report(panic).to_string())));
    Ok(())
}

/// Says what went wrong; where nobody listens on standard error, nobody is told.
fn complain(message: &str) {
    writeln!(stderr(), "porttop: {}", message.trim()).ok();
}
