use jiff::Timestamp;
use serde::Serialize;

/// What the system's log says happened to ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventMeaning {
    /// Windows, Tcpip 4227.
    EndpointStillInUse,
    /// Windows, Tcpip 4231.
    TcpPortsExhausted,
    /// Windows, Tcpip 4266.
    UdpPortsExhausted,
}

impl EventMeaning {
    /// One sentence for a person.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::EndpointStillInUse => {
                "A connection failed: its port was used toward the same destination a moment ago and is still in \
                 TIME_WAIT."
            }
            Self::TcpPortsExhausted => {
                "A program asked for a TCP port, and every dynamic TCP port was taken."
            }
            Self::UdpPortsExhausted => {
                "A program asked for a UDP port, and every dynamic UDP port was taken."
            }
        }
    }
}

/// Events of one kind that were logged within the same minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PortEvent {
    /// When the last of them was logged.
    pub time: Timestamp,
    /// The number by which the system's own tools find it (Windows: the event id).
    pub id: Option<u32>,
    /// How many there were.
    pub count: u32,
    /// What they mean.
    pub meaning: EventMeaning,
}
