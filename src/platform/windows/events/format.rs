//! Records of the event log: what one says as XML.
//!
//! Schema: Microsoft's "Event Schema" for `http://schemas.microsoft.com/win/2004/08/events/event`.

use std::str::FromStr;

use jiff::Timestamp;
use serde::Deserialize;

use crate::model::PortEvent;

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number in the log.
    pub number: u64,
    /// What it says.
    pub event: PortEvent,
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
        if !matches!(id, 4227 | 4231 | 4266) {
            return Err(RecordError::Foreign(id));
        }
        let time: Timestamp = system.created.time.parse()?;
        Ok(Self { number: system.number.value, event: PortEvent { id, time } })
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
            event: PortEvent { id: 4231, time: "2024-05-06T07:08:09.1234567Z".parse().unwrap() },
        };
        assert_eq!(XML.parse::<Record>().unwrap(), expected);
        // Without qualifiers, and with other numbers where they must not be taken from.
        let plain = XML.replace(" Qualifiers='32768'", "").replace("<Data></Data>", "<Data>EventID 1</Data>");
        assert_eq!(plain.parse::<Record>().unwrap(), expected);
        for id in ["4227", "4266"] {
            let other = XML.replace("4231", id).parse::<Record>().unwrap();
            assert_eq!(other.event.id.to_string(), id);
        }
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
}
