//! Where tracefs describes the tracepoints: mounted somewhere, or opened for us alone.

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use super::refused::refused;
use crate::model::{Gap, Missing, Reason, Remedy, TracePart};

/// Who may read it where it is not mounted, and trace all processes.
const RIGHTS: Remedy = Remedy::Root(&["CAP_SYS_ADMIN", "CAP_DAC_READ_SEARCH"]);

/// Where it is mounted; `/sys/kernel/debug/tracing` mounts itself where debugfs is.
const MOUNTED: [&str; 2] = ["/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"];

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens the directory of the tracepoints.
pub(super) fn events() -> Result<OwnedFd, Gap> {
    let mut forbidden = None;
    for path in MOUNTED {
        match openat(CWD, path, DIRECTORY, Mode::empty()) {
            Ok(events) => return Ok(events),
            Err(Errno::NOENT) => {}
            Err(errno) => forbidden = forbidden.or(Some((path, errno))),
        }
    }
    detached().map_err(|errno| match (forbidden, errno) {
        (Some((path, errno)), _) => refused(TracePart::Whole, path, &errno.into()),
        // The kernel is older than 5.2, or is forbidden to be asked.
        (None, Errno::NOSYS) => whole(Reason::NoTracefs).fixed_by(Remedy::MountTracefs),
        (None, Errno::NODEV) => whole(Reason::KernelWithoutTracefs),
        (None, errno) => {
            let reason = format!("tracefs, which is not mounted: {}", std::io::Error::from(errno));
            Gap::error(Missing::Trace(TracePart::Whole), reason).fixed_by(RIGHTS)
        }
    })
}

/// Opens tracefs without mounting it anywhere: nobody sees it, and it is gone when the descriptor is closed.
fn detached() -> rustix::io::Result<OwnedFd> {
    let context = fsopen("tracefs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let root = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    openat(&root, "events", DIRECTORY, Mode::empty())
}

fn whole(reason: Reason) -> Gap {
    Gap::new(Missing::Trace(TracePart::Whole), reason)
}
