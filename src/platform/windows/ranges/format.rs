//! The output of `netsh int ipv4|ipv6 show dynamicport` and `show excludedportrange`.
//!
//! It is localised and written in the console's OEM code page, so it is read by its structure and as
//! bytes: digits, colons, hyphens and asterisks are the same in every code page Windows has for this,
//! and are never the second byte of a character in 932 and 936.

use crate::model::{Port, PortRange};

/// Why the output was not believed. It says what was there instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// There was none.
    #[error("netsh printed nothing")]
    Empty,
    /// It has another structure.
    #[error("netsh printed something else: {0}")]
    Odd(String),
    /// It is no range of ports.
    #[error("netsh printed no possible range: start {start}, {count} ports")]
    Impossible {
        /// The first number.
        start: u32,
        /// The second.
        count: u32,
    },
}

/// The dynamic range: exactly two lines end in a colon and a number; the first is the start, the
/// second the count.
///
/// # Errors
/// When it has another structure, or is no range.
pub fn dynamic_range(output: &[u8]) -> Result<PortRange, ParseError> {
    let numbers: Vec<u32> = lines(output).filter_map(labelled_number).collect();
    let &[start, count] = numbers.as_slice() else { return Err(unlike(output)) };
    u16::try_from(start)
        .ok()
        .filter(|start| *start > 0)
        .and_then(|first| PortRange::from_count(Port(first), count))
        .ok_or(ParseError::Impossible { start, count })
}

/// The excluded ranges: every line of two numbers, after a rule of hyphens. None is a valid answer.
///
/// # Errors
/// When it has another structure.
pub fn excluded_ranges(output: &[u8]) -> Result<Vec<PortRange>, ParseError> {
    let mut rows = lines(output).skip_while(|line| !is_rule(line));
    if rows.next().is_none() {
        return Err(unlike(output));
    }
    rows.filter_map(two_numbers)
        .map(|(start, end)| {
            let port = |number| u16::try_from(number).ok().map(Port);
            port(start)
                .zip(port(end))
                .and_then(|(start, end)| PortRange::new(start, end))
                .ok_or_else(|| unlike(output))
        })
        .collect()
}

fn lines(output: &[u8]) -> impl Iterator<Item = &[u8]> {
    output.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii)
}

/// The number of a line that ends in a colon, blanks and digits.
fn labelled_number(line: &[u8]) -> Option<u32> {
    let colon = line.iter().rposition(|byte| *byte == b':')?;
    number(line[colon + 1..].trim_ascii())
}

/// The numbers of a line that is two numbers and perhaps the asterisk of an administered exclusion.
fn two_numbers(line: &[u8]) -> Option<(u32, u32)> {
    let line = line.strip_suffix(b"*").unwrap_or(line);
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let pair = (number(words.next()?)?, number(words.next()?)?);
    words.next().is_none().then_some(pair)
}

fn is_rule(line: &[u8]) -> bool {
    line.starts_with(b"--") && line.iter().all(|byte| matches!(byte, b'-' | b' ' | b'\t'))
}

fn number(digits: &[u8]) -> Option<u32> {
    let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
    str::from_utf8(digits).ok()?.parse().ok()
}

/// The longest part of an odd output that is shown.
const SHOWN: usize = 300;

