//! `/proc/PID/cgroup` as text: the systemd unit or the container a process belongs to.

use compact_str::{CompactString, format_compact};

/// How much of a container's 64 digits is shown, as its own tools do.
const SHORT_ID: usize = 12;

/// The service of a process: its container where it is in one, else its systemd unit.
///
/// The file has a line for every hierarchy, `number:controllers:path`. The unified hierarchy is number 0;
/// before it, and beside it, systemd's own is `name=systemd`. Only when neither tells anything are the
/// hierarchies of single controllers asked.
pub(super) fn service(text: &str) -> Option<CompactString> {
    let mut lines: Vec<(u8, &str)> = text
        .lines()
        .filter_map(|line| {
            let (number, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            let rank = match (number, controllers) {
                ("0", "") => 0,
                (_, "name=systemd") => 1,
                _ => 2,
            };
            Some((rank, path))
        })
        .collect();
    lines.sort_by_key(|(rank, _)| *rank);
    let paths = || lines.iter().map(|(_, path)| *path);
    paths().find_map(container).or_else(|| paths().find_map(unit))
}

fn container(path: &str) -> Option<CompactString> {
    let names: Vec<&str> = path.split('/').collect();
    // The innermost one counts.
    names.iter().enumerate().rev().find_map(|(at, name)| {
        let above = at.checked_sub(1).map_or("", |above| names[above]);
        let scope = name.strip_suffix(".scope").unwrap_or(name);
        if let Some((runtime, id)) = scope.rsplit_once('-')
            && is_id(id)
        {
            return Some(named(runtime_name(runtime), id));
        }
        // `cri-containerd:ID`, of containerd below systemd slices.
        if let Some((_, id)) = name.rsplit_once(':')
            && is_id(id)
        {
            return Some(named("containerd", id));
        }
        if is_id(name) {
            let kubernetes = path.contains("kubepods");
            return Some(named(if kubernetes { "kubernetes" } else { runtime_name(above) }, name));
        }
        let lxc = match above {
            "lxc" => Some(*name),
            _ => name.strip_prefix("lxc.payload."),
        };
        lxc.filter(|name| !name.is_empty()).map(|name| format_compact!("lxc:{name}"))
    })
}

fn named(runtime: &str, id: &str) -> CompactString {
    format_compact!("{runtime}:{}", &id[..SHORT_ID])
}

fn runtime_name(name: &str) -> &str {
    match name {
        "libpod" | "libpod_parent" => "podman",
        "crio" => "cri-o",
        "cri-containerd" => "containerd",
        "" => "container",
        other => other,
    }
}

/// 64 hexadecimal digits.
fn is_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The innermost service or scope of a path; what is below it is the unit's own business.
fn unit(path: &str) -> Option<CompactString> {
    let is_unit = |name: &&str| matches!(name.rsplit_once('.'), Some((_, "service" | "scope")));
    path.rsplit('/').find(is_unit).map(CompactString::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[rstest]
    #[case("0::/system.slice/nginx.service", Some("nginx.service"))]
    #[case("0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope", Some("app-x.scope"))]
    #[case("0::/user.slice/user-1000.slice/session-3.scope", Some("session-3.scope"))]
    #[case(
        "0::/system.slice/system-postgresql.slice/postgresql@16-main.service/workers",
        Some("postgresql@16-main.service")
    )]
    #[case("0::/init.scope", Some("init.scope"))]
    #[case("0::/docker/ID", Some("docker:0123456789ab"))]
    #[case("0::/system.slice/docker-ID.scope", Some("docker:0123456789ab"))]
    #[case("0::/system.slice/docker-ID.scope/init", Some("docker:0123456789ab"))]
    #[case(
        "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-ID.scope",
        Some("containerd:0123456789ab")
    )]
    #[case("0::/kubepods.slice/kubepods-pod1.slice/crio-ID.scope", Some("cri-o:0123456789ab"))]
    #[case("0::/kubepods/besteffort/pod1234/ID", Some("kubernetes:0123456789ab"))]
    #[case(
        "0::/system.slice/containerd.service/kubepods-besteffort-pod1.slice:cri-containerd:ID",
        Some("containerd:0123456789ab")
    )]
    #[case("0::/machine.slice/libpod-ID.scope/container", Some("podman:0123456789ab"))]
    #[case(
        "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
        Some("podman:0123456789ab")
    )]
    #[case("0::/lxc/web", Some("lxc:web"))]
    #[case("0::/lxc.payload.web/system.slice/nginx.service", Some("lxc:web"))]
    #[case(
        "12:cpu,cpuacct:/docker/ID\n1:name=systemd:/docker/ID\n0::/system.slice/containerd.service",
        Some("docker:0123456789ab")
    )]
    #[case(
        "12:pids:/system.slice/ssh.service\n1:name=systemd:/system.slice/ssh.service\n0::/",
        Some("ssh.service")
    )]
    #[case("12:pids:/other.service\n1:name=systemd:/system.slice/ssh.service", Some("ssh.service"))]
    #[case("0::/", None)]
    #[case("0::/docker/short", None)]
    #[case("", None)]
    #[case("no colon", None)]
    fn a_process_belongs_to(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(service(&text.replace("ID", ID)).as_deref(), expected);
    }

    proptest! {
        #[test]
        fn hostile_text_does_no_harm(text: String, path in "[/a-z:.-]{0,40}") {
            let _ = (service(&text), service(&format!("0::{path}")));
        }
    }
}
