//! What of the trace is missing where the system refuses something.

use std::io;

use crate::model::{Gap, Missing, Remedy, TracePart};

/// Who may read tracefs, which is root's, and trace all processes.
const RIGHTS: Remedy = Remedy::Root(&["CAP_PERFMON", "CAP_DAC_READ_SEARCH"]);

/// What is missing because `whom` refused it.
pub(super) fn refused(part: TracePart, whom: &str, error: &io::Error) -> Gap {
    let gap = Gap::error(Missing::Trace(part), format!("{whom}: {error}"));
    match error.kind() {
        io::ErrorKind::PermissionDenied => gap.fixed_by(RIGHTS),
        _ => gap,
    }
}
