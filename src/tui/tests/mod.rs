//! The screen as a user meets it: keys in, text out.

mod arranging;
mod commands;
mod hostile;
mod keys;
mod pastes;
mod plain;
mod remedies;
mod screens;
mod sizes;
mod support;
mod time;
