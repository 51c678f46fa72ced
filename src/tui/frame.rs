//! Where everything was drawn: drawing returns it, and the mouse and the scrolling ask it.

use super::drawn::Drawn;
use super::keymap::Context;

/// Where everything is on the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// What is known of the pane, and what keys meant there; none where nothing has room.
    pub pane: Option<(Context, Drawn)>,
    /// The same of the dialog over it.
    pub dialog: Option<(Context, Drawn)>,
}

impl Frame {
    /// Whether there is anything on the screen that can be read.
    #[must_use]
    pub const fn is_readable(&self) -> bool {
        self.pane.is_some()
    }

    /// What was drawn of the pane in which keys mean this now.
    #[must_use]
    pub fn of_pane(&self, context: Context) -> Option<&Drawn> {
        self.pane.as_ref().filter(|(drawn, _)| *drawn == context).map(|(_, drawn)| drawn)
    }

    /// What was drawn of the dialog in which keys mean this now.
    #[must_use]
    pub fn of_dialog(&self, context: Context) -> Option<&Drawn> {
        self.dialog.as_ref().filter(|(drawn, _)| *drawn == context).map(|(_, drawn)| drawn)
    }
}
