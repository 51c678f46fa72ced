//! What the lab's process is: the director, or a role it has started.

#[path = "director.rs"]
mod director;
#[path = "namespace.rs"]
mod namespace;
#[path = "protocol.rs"]
mod protocol;
#[path = "roles.rs"]
mod roles;

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
        [start, end] => director::direct(start, end, ""),
        [start, end, reserved] => director::direct(start, end, reserved),
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
