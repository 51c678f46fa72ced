//! The filter of a page: the text that is typed, what of it is in force, and the line it is typed in.

use crossterm::event::{Event, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use super::theme::{KEY, NOTICE, WEAK};
use super::widget::paint::{columns, put};
use crate::analysis::filter::LONGEST;
use crate::analysis::{Filter, FilterError};
use crate::text::{keep_end, keep_start, safe, split_at, width};

/// A filter and the text it is made from.
#[derive(Clone, Debug, Default)]
pub struct FilterLine {
    /// What is typed.
    pub input: Input,
    /// Whether it is being typed.
    pub editing: bool,
    /// What of it can be understood: it is in force.
    pub filter: Filter,
    /// Why what is typed can't be understood, or was not taken.
    pub error: Option<FilterError>,
    /// Whether it is words to look for, and not the filter language.
    pub is_plain: bool,
}

impl FilterLine {
    /// A filter in force.
    ///
    /// # Errors
    /// When it can't be understood.
    pub fn new(text: &str) -> Result<Self, FilterError> {
        let filter = Filter::parse(text)?;
        Ok(Self { input: Input::new(text.to_owned()), filter, ..Self::default() })
    }

    /// A filter of words to look for.
    #[must_use]
    pub fn plain() -> Self {
        Self { is_plain: true, ..Self::default() }
    }

    /// Lets everything through again.
    pub fn clear(&mut self) {
        *self = Self { is_plain: self.is_plain, ..Self::default() };
    }

    /// Takes in a key; false when it is none for a text. One that would make it too long is not taken, and
    /// that is said.
    pub fn type_in(&mut self, key: KeyEvent) -> bool {
        let before = self.input.clone();
        let taken = self.input.handle_event(&Event::Key(key)).is_some();
        if has_more_than(self.input.value(), LONGEST) {
            (self.input, self.error) = (before, Some(FilterError::TooLong));
        } else if taken {
            self.read();
        }
        taken
    }

    /// Takes in a pasted text, or nothing of it when it is too long: a part of it is not what was meant.
    pub fn paste(&mut self, text: &str) {
        if has_more_than(text, LONGEST - self.input.value().chars().count()) {
            self.error = Some(FilterError::TooLong);
        } else {
            paste(&mut self.input, text);
            self.read();
        }
    }

    /// Ends the typing, unless what is typed can't be understood.
    pub fn keep(&mut self) {
        self.read();
        self.editing = self.error.is_some();
    }

    /// Reads again what is typed. A wrong term, and all that is half typed looks wrong, leaves in force
    /// what stands before it.
    fn read(&mut self) {
        (self.filter, self.error) =
            if self.is_plain { Default::default() } else { Filter::understood(self.input.value()) };
    }

    /// Whether there is something to clear.
    #[must_use]
    pub fn is_set(&self) -> bool {
        !self.input.value().is_empty() || !self.filter.is_empty()
    }
}

/// Puts pasted text into a field where its cursor is: on one line, and no more than fits.
pub fn paste(input: &mut Input, text: &str) {
    let room = LONGEST.saturating_sub(input.value().chars().count());
    let line = text.trim_matches(|char: char| char.is_whitespace() || char.is_control()).chars();
    let line = line.map(|char| if char.is_control() { ' ' } else { char });
    let pasted: Vec<char> = line.take(room).collect();
    let mut whole: Vec<char> = input.value().chars().collect();
    let cursor = input.cursor().min(whole.len());
    let behind = cursor + pasted.len();
    whole.splice(cursor..cursor, pasted);
    *input = Input::new(whole.into_iter().collect()).with_cursor(behind);
}

fn has_more_than(text: &str, characters: usize) -> bool {
    text.chars().nth(characters).is_some()
}

/// Before the text.
const PROMPT: &str = " / ";
/// Behind it.
const GAP: u16 = 2;

/// Draws it while it is typed.
pub fn draw(filter: &FilterLine, area: Rect, buffer: &mut Buffer) {
    if !filter.editing {
        return;
    }
    let start = put(buffer, area, area.x, PROMPT, KEY);
    let (text, _) = visible(filter, area);
    let x = put(buffer, area, start, &text, Style::new());
    let room = usize::from(area.right().saturating_sub(x + GAP));
    match &filter.error {
        Some(error) => {
            let error = error.to_string();
            put(buffer, area, x + GAP, &keep_start(&safe(&error), room), NOTICE);
        }
        None if filter.input.value().is_empty() => {
            let example = if filter.is_plain {
                "words: number, kind, name, state, address; ! before one means not"
            } else {
                "name, pid, user, port, address; state:time_wait port:8080 !nginx"
            };
            put(buffer, area, x + GAP, &keep_start(example, room), WEAK);
        }
        None => {}
    }
}

/// Where the cursor stands.
#[must_use]
pub fn cursor(filter: &FilterLine, area: Rect) -> Option<Position> {
    if !filter.editing || area.is_empty() {
        return None;
    }
    let (_, at) = visible(filter, area);
    let x = usize::from(area.x) + PROMPT.len() + at;
    Some(Position::new(u16::try_from(x).ok()?.min(area.right() - 1), area.y))
}

/// What of the text has room, always with the end of what stands before the cursor, and the column of the
/// cursor in it. What is wrong with a long text has half of the line.
fn visible(filter: &FilterLine, area: Rect) -> (String, usize) {
    let room = usize::from(area.width).saturating_sub(PROMPT.len());
    let error = filter.error.as_ref().map_or(0, |error| columns(&error.to_string()) + GAP);
    let room = room.saturating_sub(usize::from(error.min(area.width / 2)));
    let text = safe(filter.input.value());
    let cursor = text.char_indices().nth(filter.input.cursor()).map_or(text.len(), |(index, _)| index);
    let (before, behind) = text.split_at(cursor);
    let before = keep_end(before, room.saturating_sub(1));
    let at = width(&before);
    (format!("{before}{}", split_at(behind, room.saturating_sub(at)).0), at)
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyCode;

    use super::*;

    fn typed(line: &mut FilterLine, text: &str) {
        for one in text.chars() {
            line.type_in(KeyCode::Char(one).into());
        }
    }

    #[test]
    fn a_wrong_term_leaves_in_force_what_stands_before_it() {
        let mut line = FilterLine::default();
        typed(&mut line, "orders state:tim");
        assert_eq!(line.filter, Filter::parse("orders").unwrap());
        assert!(line.error.is_some());
        line.keep();
        assert!(line.editing);
        line.type_in(KeyCode::Backspace.into());
        typed(&mut line, "me_wait");
        assert_eq!(line.filter, Filter::parse("orders state:time_wait").unwrap());
        line.keep();
        assert!(!line.editing);
    }

    #[test]
    fn what_is_too_long_is_not_taken_and_said() {
        for mut line in [FilterLine::default(), FilterLine::plain()] {
            typed(&mut line, &"x".repeat(10_000));
            assert_eq!(line.input.value(), "x".repeat(LONGEST));
            assert_eq!(line.error, Some(FilterError::TooLong));
            line.type_in(KeyCode::Backspace.into());
            assert_eq!(line.error, None);
            line.paste("yy");
            assert_eq!((line.input.value().len(), &line.error), (LONGEST - 1, &Some(FilterError::TooLong)));
            line.keep();
            assert!(!line.editing, "the text as it is can be kept");
        }
    }

    #[test]
    fn a_paste_is_one_line_and_never_a_key() {
        let mut line = FilterLine::default();
        line.paste("port:80\r\norders\u{1b}");
        assert_eq!(line.filter, Filter::parse("port:80 orders").unwrap());
        line.paste(&"x".repeat(90_000_000));
        assert_eq!(line.error, Some(FilterError::TooLong));
    }
}
