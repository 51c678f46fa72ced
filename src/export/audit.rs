//! The audit as text and as JSON (`porttop.audit/1`).

use std::io::{self, Write};

use super::document;
use crate::remedy::audit::{Entry, Stage};
use crate::text::safe;

/// Writes every entry with its lines, oldest first.
///
/// # Errors
/// When `out` can't be written.
pub fn write(entries: &[Entry], out: &mut impl Write) -> io::Result<()> {
    for entry in entries {
        let user = entry.user.as_deref().unwrap_or("-");
        let (stage, lines) = match &entry.stage {
            Stage::Asked { commands, promises } => {
                ("asked", [commands.as_slice(), promises.as_slice()].concat())
            }
            Stage::Done { succeeded: true, result } => ("done", result.clone()),
            Stage::Done { succeeded: false, result } => ("failed", result.clone()),
        };
        writeln!(out, "{} {} {} {stage}", entry.time, safe(user), safe(&entry.action))?;
        lines.iter().try_for_each(|line| writeln!(out, "  {}", safe(line)))?;
    }
    Ok(())
}

/// The same as JSON.
///
/// # Errors
/// When `out` can't be written.
pub fn write_json(entries: &[Entry], out: &mut impl Write) -> io::Result<()> {
    document::write(out, &serde_json::json!({ "schema": "porttop.audit/1", "entries": entries }))
}
