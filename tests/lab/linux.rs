//! What the lab's process is: the supervisor, or a role it has started.

#[path = "namespace.rs"]
mod namespace;
#[path = "outgoing.rs"]
mod outgoing;
#[path = "protocol.rs"]
mod protocol;
#[path = "roles.rs"]
mod roles;
#[path = "supervisor.rs"]
mod supervisor;

use std::env;
use std::error::Error;
use std::io;
use std::process::ExitCode;

type Outcome<T> = Result<T, Box<dyn Error>>;

pub fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["role", role] => roles::play(role),
        ["idle"] => wait_for_the_end(),
        [start, end] => supervisor::serve(start, end, ""),
        [start, end, reserved] => supervisor::serve(start, end, reserved),
        _ => Err("usage: lab RANGE_START RANGE_END [RESERVED]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns when the other end of standard input is gone.
fn wait_for_the_end() -> Outcome<()> {
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
