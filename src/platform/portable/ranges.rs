//! The dynamic port ranges of a system that has no implementation of its own.

use super::super::PortRanges;
use crate::model::NamespaceId;

#[cfg(target_os = "linux")]
pub(super) fn namespace() -> NamespaceId {
    super::super::linux::own_namespace().unwrap_or(NamespaceId::ONLY)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn namespace() -> NamespaceId {
    NamespaceId::ONLY
}

#[cfg(target_os = "linux")]
pub(super) fn ranges(namespace: NamespaceId) -> Box<dyn PortRanges> {
    Box::new(super::super::linux::Sysctl { namespace })
}

#[cfg(all(unix, not(target_os = "linux")))]
pub(super) fn ranges(namespace: NamespaceId) -> Box<dyn PortRanges> {
    Box::new(super::bsd::SysctlCommand { namespace })
}

#[cfg(windows)]
pub(super) fn ranges(_: NamespaceId) -> Box<dyn PortRanges> {
    Box::new(super::super::windows::Netsh::new())
}
