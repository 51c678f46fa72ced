//! Records of the event log: what one says as XML, and how many there were.
//!
//! Schema: Microsoft's "Event Schema" for `http://schemas.microsoft.com/win/2004/08/events/event`.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::{Timestamp, ToSpan};
use serde::Deserialize;

use crate::model::{EventMeaning, PortEvent};

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// Its number in the log.
    pub number: u64,
    /// When it was written.
    pub time: Timestamp,
    /// The event id.
    pub id: u32,
    /// What it means.
    pub meaning: EventMeaning,
}

/// Why a record was not believed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is no XML, or not of an event.
    #[error("not an event: {0}")]
    Xml(#[from] quick_xml::DeError),
    /// Its time is none.
    #[error("not a time: {0}")]
    Time(#[from] jiff::Error),
    /// It is about something else.
    #[error("event {0} is not about ports")]
    Foreign(u32),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    system: System,
}

#[derive(Deserialize)]
struct System {
    #[serde(rename = "EventID")]
    id: Number<u32>,
    #[serde(rename = "EventRecordID")]
    number: Number<u64>,
    #[serde(rename = "TimeCreated")]
    created: Created,
}

/// An element that is a number; it may have attributes.
#[derive(Deserialize)]
struct Number<T> {
    #[serde(rename = "$text")]
    value: T,
}

#[derive(Deserialize)]
struct Created {
    #[serde(rename = "@SystemTime")]
    time: String,
}

impl FromStr for Record {
    type Err = RecordError;

    fn from_str(xml: &str) -> Result<Self, RecordError> {
        let Event { system } = quick_xml::de::from_str(xml)?;
        let id = system.id.value;
        let meaning = meaning(id).ok_or(RecordError::Foreign(id))?;
        Ok(Self { number: system.number.value, time: system.created.time.parse()?, id, meaning })
    }
}

/// What an event of the provider `Tcpip` says about ports.
const fn meaning(id: u32) -> Option<EventMeaning> {
    match id {
        4227 => Some(EventMeaning::EndpointStillInUse),
        4231 => Some(EventMeaning::TcpPortsExhausted),
        4266 => Some(EventMeaning::UdpPortsExhausted),
        _ => None,
    }
}

/// Records by the minute: a storm of them takes no more room than a day has minutes.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<(i64, EventMeaning), PortEvent>);

impl Tally {
    /// Counts a record.
    pub fn add(&mut self, record: Record) {
        let Record { time, id, meaning, .. } = record;
        let event = self.0.entry((time.as_second().div_euclid(60), meaning)).or_insert(PortEvent {
            time,
            id: Some(id),
            count: 0,
            meaning,
        });
        event.count += 1;
        event.time = event.time.max(time);
    }

    /// What was counted within the 24 hours before `now`, newest first; what is older is forgotten.
    pub fn last_day(&mut self, now: Timestamp) -> Vec<PortEvent> {
        let cutoff = now.checked_sub(24.hours()).unwrap_or(Timestamp::MIN);
        self.0.retain(|_, event| event.time >= cutoff);
        let mut events: Vec<_> = self.0.values().copied().collect();
        events.sort_by_key(|event| std::cmp::Reverse(event.time));
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `wevtutil qe System /f:xml` prints it.
    const XML: &str = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
        <Provider Name='Tcpip'/><EventID Qualifiers='32768'>4231</EventID><Version>0</Version><Level>3</Level>\
        <Task>0</Task><Opcode>0</Opcode><Keywords>0x80000000000000</Keywords>\
        <TimeCreated SystemTime='2024-05-06T07:08:09.1234567Z'/><EventRecordID>98765</EventRecordID><Correlation/>\
        <Execution ProcessID='4' ThreadID='120'/><Channel>System</Channel><Computer>web-01</Computer><Security/>\
        </System><EventData><Data></Data><Binary>0000000001002C0000</Binary></EventData></Event>";

    #[test]
    fn a_record_is_read_from_its_xml() {
        let expected = Record {
            number: 98765,
            time: "2024-05-06T07:08:09.1234567Z".parse().unwrap(),
            id: 4231,
            meaning: EventMeaning::TcpPortsExhausted,
        };
        assert_eq!(XML.parse::<Record>().unwrap(), expected);
        // Without qualifiers, and with other numbers where they must not be taken from.
        let plain = XML.replace(" Qualifiers='32768'", "").replace("<Data></Data>", "<Data>EventID 1</Data>");
        assert_eq!(plain.parse::<Record>().unwrap(), expected);
        let udp = XML.replace("4231", "4266").parse::<Record>().unwrap();
        assert_eq!(udp.meaning, EventMeaning::UdpPortsExhausted);
        let reused = XML.replace("4231", "4227").parse::<Record>().unwrap();
        assert_eq!(reused.meaning, EventMeaning::EndpointStillInUse);
    }

    #[test]
    fn what_is_no_such_record_is_refused() {
        assert!(matches!(XML.replace("4231", "7036").parse::<Record>(), Err(RecordError::Foreign(7036))));
        assert!(matches!(XML.replace("2024-05", "soon").parse::<Record>(), Err(RecordError::Time(_))));
        let nowhere = XML.replace("<EventRecordID>98765</EventRecordID>", "");
        assert!(matches!(nowhere.parse::<Record>(), Err(RecordError::Xml(_))));
        for length in 0..XML.find("</System>").unwrap() {
            assert!(XML[..length].parse::<Record>().is_err(), "{}", &XML[..length]);
        }
    }

    #[test]
    fn records_of_a_minute_are_one_event_with_a_count() {
        let record = |time: &str, id| Record {
            number: 1,
            time: time.parse().unwrap(),
            id,
            meaning: meaning(id).unwrap(),
        };
        let mut tally = Tally::default();
        for (time, id) in [
            ("2024-05-06T07:08:01Z", 4231),
            ("2024-05-06T07:08:59Z", 4231),
            ("2024-05-06T07:08:30Z", 4227),
            ("2024-05-06T07:09:00Z", 4231),
            ("2024-05-05T07:00:00Z", 4231),
        ] {
            tally.add(record(time, id));
        }
        let now = "2024-05-06T07:10:00Z".parse().unwrap();
        let seen: Vec<_> =
            tally.last_day(now).iter().map(|event| (event.time.to_string(), event.id, event.count)).collect();
        let expected = [
            ("2024-05-06T07:09:00Z".to_owned(), Some(4231), 1),
            ("2024-05-06T07:08:59Z".to_owned(), Some(4231), 2),
            ("2024-05-06T07:08:30Z".to_owned(), Some(4227), 1),
        ];
        assert_eq!(seen, expected);
        assert!(tally.last_day(now.checked_add(25.hours()).unwrap()).is_empty());
    }
}
