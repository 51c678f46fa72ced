use std::io::{self, Write};

use serde::Serialize;

/// Writes one JSON object for people and programs: indented, with a line end.
///
/// # Errors
/// When `out` can't be written.
pub(super) fn write(out: &mut impl Write, object: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, object)?;
    writeln!(out)
}
