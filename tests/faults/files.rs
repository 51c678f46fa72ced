//! Files that are missing, endless, unreadable or not text, and names that are hostile.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::geteuid;
use tempfile::TempDir;

use super::support::lab::Lab;
use super::support::{porttop_path, skip};

/// More than any file of settings is.
const HUGE: u64 = 90 * 1024 * 1024;

/// Puts something that is no small file of text at a path.
fn put(fault: &str, path: &Path) {
    match fault {
        "directory" => fs::create_dir(path).unwrap(),
        "pipe" => mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap(),
        "huge file" => File::create(path).unwrap().set_len(HUGE).unwrap(),
        "no text" => fs::write(path, b"\xff\xfe\n").unwrap(),
        other => panic!("no such fault: {other}"),
    }
}

/// porttop in the lab with this directory in the place of `/etc/sysctl.d`.
pub fn with_sysctl_d(lab: &Lab, directory: &Path) -> Option<Command> {
    if !Path::new("/etc/sysctl.d").is_dir() {
        skip("no /etc/sysctl.d to put a directory over");
        return None;
    }
    let mut argv = lab.inside();
    let script = "mount --bind \"$0\" /etc/sysctl.d && exec \"$@\"";
    argv.extend(["unshare", "--mount", "sh", "-c", script].map(Into::into));
    argv.extend([directory.into(), porttop_path().into()]);
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).stdin(Stdio::null());
    Some(command)
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_file_of_sysctl_d_that_can_t_be_read_costs_one_line() {
    let Some(lab) = Lab::open(20000..=20099) else { return };
    for (fault, why) in [
        ("directory", "it is no regular file"),
        ("pipe", "it is no regular file"),
        ("huge file", "it is larger than 1 MB"),
        ("no text", ""),
    ] {
        let settings = TempDir::new().unwrap();
        put(fault, &settings.path().join("99-zz-porttop.conf"));
        let Some(mut porttop) = with_sysctl_d(&lab, settings.path()) else { return };
        let shown = porttop.arg("range").output().unwrap();
        let (text, errors) = said(&shown);
        assert_eq!((shown.status.code(), &*errors), (Some(0), ""), "{fault}");
        assert!(text.contains("TCP IPv4  20000–20099 (100)"), "{fault}: {text}");
        let line = format!("not read: /etc/sysctl.d/99-zz-porttop.conf: {why}\n");
        assert_eq!(text.contains(&line), !why.is_empty(), "{fault}: {text}");
        if why.is_empty() {
            continue;
        }
        // What could not be put back is not replaced.
        let Some(mut porttop) = with_sysctl_d(&lab, settings.path()) else { return };
        porttop.args(["range", "set", "--start", "20000", "--num", "2000", "--store", "persistent", "--yes"]);
        let refused = porttop.env("PORTTOP_STATE_DIR", settings.path()).output().unwrap();
        let (_, errors) = said(&refused);
        assert!(!refused.status.success() && errors.contains(why), "{fault}: {errors}");
        assert_eq!(fs::read_dir(settings.path()).unwrap().count(), 1, "{fault}: nothing was written");
    }
}

/// porttop with another home; nothing else of ours says where its configuration is.
fn at_home(mut porttop: Command, home: &Path) -> Command {
    porttop.env("HOME", home).env_remove("PORTTOP_CONFIG").env_remove("XDG_CONFIG_HOME");
    porttop.env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    porttop
}

fn porttop() -> Command {
    let mut command = Command::new(porttop_path());
    command.env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    command
}

/// porttop without the rights of root: from a copy that everyone can reach, in this directory.
pub fn unprivileged_porttop(directory: &Path) -> Command {
    if !geteuid().is_root() {
        return porttop();
    }
    fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
    let program = directory.join("porttop");
    fs::copy(porttop_path(), &program).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).stdin(Stdio::null());
    command
}

/// Exit 2, or 3 of a check, and one line that says why.
#[track_caller]
fn refuses(mut porttop: Command, arguments: &[&str], why: &str) {
    let output = porttop.args(arguments).output().unwrap();
    let (text, errors) = said(&output);
    let code = if arguments[0] == "check" { 3 } else { 2 };
    assert_eq!((output.status.code(), &*text), (Some(code), ""), "{arguments:?}: {errors}");
    assert!(errors.lines().count() == 1 && errors.contains(why), "{why}: {errors}");
}

