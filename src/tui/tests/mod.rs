//! The screen as a user meets it: keys in, text out.

mod answers;
mod arranging;
mod commands;
mod hostile;
mod keys;
mod pastes;
mod plain;
mod ranges;
mod remedies;
mod screens;
mod sizes;
mod support;
mod time;
