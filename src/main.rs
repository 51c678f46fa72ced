//! The program: hooks for errors and panics, one command, its exit code.

use std::io::{Write, stderr};
use std::process::ExitCode;

use color_eyre::config::{HookBuilder, Theme};
use color_eyre::eyre::Result;
use porttop::cli;
use porttop::platform::Leaving;
use porttop::text::{SafeWriter, safe};

fn main() -> ExitCode {
    let _leaving = Leaving::at_the_end();
    match install_hooks().and_then(|()| cli::run(std::env::args_os())) {
        Ok(code) => code,
        Err(error) => {
            complain(&safe(&format!("{error:#}")));
            cli::exit_code(std::env::args_os(), &error)
        }
    }
}

/// A panic is reported as plain text, and after the terminal is itself again.
fn install_hooks() -> Result<()> {
    let hooks = HookBuilder::default().theme(Theme::new()).display_env_section(false);
    let (panic_hook, error_hook) = hooks.try_into_hooks()?;
    error_hook.install()?;
    std::panic::set_hook(Box::new(move |panic| complain(panic_hook.panic_report(panic).to_string().trim())));
    Ok(())
}

/// Gives the terminal back and says what went wrong; where nobody listens on standard error, nobody is
/// told.
fn complain(message: &str) {
    cli::restore();
    writeln!(SafeWriter::replacing(stderr()), "porttop: {message}").ok();
}
