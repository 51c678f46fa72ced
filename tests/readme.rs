//! The README's commands are run as they stand there.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::env;
use std::ffi::OsString;
use std::process::{Command, Stdio};

use support::porttop_path;
use support::pty::Terminal;

/// Commands that are proved by building and testing.
const ELSEWHERE: [&str; 3] = ["cargo run --release", "cargo test", ".ci/run"];

/// The commands in the README's `sh` and `console` blocks, without prompts, comments and `sudo`.
fn commands() -> Vec<String> {
    let mut commands = Vec::new();
    let mut in_block = false;
    for line in include_str!("../README.md").lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            in_block = !in_block && matches!(language, "sh" | "console");
        } else if in_block {
            let command = line.split(" #").next().unwrap().trim();
            let command = command.strip_prefix("$ ").unwrap_or(command);
            commands.push(command.strip_prefix("sudo ").unwrap_or(command).to_owned());
        }
    }
    commands.retain(|command| !command.is_empty() && !command.starts_with('#'));
    commands
}

#[test]
fn every_command_does_what_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let (porttop, others): (Vec<_>, Vec<_>) =
        commands().into_iter().partition(|command| command.starts_with("porttop"));
    assert!(porttop.len() >= 5, "the README shows how it is used: {porttop:?}");
    for command in &others {
        assert!(ELSEWHERE.iter().any(|known| command.starts_with(known)), "nobody proves: {command}");
    }
    for command in &porttop {
        let opens_the_screen = command.split(' ').nth(1).is_none_or(|word| word.starts_with("--"));
        if opens_the_screen && !command.contains("--help") {
            run_in_terminal(command);
        } else {
            run_in_shell(command, directory.path());
        }
    }
}

fn run_in_shell(command: &str, directory: &std::path::Path) {
    let mut path = OsString::from(porttop_path().parent().unwrap());
    path.push(":");
    path.push(env::var_os("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-euc", command]).env("PATH", path).env("PORTTOP_STATE_DIR", directory);
    let output = shell.current_dir(directory).stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    // The exit code of these is their verdict on the machine that runs the tests.
    let is_verdict = ["porttop check", "porttop why"].iter().any(|verdict| command.starts_with(verdict));
    let done = output.status.success() || is_verdict;
    assert!(done && errors.is_empty(), "{command}: {errors}");
}

fn run_in_terminal(command: &str) {
    let arguments: Vec<&str> = command.split_whitespace().skip(1).collect();
    let mut terminal = Terminal::start((80, 24), &arguments);
    terminal.wait_for("PORTS");
    terminal.press("q");
    assert!(terminal.wait_exit().assert_restored().status.success(), "{command}");
}
