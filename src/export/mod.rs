//! A picture written down without a screen: JSON, CSV and a plain table.
//!
//! An [`Excerpt`] chooses what of a picture is written and in which order; `record` names its fields, the
//! same in JSON and CSV; each format is one file with one `write` that streams to any writer. Nothing
//! here counts, judges or asks the system: a number that is not in the picture is not in an export.

pub mod action;
pub mod audit;
pub mod check;
pub mod csv;
mod document;
mod excerpt;
mod finding;
mod gap;
mod grid;
pub mod json;
mod nat;
pub mod probe;
pub mod range;
mod record;
mod settings;
pub mod table;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_why;
pub mod what_if;
pub mod why;

pub use excerpt::{Excerpt, Order};
pub use finding::KeyOf;
