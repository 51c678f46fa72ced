//! Text from outside: names, paths, messages. It is data, whatever it holds.

use std::borrow::Cow;

/// Whether a character could move the cursor, hide itself or others, or turn the direction of a text:
/// Unicode's control, format and default ignorable characters, and its line and paragraph separators.
///
/// Selectors and joiners inside an emoji are no exception: what can't be seen there could not be told
/// from a name without them either.
#[must_use]
pub const fn is_unsafe(character: char) -> bool {
    matches!(character,
        '\0'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{600}'..='\u{605}'
        | '\u{61c}'
        | '\u{6dd}'
        | '\u{70f}'
        | '\u{890}'..='\u{891}'
        | '\u{8e2}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{110bd}'
        | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Outside text as one line that is safe to show, write and print: every character that [`is_unsafe`]
/// is a `�`, so that two names that differ never look the same.
#[must_use]
pub fn safe(text: &str) -> Cow<'_, str> {
    if text.contains(is_unsafe) {
        Cow::Owned(text.replace(is_unsafe, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex_syntax::Parser;
    use regex_syntax::hir::{Class, HirKind};

    use super::*;

    /// The characters of a class, as the tables of `regex-syntax` have them.
    fn class(pattern: &str) -> impl Fn(char) -> bool {
        let class = Parser::new().parse(pattern).unwrap();
        let HirKind::Class(Class::Unicode(class)) = class.into_kind() else { panic!("{pattern}") };
        move |character| {
            let after = class.ranges().partition_point(|range| range.end() < character);
            class.ranges().get(after).is_some_and(|range| range.start() <= character)
        }
    }

    #[test]
    fn of_all_characters_exactly_those_that_hide_or_steer_are_unsafe() {
        let expected = class(r"[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\p{Zl}\p{Zp}]");
        for character in '\0'..=char::MAX {
            assert_eq!(is_unsafe(character), expected(character), "U+{:04X}", u32::from(character));
            let made_safe = safe(character.encode_utf8(&mut [0; 4])).into_owned();
            assert!(!made_safe.contains(&expected), "U+{:04X}", u32::from(character));
        }
    }

    #[test]
    fn what_can_not_be_seen_is_shown_to_be_there() {
        assert_eq!(safe("ro\u{3164}ot\u{ad}\u{202e}\u{9b}2J"), "ro�ot���2J");
        assert_eq!(safe("❤\u{fe0f}‍👨‍👩"), "❤��👨�👩");
        assert_eq!(safe("日本語 é"), "日本語 é");
    }

    proptest! {
        #[test]
        fn safe_text_is_safe_and_as_long_as_it_was(text: String) {
            let made_safe = safe(&text);
            prop_assert!(!made_safe.contains(is_unsafe));
            prop_assert_eq!(made_safe.chars().count(), text.chars().count());
        }
    }
}
