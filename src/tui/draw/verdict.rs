//! How bad it is, in one sentence.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;

use crate::text::{keep_start, split_at};
use crate::tui::app::App;
use crate::tui::theme::badge;
use crate::tui::widget::paint::{columns, put, row};

/// Between the word and the sentence.
const GAP: u16 = 2;

/// How many lines the verdict takes on a screen of that width.
#[must_use]
pub fn lines(app: &App, width: u16) -> u16 {
    let Some(picture) = app.picture() else { return 1 };
    let indent = columns(picture.verdict.severity.title()) + 1 + GAP;
    u16::try_from(wrap(&picture.verdict.sentence, width.saturating_sub(indent)).len())
        .unwrap_or(u16::MAX)
        .max(1)
}

/// Draws it.
pub fn draw(app: &App, area: Rect, frame: &mut Buffer) {
    let Some(picture) = app.picture() else { return };
    let verdict = &picture.verdict;
    let x = put(frame, row(area, 0), area.x + 1, verdict.severity.title(), badge(verdict.severity)) + GAP;
    let room = area.right().saturating_sub(x);
    let wrapped = wrap(&verdict.sentence, room);
    let last = usize::from(area.height).saturating_sub(1);
    for (place, line) in wrapped.iter().take(last).enumerate() {
        put(frame, row(area, place), x, line, Style::new());
    }
    let rest = wrapped.get(last..).unwrap_or_default().join(" ");
    put(frame, row(area, last), x, &keep_start(&rest, usize::from(room)), Style::new());
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