#[test]
fn a_configuration_that_can_t_be_read_is_an_error() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("config.toml");
    for (fault, why) in [
        ("directory", "config.toml: it is no regular file"),
        ("pipe", "config.toml: it is no regular file"),
        ("huge file", "config.toml: it is larger than 1 MB"),
        ("no text", "config.toml: it is not UTF-8 text"),
    ] {
        put(fault, &path);
        for command in ["snapshot", "check", "range"] {
            let mut named = porttop();
            named.env("PORTTOP_CONFIG", &path);
            refuses(named, &[command], why);
        }
        if fault == "directory" { fs::remove_dir(&path).unwrap() } else { fs::remove_file(&path).unwrap() }
    }
    symlink("/nowhere/config.toml", &path).unwrap();
    let home = TempDir::new().unwrap();
    fs::create_dir(home.path().join(".config")).unwrap();
    symlink(directory.path(), home.path().join(".config/porttop")).unwrap();
    refuses(at_home(porttop(), home.path()), &["probe", "127.0.0.1:1"], "No such file");
}

#[test]
fn a_configuration_of_others_rights_is_an_error_and_a_home_of_others_has_none() {
    let (home, program) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let settings = home.path().join(".config/porttop");
    fs::create_dir_all(&settings).unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    fs::write(settings.join("config.toml"), "read_only = true\n").unwrap();
    let porttop = || at_home(unprivileged_porttop(program.path()), home.path());
    refuses(porttop(), &["probe", "127.0.0.1:1"], "--read-only");

    fs::set_permissions(settings.join("config.toml"), Permissions::from_mode(0o000)).unwrap();
    refuses(porttop(), &["probe", "127.0.0.1:1"], "config.toml: Permission denied");
    refuses(porttop(), &["check"], "config.toml: Permission denied");
    if geteuid().is_root() {
        fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
        let output = porttop().args(["range", "--format", "json"]).output().unwrap();
        assert!(output.status.success(), "what another's home may hold is not this user's: {output:?}");
    }
}

#[test]
fn a_configuration_that_makes_no_sense_is_one_line() {
    let with_config = |path: &Path| {
        let mut porttop = porttop();
        porttop.env("PORTTOP_CONFIG", path);
        porttop
    };
    for command in ["snapshot", "check"] {
        refuses(with_config(Path::new("")), &[command], "PORTTOP_CONFIG is empty");
    }
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("config.toml");
    fs::write(&path, "[thresholds]\nwarn = 90\ncritical = 80\n").unwrap();
    let why = "config.toml: warn (90 %) is above critical (80 %)";
    refuses(with_config(&path), &["snapshot"], why);
    refuses(with_config(&path), &["check"], why);
    fs::write(&path, "[thresholds]\nwarn = 60\ncritical = 70\n").unwrap();
    refuses(with_config(&path), &["check", "--warn", "75"], "warn (75 %) is above critical (70 %)");
}

#[test]
fn a_check_that_can_t_be_made_is_exit_3() {
    refuses(porttop(), &["check", "--wrong"], "--wrong");
    refuses(porttop(), &["check", "--warn", "x"], "--warn");
    for arguments in [&["check"][..], &["check", "--format", "json"], &["check", "--help"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = porttop().args(arguments).stdout(full).output().unwrap();
        let (_, errors) = said(&output);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {errors}");
        assert!(errors.starts_with("porttop: standard output can't be written: No space left"), "{errors}");
    }
}

#[test]
fn a_file_for_output_is_whole_or_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "before").unwrap();
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 1 && exec \"$0\" snapshot --format json --sockets --output \"$1\""]);
    let output = limited.arg(porttop_path()).arg(&path).stdin(Stdio::null()).output().unwrap();
    let (text, errors) = said(&output);
    assert_eq!((output.status.code(), &*text), (Some(1), ""), "{errors}");
    assert!(errors.contains("file can't be written: File too large"), "{errors}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "before");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
}
