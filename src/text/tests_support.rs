//! Names that nobody would give a process who means well.

use proptest::prelude::*;
use proptest::sample::select;

/// What text is measured, cut, lined up or written wrongly by: sequences that are narrower or wider than
/// their characters, what attaches itself to its neighbours, what hides, steers, quotes and calculates.
const PIECES: [&str; 32] = [
    "a",
    "é",
    "e\u{301}",
    "日",
    "ｱﾞ",
    "ﾟ",
    "\u{301}\u{302}",
    "❤\u{fe0f}",
    "\u{fe0f}",
    "1\u{fe0f}\u{20e3}",
    "👍🏽",
    "🏽",
    "👨\u{200d}👩\u{200d}👧",
    "\u{200d}",
    "🇩🇪",
    "🇩",
    "🏴\u{e0067}\u{e0062}\u{e007f}",
    "لا",
    "ൎ",
    "각",
    "\u{1160}",
    "\u{3164}",
    "\u{ad}",
    "\u{202e}",
    "\u{9b}2J",
    "\u{1b}]0;x\u{7}",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "=1+1",
    "\",|'",
];

/// A name made of them and of any other characters.
pub fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![3 => select(&PIECES[..]).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}
