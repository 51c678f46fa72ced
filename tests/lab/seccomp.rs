//! The filter, and what runs under it.

use std::error::Error;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use seccompiler::{apply_filter, compile_from_json};
use serde_json::{Value, json};

/// Replaces this process by the command; returns why it could not.
pub fn run(arguments: &[OsString]) -> Box<dyn Error> {
    let [errno, calls, command, rest @ ..] = arguments else {
        return "usage: confine ERRNO CALL[,CALL…] COMMAND [ARGUMENT…]".into();
    };
    match confine(&errno.to_string_lossy(), &calls.to_string_lossy()) {
        Ok(()) => Command::new(command).args(rest).exec().into(),
        Err(error) => error,
    }
}

fn confine(errno: &str, calls: &str) -> Result<(), Box<dyn Error>> {
    let errno: u32 = errno.parse()?;
    let refused = calls.split(',').map(refusal).collect::<Result<Vec<_>, _>>()?;
    let filter = json!({ "it": {
        "mismatch_action": "allow",
        "match_action": { "errno": errno },
        "filter": refused,
    }});
    let architecture = std::env::consts::ARCH.try_into()?;
    let filters = compile_from_json(filter.to_string().as_bytes(), architecture)?;
    apply_filter(&filters["it"])?;
    Ok(())
}

/// `sendto`, or `socket=16`: with this first argument.
fn refusal(call: &str) -> Result<Value, Box<dyn Error>> {
    let Some((name, first)) = call.split_once('=') else { return Ok(json!({ "syscall": call })) };
    let first: u64 = first.parse()?;
    let argument = json!({ "index": 0, "type": "dword", "op": "eq", "val": first });
    Ok(json!({ "syscall": name, "args": [argument] }))
}
