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

#[cfg(not(unix))]
pub(super) fn ranges(namespace: NamespaceId) -> Box<dyn PortRanges> {
    Box::new(Unread { namespace })
}

/// Names the spaces and has no range for them.
#[cfg(not(unix))]
struct Unread {
    namespace: NamespaceId,
}

#[cfg(not(unix))]
impl PortRanges for Unread {
    fn read(&mut self) -> super::super::Reading<Vec<crate::model::PortSpace>> {
        use crate::model::{Degradation, PortSpace, SpaceId};
        let value = SpaceId::all_of(self.namespace).map(|id| PortSpace { id, dynamic: None }).into();
        let unread = Degradation::new("dynamic port ranges", "the portable backend can't read them here");
        super::super::Reading { value, degradations: vec![unread.fixed_by("--backend native")] }
    }
}
