use std::io::{self, Write};

use serde::Serialize;

use crate::text::SafeWriter;

/// Writes one JSON object for people and programs: indented, with a line end. What is unsafe in text from
/// outside is written as `\uXXXX`.
///
/// # Errors
/// When `out` can't be written.
pub(super) fn write(out: &mut impl Write, object: &impl Serialize) -> io::Result<()> {
    let mut out = SafeWriter::escaping(out);
    serde_json::to_writer_pretty(&mut out, object)?;
    writeln!(out)
}
