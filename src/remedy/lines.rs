//! Lines of JSON that prove to be whole: the last field of each is a checksum of the others.
//!
//! What a full disk or a crash has torn is told from what was written, and costs no other line. Lines
//! without a checksum are those of an older porttop.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What stands between the fields of a line and its checksum.
const CHECKSUM: &[u8] = b",\"crc32\":\"";
/// So many hexadecimal digits.
const DIGITS: usize = 8;
/// What stands behind it.
const END: &[u8] = b"\"}";

/// An object as a line.
pub(super) fn line(object: &impl Serialize) -> serde_json::Result<String> {
    let json = serde_json::to_string(object)?;
    let checksum = crc32fast::hash(json.as_bytes());
    let fields = &json[..json.len() - 1];
    Ok(format!("{fields},\"crc32\":\"{checksum:08x}\"}}"))
}

/// What a line says; nothing when it is damaged.
pub(super) fn parse<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    let line = line.trim_ascii_end();
    let (fields, checksum) = match line.strip_suffix(END) {
        Some(rest) if rest.len() >= CHECKSUM.len() + DIGITS => {
            let (rest, digits) = rest.split_at(rest.len() - DIGITS);
            (rest.strip_suffix(CHECKSUM), digits)
        }
        _ => (None, line),
    };
    if let Some(fields) = fields {
        let stated = u32::from_str_radix(str::from_utf8(checksum).ok()?, 16).ok()?;
        let mut hash = crc32fast::Hasher::new();
        hash.update(fields);
        hash.update(b"}");
        if hash.finalize() != stated {
            return None;
        }
    }
    serde_json::from_slice(line).ok()
}

/// The lines of a file.
#[derive(Debug)]
pub(super) struct Lines<T> {
    /// What they say, each with the place where its line begins.
    pub whole: Vec<(usize, T)>,
    /// Where the damaged ones begin.
    pub damaged: Vec<usize>,
}

/// Reads the lines of a file, oldest first.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Lines<T> {
    let mut lines = Lines { whole: Vec::new(), damaged: Vec::new() };
    let mut start = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match parse(line) {
            Some(said) => lines.whole.push((start, said)),
            None if line.trim_ascii().is_empty() => {}
            None => lines.damaged.push(start),
        }
        start += line.len();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    #[test]
    fn a_line_is_json_with_a_checksum_at_its_end() {
        let line = line(&json!({"a": 1})).unwrap();
        assert_eq!(line, format!("{{\"a\":1,\"crc32\":\"{:08x}\"}}", crc32fast::hash(b"{\"a\":1}")));
        assert_eq!(parse::<Value>(line.as_bytes()).unwrap()["a"], 1);
    }

    #[rstest]
    #[case::older(r#"{"a":1}"#, true)]
    #[case::older_with_the_same_end(r#"{"a":"x"}"#, true)]
    #[case::another_checksum(r#"{"a":1,"crc32":"00000000"}"#, false)]
    #[case::no_number(r#"{"a":1,"crc32":"gggggggg"}"#, false)]
    #[case::signed(r#"{"a":1,"crc32":"+0000000"}"#, false)]
    #[case::nothing("", false)]
    #[case::zeros("\0\0\0\0", false)]
    fn other_lines(#[case] line: &str, #[case] whole: bool) {
        assert_eq!(parse::<Value>(line.as_bytes()).is_some(), whole);
    }

    proptest! {
        /// However much of a line was written before the next one, that one is read and nothing else is.
        #[test]
        fn a_torn_line_costs_no_other(text: String, cut in 0usize..1000, apart: bool) {
            let torn = line(&json!({"torn": text, "more": {"deep": [1, 2]}})).unwrap();
            let torn = &torn.as_bytes()[..cut % torn.len()];
            let next = line(&json!({"next": text})).unwrap();
            let apart: &[u8] = if apart { b"\n" } else { b"" };
            let lines = read::<Value>(&[torn, apart, next.as_bytes(), b"\n"].concat());
            let alone = torn.is_empty() || !apart.is_empty();
            prop_assert_eq!(lines.whole.len(), usize::from(alone));
            prop_assert_eq!(lines.damaged.len(), usize::from(!torn.is_empty()));
        }

        #[test]
        fn hostile_bytes_are_no_line(bytes: Vec<u8>) {
            let lines = read::<Value>(&bytes);
            prop_assert!(lines.whole.iter().all(|(start, _)| *start < bytes.len()));
        }
    }
}