fn unlike(output: &[u8]) -> ParseError {
    let text = output.trim_ascii();
    if text.is_empty() {
        return ParseError::Empty;
    }
    let shown: String = String::from_utf8_lossy(text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(SHOWN)
        .collect();
    ParseError::Odd(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{Encoding, GBK, IBM866, SHIFT_JIS};
    use proptest::prelude::*;
    use rstest::rstest;

    fn output(title: &str, first: &str, second: &str, start: u32, count: u32) -> String {
        let rule = "-".repeat(33);
        format!("\r\n{title}\r\n{rule}\r\n{first}      : {start}\r\n{second} : {count}\r\n\r\n")
    }

    fn range(start: u16, end: u16) -> PortRange {
        PortRange::new(Port(start), Port(end)).unwrap()
    }

    fn encoded(encoding: &'static Encoding, text: &str) -> Vec<u8> {
        let (bytes, _, failed) = encoding.encode(text);
        assert!(!failed, "{text}");
        bytes.into_owned()
    }

    /// Code pages 437 and 850 have é at the same place.
    fn western(text: &str) -> Vec<u8> {
        text.chars().map(|c| if c == 'é' { 0x82 } else { u8::try_from(c).unwrap() }).collect()
    }

    #[rstest]
    #[case::english("Protocol tcp Dynamic Port Range", "Start Port", "Number of Ports", western)]
    #[case::french(
        "Plage de ports dynamique du protocole tcp",
        "Port de démarrage",
        "Nombre de ports",
        western
    )]
    #[case::german("Protokoll tcp Dynamischer Portbereich", "Startport", "Anzahl von Ports", western)]
    #[case::japanese("プロトコル tcp の動的ポートの範囲", "開始ポート", "ポート数", |text: &str| encoded(SHIFT_JIS, text))]
    #[case::chinese("协议 tcp 动态端口范围", "启动端口", "端口数", |text: &str| encoded(GBK, text))]
    #[case::russian(
        "Динамический диапазон портов",
        "Начальный порт",
        "Число портов",
        |text: &str| encoded(IBM866, text)
    )]
    #[case::utf8("Динамический диапазон портов", "Начальный порт", "Число портов", |text: &str| text.into())]
    fn the_range_is_read_in_every_language(
        #[case] title: &str,
        #[case] first: &str,
        #[case] second: &str,
        #[case] encode: fn(&str) -> Vec<u8>,
    ) {
        for (start, count, end) in [(49152, 16384, 65535), (1025, 3976, 5000), (1024, 64512, 65535)] {
            let bytes = encode(&output(title, first, second, start, count));
            assert_eq!(dynamic_range(&bytes), Ok(range(u16::try_from(start).unwrap(), end)));
        }
    }

    #[test]
    fn nothing_with_exit_code_0_is_not_a_range() {
        assert_eq!(dynamic_range(b""), Err(ParseError::Empty));
        assert_eq!(dynamic_range(b"\r\n \r\n"), Err(ParseError::Empty));
        assert_eq!(excluded_ranges(b""), Err(ParseError::Empty));
    }

    #[rstest]
    #[case("The following command was not found: int ipv4 show dynamicport tcp.")]
    #[case("Start Port : 49152")]
    #[case("Start Port : 49152\nNumber of Ports : 16384\nAnother : 5")]
    #[case("Start Port : 0x1000\nNumber of Ports : -5")]
    fn another_structure_is_shown_as_it_is(#[case] text: &str) {
        let shown = text.replace('\n', " ");
        assert_eq!(dynamic_range(text.as_bytes()), Err(ParseError::Odd(shown)));
    }

    #[rstest]
    #[case(49152, 16385)]
    #[case(70000, 1)]
    #[case(0, 100)]
    #[case(49152, 0)]
    fn impossible_ranges_are_refused(#[case] start: u32, #[case] count: u32) {
        let bytes = output("t", "a", "b", start, count).into_bytes();
        assert_eq!(dynamic_range(&bytes), Err(ParseError::Impossible { start, count }));
    }

    const EXCLUDED: &str = "\r\nProtocol tcp Port Exclusion Ranges\r\n\r\n\
        Start Port    End Port      \r\n----------    --------      \r\n      5357        5357      \r\n     \
        49709       49808      \r\n     50000       50059     *\r\n\r\n* - Administered port exclusions.\r\n\r\n";

    #[test]
    fn excluded_ranges_are_the_lines_of_two_numbers() {
        let expected = vec![range(5357, 5357), range(49709, 49808), range(50000, 50059)];
        assert_eq!(excluded_ranges(EXCLUDED.as_bytes()), Ok(expected.clone()));
        let japanese = EXCLUDED
            .replace("Start Port    End Port", "開始ポート    終了ポート")
            .replace("Administered port exclusions.", "管理されたポートの除外");
        assert_eq!(excluded_ranges(&encoded(SHIFT_JIS, &japanese)), Ok(expected.clone()));
        let russian = EXCLUDED.replace("Start Port    End Port", "Начальный порт  Конечный порт");
        assert_eq!(excluded_ranges(&encoded(IBM866, &russian)), Ok(expected.clone()));
        let chinese = EXCLUDED.replace("Start Port    End Port", "开始端口    结束端口");
        assert_eq!(excluded_ranges(&encoded(GBK, &chinese)), Ok(expected));
    }

    #[test]
    fn no_exclusions_is_an_answer_and_a_wrong_row_is_not() {
        let none =
            "Start Port    End Port\r\n----------    --------\r\n\r\n* - Administered port exclusions.\r\n";
        assert_eq!(excluded_ranges(none.as_bytes()), Ok(vec![]));
        assert!(matches!(excluded_ranges(b"5357 5357\r\n"), Err(ParseError::Odd(_))));
        assert!(matches!(excluded_ranges(b"---- ----\r\n500 400\r\n"), Err(ParseError::Odd(_))));
        assert!(matches!(excluded_ranges(b"---- ----\r\n400 70000\r\n"), Err(ParseError::Odd(_))));
    }

    proptest! {
        #[test]
        fn no_output_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = (dynamic_range(&bytes), excluded_ranges(&bytes));
        }
    }
}
