//! A plan as text: the commands first, then what they do and what to think of; and what every action may
//! have to say afterwards.

use std::io::{self, Write};

use crate::model::Gap;
use crate::remedy::{NotDone, Plan};

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

/// Why nothing was changed, in sentences.
#[must_use]
pub fn not_done(why: &NotDone) -> Vec<String> {
    vec![format!("Nothing was changed: {why}.")]
}

/// What could not be written down about an action, in sentences.
pub fn unwritten(gaps: &[Gap]) -> impl Iterator<Item = String> {
    gaps.iter().map(|gap| format!("Not written down: {gap}"))
}
