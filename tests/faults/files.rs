//! Files that are missing, endless, unreadable or not text, and names that are hostile.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};
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
