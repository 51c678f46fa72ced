//! Text in lines: broken between words, and shown from one line on.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;

use super::paint::{columns, put_line, row};
use crate::text::{safe, split_at};
use crate::tui::drawn::Drawn;

/// Lines of text, broken where the room ends.
#[derive(Clone, Debug)]
pub struct TextLines {
    /// What there is so far.
    pub lines: Vec<Line<'static>>,
    width: u16,
}

impl TextLines {
    /// None yet, for so many columns.
    #[must_use]
    pub const fn new(width: u16) -> Self {
        Self { lines: Vec::new(), width }
    }

    /// Adds a text.
    pub fn add(&mut self, text: &str, style: Style) {
        self.indented(0, text, style);
    }

    /// Adds a text with so many blank columns before each of its lines.
    pub fn indented(&mut self, indent: u16, text: &str, style: Style) {
        let blank = " ".repeat(indent.into());
        for line in wrap(&safe(text), self.width.saturating_sub(indent)) {
            self.lines.push(Line::from(vec![Span::raw(blank.clone()), Span::styled(line, style)]));
        }
    }

    /// Adds texts.
    pub fn add_all<S: AsRef<str>>(&mut self, texts: impl IntoIterator<Item = S>, style: Style) {
        texts.into_iter().for_each(|text| self.add(text.as_ref(), style));
    }

    /// Adds a blank line.
    pub fn blank(&mut self) {
        self.lines.push(Line::default());
    }
}

/// Draws lines into an area, from one of them on, and never beyond the last ones.
pub fn draw_lines(lines: &[Line<'_>], first: usize, area: Rect, buffer: &mut Buffer) -> Drawn {
    let rows = usize::from(area.height);
    let first = first.min(lines.len().saturating_sub(rows));
    for (index, line) in lines.iter().skip(first).take(rows).enumerate() {
        put_line(buffer, row(area, index), line);
    }
    Drawn::rows(first, rows, lines.len())
}

/// Breaks a text between words; a word longer than a line is broken where the line ends.
#[must_use]
pub fn wrap(text: &str, width: u16) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.len() - 1;
        let line = &mut lines[line];
        if line.is_empty() || columns(line) + 1 + columns(word) <= width {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
        while let Some(rest) = lines.last_mut().and_then(|line| split_off(line, width)) {
            lines.push(rest);
        }
    }
    lines
}

/// Takes off what is beyond the width; at least one cluster stays.
fn split_off(line: &mut String, width: u16) -> Option<String> {
    if columns(line) <= width {
        return None;
    }
    let fitting = split_at(line, width.into()).0.len();
    let first = line.graphemes(true).next().map_or(0, str::len);
    Some(line.split_off(fitting.max(first))).filter(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_breaks_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_all_fits(text in "[a-z日 ]{0,60}", width in 2u16..30) {
            let lines = wrap(&text, width);
            prop_assert!(lines.iter().all(|line| columns(line) <= width));
            prop_assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
        }
    }
}
