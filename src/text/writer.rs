//! The last guard before text leaves porttop: whatever was forgotten to be made safe is made safe here.

use std::io::{self, Write};

use super::is_unsafe;

/// Passes text on, with something harmless instead of every character that [`is_unsafe`]; only line ends
/// stay as they are.
pub struct SafeWriter<W: Write> {
    out: W,
    instead: fn(&mut W, char) -> io::Result<()>,
    /// The start of a character or line end whose rest is still to come.
    held: Vec<u8>,
}

impl<W: Write> SafeWriter<W> {
    /// Writes `�` instead.
    pub fn replacing(out: W) -> Self {
        Self { out, instead: |out, _| out.write_all("\u{fffd}".as_bytes()), held: Vec::new() }
    }

    /// Writes `\uXXXX` instead: for JSON, where an unsafe character stands in a string if anywhere.
    pub fn escaping(out: W) -> Self {
        let instead = |out: &mut W, character: char| {
            let mut units = [0; 2];
            character.encode_utf16(&mut units).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))
        };
        Self { out, instead, held: Vec::new() }
    }

    /// The writer behind it.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn pass_on(&mut self, text: &str) -> io::Result<()> {
        let mut rest = text;
        let is_line_end =
            |rest: &str, at: usize| rest[at..].starts_with('\n') || rest[at..].starts_with("\r\n");
        while let Some((at, character)) =
            rest.char_indices().find(|(at, character)| is_unsafe(*character) && !is_line_end(rest, *at))
        {
            self.out.write_all(&rest.as_bytes()[..at])?;
            (self.instead)(&mut self.out, character)?;
            rest = &rest[at + character.len_utf8()..];
        }
        self.out.write_all(rest.as_bytes())
    }
}

impl<W: Write> Write for SafeWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let joined;
        let given = if self.held.is_empty() {
            bytes
        } else {
            joined = [&std::mem::take(&mut self.held), bytes].concat();
            &joined
        };
        let whole = match str::from_utf8(given) {
            Ok(text) => text.len() - usize::from(text.ends_with('\r')),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        };
        let (text, held) = given.split_at(whole);
        self.held.extend_from_slice(held);
        self.pass_on(str::from_utf8(text).map_err(io::Error::other)?)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.held).is_empty() {
            (self.instead)(&mut self.out, '\u{fffd}')?;
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::tests_support::hostile;

    fn written(mut writer: SafeWriter<Vec<u8>>, bytes: &[u8], part: usize) -> String {
        bytes.chunks(part).for_each(|part| writer.write_all(part).unwrap());
        writer.flush().unwrap();
        String::from_utf8(writer.into_inner()).unwrap()
    }

    #[test]
    fn only_line_ends_stay() {
        let text = "a\r\nb\rc\n\u{202e}d\u{1b}[2J\r".as_bytes();
        for part in 1..text.len() {
            assert_eq!(written(SafeWriter::replacing(Vec::new()), text, part), "a\r\nb�c\n�d�[2J�");
        }
    }

    #[test]
    fn json_keeps_what_it_says() {
        let json = "[\"a\u{ad}\u{e0067}\u{7f}\"]\n";
        let escaped = written(SafeWriter::escaping(Vec::new()), json.as_bytes(), json.len());
        assert_eq!(escaped, "[\"a\\u00ad\\udb40\\udc67\\u007f\"]\n");
        assert_eq!(serde_json::from_str::<[String; 1]>(&escaped).unwrap(), ["a\u{ad}\u{e0067}\u{7f}"]);
    }

    proptest! {
        #[test]
        fn nothing_unsafe_passes_however_it_is_cut(text in hostile(), part in 1usize..9) {
            let passed = written(SafeWriter::replacing(Vec::new()), text.as_bytes(), part);
            prop_assert_eq!(&passed, &written(SafeWriter::replacing(Vec::new()), text.as_bytes(), text.len().max(1)));
            prop_assert!(!passed.replace("\r\n", "").replace('\n', "").contains(is_unsafe));
        }
    }
}
