//! The dialogs: one file for each, with its state, its commands and its drawing. None of them knows a pane.

pub mod close;
pub mod gaps;
pub mod help;
pub mod kill;
pub mod outcome;
pub mod own_range;
pub mod probe;
pub mod question;
pub mod set_range;
pub mod sort_menu;
pub mod why;
pub mod working;
