//! A plan as text: the commands first, then what they do and what to think of.

use std::io::{self, Write};

use crate::remedy::Plan;

/// Writes what will be done once a person says yes.
///
/// # Errors
/// When `out` can't be written.
pub fn write_plan(plan: &impl Plan, out: &mut impl Write) -> io::Result<()> {
    for command in plan.commands() {
        writeln!(out, "  {command}")?;
    }
    for promise in plan.promises() {
        writeln!(out, "{promise}")?;
    }
    for caution in plan.cautions() {
        writeln!(out, "Caution: {caution}.")?;
    }
    for refusal in plan.refusals() {
        writeln!(out, "Refused: {refusal}.")?;
    }
    Ok(())
}
