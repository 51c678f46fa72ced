//! The output of `netsh int ipv4|ipv6 show dynamicport` and `show excludedportrange`, of many of them in a row.
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

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `show dynamicport`.
    Dynamic,
    /// `show excludedportrange`.
    Excluded,
}

/// What was answered to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// To which.
    pub kind: Kind,
    /// The one dynamic range, or all that are excluded.
    pub ranges: Result<Vec<PortRange>, ParseError>,
}

/// The answers in an output, in their order. A dynamic range is two lines in a row that end in a colon and a
/// number, first its start, then its count. Excluded ones are the lines of two numbers after a rule of hyphens
/// in two columns. What is neither answers nothing.
pub fn answers(output: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut numbers = Vec::new();
    for line in lines(output).chain([&b""[..]]) {
        if let Some(number) = labelled_number(line) {
            numbers.push(number);
            continue;
        }
        if let [start, count] = numbers[..] {
            let ranges = dynamic_range(start, count).map(|range| vec![range]);
            answers.push(Answer { kind: Kind::Dynamic, ranges });
        }
        numbers.clear();
        if is_rule_of_columns(line) {
            answers.push(Answer { kind: Kind::Excluded, ranges: Ok(Vec::new()) });
        } else if let Some(Answer { kind: Kind::Excluded, ranges }) = answers.last_mut()
            && is_row(line)
        {
            match (excluded_range(line), &mut *ranges) {
                (Some(range), Ok(ranges)) => ranges.push(range),
                (Some(_), Err(_)) => {}
                (None, _) => *ranges = Err(unlike(&String::from_utf8_lossy(line))),
            }
        }
    }
    answers
}

fn dynamic_range(start: u32, count: u32) -> Result<PortRange, ParseError> {
    u16::try_from(start)
        .ok()
        .filter(|start| *start > 0)
        .and_then(|first| PortRange::from_count(Port(first), count))
        .ok_or(ParseError::Impossible { start, count })
}

/// A row of two numbers and perhaps the asterisk of an administered exclusion.
fn excluded_range(row: &[u8]) -> Option<PortRange> {
    let row = row.strip_suffix(b"*").unwrap_or(row);
    let mut ports = row.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(|word| {
        let port = u16::try_from(number(word)?).ok()?;
        Some(Port(port))
    });
    let (start, end) = (ports.next()??, ports.next()??);
    if ports.next().is_some() { None } else { PortRange::new(start, end) }
}

fn lines(output: &[u8]) -> impl Iterator<Item = &[u8]> {
    output.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii)
}

/// The number of a line that ends in a colon, blanks and digits.
fn labelled_number(line: &[u8]) -> Option<u32> {
    let colon = line.iter().rposition(|byte| *byte == b':')?;
    number(line[colon + 1..].trim_ascii())
}

/// Whether a line has nothing but what rows consist of.
fn is_row(line: &[u8]) -> bool {
    let of_rows = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_whitespace() || *byte == b'*';
    line.first().is_some_and(u8::is_ascii_digit) && line.iter().all(of_rows)
}

fn is_rule_of_columns(line: &[u8]) -> bool {
    line.starts_with(b"--")
        && line.iter().all(|byte| matches!(byte, b'-' | b' ' | b'\t'))
        && line.iter().any(u8::is_ascii_whitespace)
}

fn number(digits: &[u8]) -> Option<u32> {
    let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
    str::from_utf8(digits).ok()?.parse().ok()
}

/// The longest part of an odd output that is shown.
const SHOWN: usize = 300;

/// That an output answers nothing, with its lines; what is said again and again is shown once.
pub fn unlike(text: &str) -> ParseError {
    let mut lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.dedup();
    let shown: String = lines.iter().flat_map(|line| line.split_whitespace()).collect::<Vec<_>>().join(" ");
    if shown.is_empty() { ParseError::Empty } else { ParseError::Odd(shown.chars().take(SHOWN).collect()) }
}

/// Text in a code page that is not known here: as much of it as is the same in all of them.
pub fn readable(bytes: &[u8]) -> String {
    str::from_utf8(bytes).map_or_else(
        |_| {
            let ascii =
                |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { char::REPLACEMENT_CHARACTER };
            bytes.iter().map(ascii).collect()
        },
        str::to_owned,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{Encoding, GBK, IBM866, SHIFT_JIS};
    use proptest::prelude::*;
    use rstest::rstest;

    fn dynamic_range(output: &[u8]) -> Result<PortRange, ParseError> {
        match &answers(output)[..] {
            [Answer { kind: Kind::Dynamic, ranges }] => ranges.clone().map(|ranges| ranges[0]),
            [] => Err(unlike(&readable(output))),
            other => panic!("{other:?}"),
        }
    }

    fn excluded_ranges(output: &[u8]) -> Result<Vec<PortRange>, ParseError> {
        match &answers(output)[..] {
            [Answer { kind: Kind::Excluded, ranges }] => ranges.clone(),
            [] => Err(unlike(&readable(output))),
            other => panic!("{other:?}"),
        }
    }

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
        assert_eq!(
            excluded_ranges(b"---- ----\r\n400 500\r\n63\r\n70 80\r\n"),
            Err(ParseError::Odd("63".into()))
        );
    }

    #[test]
    fn many_answers_in_a_row_are_told_apart_and_what_answers_nothing_is_passed_over() {
        let dynamic = |start, count| output("t", "a", "b", start, count);
        let all = [
            EXCLUDED,
            &dynamic(49152, 16384),
            "The parameter is incorrect.\r\n\r\n",
            "Error : 5\r\n\r\n",
            &dynamic(1025, 70000),
            EXCLUDED.split("     50000").next().unwrap(),
            &dynamic(10000, 255),
        ]
        .concat();
        let found: Vec<_> =
            answers(all.as_bytes()).into_iter().map(|answer| (answer.kind, answer.ranges)).collect();
        assert_eq!(
            found,
            [
                (Kind::Excluded, Ok(vec![range(5357, 5357), range(49709, 49808), range(50000, 50059)])),
                (Kind::Dynamic, Ok(vec![range(49152, 65535)])),
                (Kind::Dynamic, Err(ParseError::Impossible { start: 1025, count: 70000 })),
                (Kind::Excluded, Ok(vec![range(5357, 5357), range(49709, 49808)])),
                (Kind::Dynamic, Ok(vec![range(10000, 10254)])),
            ]
        );
    }

    #[rstest]
    #[case::utf8("Zugriff verweigert: für".as_bytes(), "Zugriff verweigert: für")]
    #[case::ascii_of_another_code_page(b"Acc\x8as refus\x82.", "Acc\u{fffd}s refus\u{fffd}.")]
    #[case::nothing(b"", "")]
    fn text_of_an_unknown_code_page_keeps_what_is_certain(#[case] bytes: &[u8], #[case] text: &str) {
        assert_eq!(readable(bytes), text);
    }

    #[test]
    fn what_is_said_again_and_again_is_shown_once() {
        let error = unlike("\r\nNo.\r\n\r\nNo.\r\n\r\nNo, never.\r\n");
        assert_eq!(error, ParseError::Odd("No. No, never.".into()));
    }

    proptest! {
        #[test]
        fn no_output_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = (answers(&bytes), readable(&bytes));
        }
    }
}
