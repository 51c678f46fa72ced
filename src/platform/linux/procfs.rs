//! What is mounted at `/proc`: whether it is a proc file system, and whose processes it shows.

use std::io;

use rustix::fs::{PROC_SUPER_MAGIC, readlink, statfs};
use rustix::process::{getegid, getgroups, getpid};
use rustix::thread::{CapabilitySet, capabilities};

use super::read;
use super::stat::number;

const PLACE: &str = "/proc";

/// Whether a proc file system is there; a container's or a rescue system's root may have none.
pub(super) fn is_there() -> bool {
    statfs(PLACE).is_ok_and(|found| found.f_type == PROC_SUPER_MAGIC)
}

/// The error of whoever finds none.
pub(super) fn absent() -> io::Error {
    io::Error::other("no proc file system is mounted there")
}

/// Whether the processes in it have the numbers of another PID namespace than ours, as after `unshare --pid`
/// or `nsenter --pid` without a mount of one's own. Ours then belong to other processes there.
pub(super) fn is_of_another_namespace() -> bool {
    if !is_there() {
        return false;
    }
    let link = readlink("/proc/self", Vec::new()).ok().and_then(|link| number::<i32>(link.to_bytes()));
    let status = read::bytes("/proc/self/status").unwrap_or_default();
    // The same number may be ours in both.
    link != Some(getpid().as_raw_pid()) || numbers(&status).is_some_and(|numbers| numbers > 1)
}

/// How many numbers a process has: one in each PID namespace from that of `/proc` down to its own
/// (`NSpid` of `/proc/PID/status`).
fn numbers(status: &[u8]) -> Option<usize> {
    let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"NSpid:"))?;
    Some(line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count())
}

/// Whether it hides the processes of other users from us.
pub(super) fn hides_others() -> bool {
    let mounts = read::bytes("/proc/self/mountinfo").unwrap_or_default();
    hiding(&String::from_utf8_lossy(&mounts)).is_some_and(|Hiding { exempt }| {
        let group = exempt.is_some_and(|exempt| {
            let groups = getgroups().unwrap_or_default();
            groups.into_iter().chain([getegid()]).any(|group| group.as_raw() == exempt)
        });
        let rights = capabilities(None).is_ok_and(|has| has.effective.contains(CapabilitySet::SYS_PTRACE));
        !group && !rights
    })
}

/// That processes are hidden from all but their users and those with the right to look into them.
#[derive(Debug, PartialEq, Eq)]
struct Hiding {
    /// The group whose members see them all the same, where there is one.
    exempt: Option<u32>,
}

/// Whether `/proc` is mounted with `hidepid` (proc(5)), from `/proc/self/mountinfo`.
fn hiding(mountinfo: &str) -> Option<Hiding> {
    let at = |line: &&str| line.split(' ').nth(4) == Some(PLACE);
    // What was mounted last lies on top.
    let (_, options) = mountinfo.lines().rfind(at)?.split_once(" - proc ")?;
    let option = |name: &str| options.split([' ', ',']).find_map(|option| option.strip_prefix(name));
    match option("hidepid=")? {
        "0" | "off" => None,
        "4" | "ptraceable" => Some(Hiding { exempt: None }),
        // Unless it is told, it is that of root.
        _ => Some(Hiding { exempt: option("gid=").map_or(Some(0), |group| number(group.as_bytes())) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("rw", None)]
    #[case("rw,hidepid=0", None)]
    #[case("rw,hidepid=off", None)]
    #[case("rw,hidepid=invisible", Some(Hiding { exempt: Some(0) }))]
    #[case("rw,hidepid=2", Some(Hiding { exempt: Some(0) }))]
    #[case("rw,gid=27,hidepid=noaccess", Some(Hiding { exempt: Some(27) }))]
    #[case("rw,hidepid=1,gid=27", Some(Hiding { exempt: Some(27) }))]
    #[case("rw,gid=27,hidepid=ptraceable", Some(Hiding { exempt: None }))]
    fn a_mount_says_whom_it_hides(#[case] options: &str, #[case] expected: Option<Hiding>) {
        let under = "22 28 0:20 / /proc rw - proc proc rw,hidepid=4\n";
        let beside =
            "23 28 0:21 / /chroot/proc rw - proc proc rw,hidepid=2\n24 28 0:22 / /x rw - tmpfs t rw\n";
        let text = format!("{under}22 28 0:20 / /proc rw,nosuid shared:12 - proc proc {options}\n{beside}");
        assert_eq!(hiding(&text), expected);
        assert_eq!(hiding(beside), None);
    }

    #[rstest]
    #[case("Name:\tx\nNSpid:\t42\n", Some(1))]
    #[case("NStgid:\t42\t1\nNSpid:\t42\t1\n", Some(2))]
    #[case("Name:\tx\n", None)]
    fn a_process_has_a_number_in_each_namespace(#[case] status: &str, #[case] expected: Option<usize>) {
        assert_eq!(numbers(status.as_bytes()), expected);
    }
}
