//! A key as the table of keys has it, and its name.

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    control: bool,
}

impl Key {
    pub(super) const fn plain(code: KeyCode) -> Self {
        Self { code, control: false }
    }

    pub(super) const fn char(character: char) -> Self {
        Self::plain(KeyCode::Char(character))
    }

    pub(super) const fn control(character: char) -> Self {
        Self { code: KeyCode::Char(character), control: true }
    }

    /// The key of an event. Control and alt together are `AltGr`, which types a character.
    #[must_use]
    pub fn of(event: KeyEvent) -> Self {
        let modifiers = event.modifiers;
        let control = modifiers.contains(KeyModifiers::CONTROL) && !modifiers.contains(KeyModifiers::ALT);
        Self { code: event.code, control }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            KeyCode::Char(character) if self.control => write!(f, "ctrl-{character}"),
            KeyCode::Char(' ') => f.write_str("space"),
            KeyCode::Char(character) => write!(f, "{character}"),
            KeyCode::F(number) => write!(f, "F{number}"),
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::Left => f.write_str("←"),
            KeyCode::Right => f.write_str("→"),
            KeyCode::PageUp => f.write_str("PgUp"),
            KeyCode::PageDown => f.write_str("PgDn"),
            KeyCode::BackTab => f.write_str("shift-tab"),
            other => f.write_str(&format!("{other:?}").to_lowercase()),
        }
    }
}
