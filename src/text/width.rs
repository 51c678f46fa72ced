//! How much room a text takes on a terminal, and texts cut to fit. Everything that lines up goes by the
//! one [`width`].

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The columns a text takes on a terminal: the sum of those of its grapheme clusters, so that the parts
/// of a text are never wider or narrower than the whole.
#[must_use]
pub fn width(text: &str) -> usize {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.len();
    }
    text.graphemes(true).map(width_of_cluster).sum()
}

/// The columns of one grapheme cluster, as the screen draws it: terminals give the halfwidth sound marks
/// of Japanese a cell of their own.
fn width_of_cluster(cluster: &str) -> usize {
    cluster.width() + cluster.matches(['\u{ff9e}', '\u{ff9f}']).count()
}

/// Shortens a text to `columns`, keeping its end visible: `…pps\orders.exe`.
#[must_use]
pub fn keep_end(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    let clusters = text.grapheme_indices(true).rev();
    let start = fitting(clusters, columns - 1).last().map_or(text.len(), |(at, _)| at);
    Cow::Owned(format!("…{}", &text[start..]))
}

/// Shortens a text to `columns`, keeping its start: `orders.e…`.
#[must_use]
pub fn keep_start(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    Cow::Owned(format!("{}…", split_at(text, columns - 1).0))
}

/// The part of a text that fits into `columns`, and the rest.
#[must_use]
pub fn split_at(text: &str, columns: usize) -> (&str, &str) {
    let clusters = text.grapheme_indices(true);
    let end = fitting(clusters, columns).last().map_or(0, |(at, cluster)| at + cluster.len());
    text.split_at(end)
}

/// The grapheme clusters that fit into `columns`.
fn fitting<'a>(
    clusters: impl Iterator<Item = (usize, &'a str)>,
    columns: usize,
) -> impl Iterator<Item = (usize, &'a str)> {
    let mut room = columns;
    clusters.map_while(move |(at, cluster)| {
        room = room.checked_sub(width_of_cluster(cluster))?;
        Some((at, cluster))
    })
}

/// The blanks that fill a text up to `columns`.
#[must_use]
pub fn blanks(text: &str, columns: usize) -> String {
    " ".repeat(columns.saturating_sub(width(text)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;
    use crate::text::safe;
    use crate::text::tests_support::hostile;

    #[test]
    fn shortening_keeps_the_side_that_was_asked_for() {
        assert_eq!(keep_end(r"C:\Apps\orders.exe", 11), "…orders.exe");
        assert_eq!(keep_start("svchost:Dnscache", 9), "svchost:…");
        assert_eq!(keep_end("日本語", 4), "…語");
        assert_eq!(keep_start("日本語", 4), "日…");
    }

    #[test]
    fn a_cluster_is_never_torn() {
        assert_eq!(width("👍🏽"), 2);
        assert_eq!(keep_start("👍🏽👍🏽", 3), "👍🏽…");
        assert_eq!(keep_end("e\u{301}e\u{301}e\u{301}", 2), "…e\u{301}");
    }

    proptest! {
        #[test]
        fn the_parts_of_a_text_are_as_wide_as_the_whole(text in hostile(), columns in 0usize..40) {
            let (start, rest) = split_at(&text, columns);
            prop_assert!(width(start) <= columns);
            prop_assert_eq!(width(start) + width(rest), width(&text));
        }

        #[test]
        fn shortened_and_filled_up_a_text_has_exactly_its_columns(text in hostile(), columns in 0usize..40) {
            let text = safe(&text);
            for short in [keep_end(&text, columns), keep_start(&text, columns)] {
                prop_assert_eq!(width(&short) + blanks(&short, columns).len(), columns, "{:?}", short);
            }
        }

        #[test]
        fn a_text_is_as_wide_as_the_screen_draws_it(text in hostile()) {
            let text = safe(&text);
            let mut line = Buffer::empty(Rect::new(0, 0, 200, 1));
            let (end, _) = line.set_stringn(0, 0, &text, 200, Style::new());
            prop_assert_eq!(usize::from(end), width(&text).min(200), "{:?}", text);
        }
    }
}
