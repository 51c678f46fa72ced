//! porttop without a screen, on any system: what it refuses, and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::env;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn command(arguments: &[&str]) -> Command {
    let program = match env::var_os("PORTTOP_BIN_DIR") {
        // For runs as a user who can't read the build directory.
        Some(directory) => Path::new(&directory).join("porttop"),
        None => env!("CARGO_BIN_EXE_porttop").into(),
    };
    let mut command = Command::new(program);
    command.args(arguments).env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    command
}

fn porttop(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

#[track_caller]
fn assert_refused(arguments: &[&str], culprit: &str) {
    let output = porttop(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(output.stdout.is_empty());
    let lines: Vec<_> = errors.lines().collect();
    assert!(matches!(lines[..], [line] if line.contains(culprit)), "one line that names {culprit}: {errors}");
}

#[test]
fn an_unknown_option_is_one_line_and_exit_2() {
    assert_refused(&["--frobnicate"], "--frobnicate");
    assert_refused(&["snapshot", "--frobnicate"], "--frobnicate");
}

#[test]
fn an_unknown_column_is_one_line_and_exit_2() {
    assert_refused(&["snapshot", "--sort", "beauty"], "beauty");
    assert_refused(&["--sort", "beauty"], "beauty");
}

#[test]
fn an_unknown_filter_is_one_line_and_exit_2() {
    assert_refused(&["snapshot", "--filter", "state:sleepy"], "sleepy");
    assert_refused(&["snapshot", "--filter", "port:99999"], "99999");
    assert_refused(&["--filter", "stat:time_wait"], "stat:");
}

#[test]
fn an_unknown_format_is_one_line_and_exit_2() {
    assert_refused(&["snapshot", "--format", "xml"], "xml");
}

#[test]
fn without_a_terminal_it_names_snapshot() {
    assert_refused(&[], "porttop snapshot");
    assert_refused(&[], "terminal");
}

#[test]
fn help_and_version_are_no_errors() {
    let help = porttop(&["--help"]);
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("snapshot"));
    let version = porttop(&["--version"]);
    assert!(version.status.success());
    assert!(String::from_utf8_lossy(&version.stdout).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_backend_sees_this_machine() {
    for arguments in [&[][..], &["--backend", "portable"]] {
        let output = porttop(&[&["snapshot", "--format", "json"], arguments].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["schema"], "porttop.snapshot/1");
        assert_eq!(report["port_spaces"].as_array().map(Vec::len), Some(4), "{arguments:?}");
        assert_eq!(errors, "");
    }
}

#[test]
fn a_configuration_that_is_named_and_wrong_is_one_line_and_exit_2() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    let refused = |says: &str| {
        let output = command(&["snapshot"]).env("PORTTOP_CONFIG", &path).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), errors.lines().count()), (Some(2), 1), "{errors}");
        assert!(errors.contains(says), "{errors}");
    };
    refused("config.toml");
    std::fs::write(&path, "readonly = true\n").unwrap();
    refused("readonly");
}

#[test]
fn read_only_can_be_configured() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, "read_only = true\n").unwrap();
    let output = command(&["probe", "127.0.0.1:1"]).env("PORTTOP_CONFIG", &path).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("read-only"), "{output:?}");
}

#[test]
fn whatever_prints_data_writes_it_to_a_file_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out file.json");
    std::fs::write(&path, "before").unwrap();
    let commands = [
        &["snapshot"][..],
        &["check"],
        &["why", "1"],
        &["range"],
        &["range", "show"],
        &["range", "suggest"],
        &["probe"],
        &["audit"],
    ];
    for arguments in commands {
        let mut porttop = command(arguments);
        porttop.args(["--format", "json", "--output"]).arg(&path);
        let output = porttop.env("PORTTOP_STATE_DIR", directory.path()).output().unwrap();
        assert_eq!(output.stdout, b"", "{arguments:?}: {output:?}");
        let written: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let schema = written["schema"].as_str().unwrap().to_owned();
        let own = arguments[0];
        assert!(schema.starts_with(&format!("porttop.{own}")), "{arguments:?}: {schema}");
    }
    let left = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().ends_with(".new")));
}

#[test]
fn a_file_that_cannot_be_written_is_said_before_anything_is_watched() {
    assert_refused(
        &["snapshot", "--for", "1h", "--output", "no/such/file"],
        "there is no directory 'no/such'",
    );
    assert_refused(&["snapshot", "--output", "."], "it is a directory");
    assert_refused(&["range", "undo", "--output", "file"], "range show and range suggest");
}

#[cfg(target_os = "linux")]
#[test]
fn a_probe_says_in_which_network_namespace_it_was() {
    use std::os::unix::fs::MetadataExt as _;
    let output = command(&["probe", "--format", "json"]).output().unwrap();
    let probe: Value = serde_json::from_slice(&output.stdout).unwrap();
    let own = std::fs::metadata("/proc/self/ns/net").unwrap().ino();
    assert_eq!((&probe["schema"], &probe["namespace"]), (&"porttop.probe/1".into(), &own.into()));
}
