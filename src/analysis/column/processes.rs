//! The columns of the table of processes. It is special while ports are refused.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Column, Emphasis, Field, Item, Kind, Value, Within};
use crate::analysis::{Picture, Row, RowKey};
use crate::model::{Process, Progress, State};

impl Item for Row {
    fn columns() -> &'static [Column<Self>] {
        COLUMNS
    }

    fn tie_break(&self, other: &Self) -> Ordering {
        let sockets = |row: &Self| row.counts.seen_sockets();
        sockets(other).cmp(&sockets(self)).then_with(|| self.key.cmp(&other.key))
    }
}

fn process(row: &Row) -> Option<&Process> {
    row.process.as_deref()
}

fn name<'a>(row: &'a Row, picture: &Picture) -> Value<'a> {
    let name: Cow<str> = match row.key {
        RowKey::NoOwner if picture.snapshot.progress == Progress::Sockets => "(not read yet)".into(),
        _ if row.ended => format!("{} †", row.name).into(),
        _ => row.name.as_str().into(),
    };
    Value::Text(name)
}

fn service(row: &Row) -> Option<&str> {
    match &row.key {
        RowKey::Service(service) => service.as_deref(),
        _ => process(row)?.service.as_deref(),
    }
}

static COLUMNS: &[Column<Row>] = &[
    Column {
        key: "pid",
        title: "PID",
        title_of_groups: Some("PROCS"),
        rank: 40,
        value: |row, _| match (row.pid(), &row.key) {
            (None, RowKey::NoOwner) => Value::NotRead,
            (None, _) => Value::Count(row.owners.len() as u64),
            (pid, _) => Value::id(pid),
        },
        fields: &[
            Field {
                position: 0,
                name: "pid",
                meaning: "null for the sockets nobody is known to own, and for a group",
                value: Some(|row, _| Value::id(row.pid())),
                ..Field::ALL
            },
            Field {
                position: 1,
                name: "start_time",
                meaning: "RFC 3339",
                value: Some(|row, _| {
                    process(row).and_then(|process| process.started).map_or(Value::NotRead, Value::Time)
                }),
                ..Field::ALL
            },
            Field {
                position: 24,
                name: "namespace",
                meaning: "the number of the network namespace it is in, which may be another than that of the \
                          sockets; null where that is not known or there is but one",
                value: Some(|row, _| Value::id(process(row).and_then(|process| process.namespace?.number()))),
                ..Field::ALL
            },
            Field {
                position: 16,
                name: "pids",
                meaning: "the processes of a group; only with a `--group-by` other than `process`",
                within: Within::JsonOfGroups,
                value: Some(|row, _| Value::Pids((&row.owners).into())),
            },
        ],
        ..Column::NUMBER
    },
    Column {
        key: "name",
        title: "NAME",
        width: (14, 24),
        rank: 0,
        emphasis: Emphasis::Strong,
        value: name,
        fields: &[
            Field {
                position: 2,
                name: "name",
                meaning: "`\"(no owner)\"` for the sockets nobody is known to own; the name of a group",
                value: Some(|row, _| match row.key {
                    RowKey::Process(_) => Value::text(process(row).map(|process| process.name.as_str())),
                    _ => Value::text(Some(row.name.as_str())),
                }),
                ..Field::ALL
            },
            Field {
                position: 17,
                name: "ended",
                meaning: "its processes have ended, and what they closed still holds ports",
                within: Within::Json,
                value: Some(|row, _| Value::Flag(row.ended)),
            },
        ],
        ..Column::NAME
    },
    Column {
        key: "ports",
        title: "PORTS",
        rank: 10,
        value: |row, _| Value::at_least(row.counts.ports, row.counts.seen_ports),
        fields: &[Field {
            position: 5,
            name: "ports",
            meaning: "distinct local ports inside the dynamic range, summed over the port spaces; this and all \
                      counts that follow are null where a table of sockets that may count could not be read",
            ..Field::ALL
        }],
        ..Column::AMOUNT
    },
    Column {
        key: "share",
        title: "%",
        width: (3, 3),
        rank: 20,
        value: |row, _| Value::share(row.share),
        fields: &[Field {
            position: 19,
            name: "share",
            meaning: "the largest share it holds of any one port space's capacity, 0 to 1",
            ..Field::ALL
        }],
        ..Column::AMOUNT
    },
    Column {
        key: "bound",
        title: "BOUND",
        rank: 50,
        value: |row, _| Value::count(row.counts.of(State::Bound)),
        fields: &[Field {
            position: 6,
            name: "bound",
            meaning: "sockets bound to a port, neither listening nor connected",
            ..Field::ALL
        }],
        ..Column::AMOUNT
    },
    Column {
        key: "time_wait",
        title: "T-WAIT",
        rank: 60,
        value: |row, _| Value::count(row.counts.of(State::TimeWait)),
        fields: &[Field { position: 7, name: "time_wait", meaning: "sockets in TIME_WAIT", ..Field::ALL }],
        ..Column::AMOUNT
    },
    Column {
        key: "close_wait",
        title: "C-WAIT",
        rank: 80,
        value: |row, _| Value::count(row.counts.of(State::CloseWait)),
        fields: &[Field { position: 8, name: "close_wait", meaning: "sockets in CLOSE_WAIT", ..Field::ALL }],
        ..Column::AMOUNT
    },
    Column {
        key: "established",
        title: "ESTAB",
        width: (5, 5),
        rank: 70,
        value: |row, _| Value::count(row.counts.of(State::Established)),
        fields: &[Field { position: 9, name: "established", meaning: "connected sockets", ..Field::ALL }],
        ..Column::AMOUNT
    },
    Column {
        key: "new",
        title: "NEW/s",
        width: (5, 5),
        rank: 90,
        value: |row, _| Value::rate(row.new_per_second),
        fields: &[Field {
            position: 20,
            name: "new_per_second",
            meaning: "new connections per second; null after one look",
            ..Field::ALL
        }],
        ..Column::AMOUNT
    },
    Column {
        key: "failures",
        title: "FAIL/s",
        rank: 130,
        special: Some((30, 6)),
        emphasis: Emphasis::Alarm,
        value: |row, _| Value::rate(row.failures_per_second),
        fields: &[Field {
            position: 21,
            name: "failures_per_second",
            meaning: "ports it was not given, per second over the last 10 s; null when nothing traces that",
            ..Field::ALL
        }],
        ..Column::AMOUNT
    },
    Column {
        key: "handles",
        title: "HANDLE",
        rank: 100,
        value: |row, _| Value::count(row.handles),
        fields: &[Field {
            position: 15,
            name: "handles",
            meaning: "open handles or file descriptors",
            ..Field::ALL
        }],
        ..Column::AMOUNT
    },
    Column {
        key: "sockets",
        title: "SOCKS",
        rank: 120,
        value: |row, _| Value::at_least(row.counts.sockets(), row.counts.seen_sockets()),
        fields: &[
            Field { position: 14, name: "sockets", meaning: "sockets in any state", ..Field::ALL },
            Field {
                position: 18,
                name: "attribution",
                meaning: "its sockets by how their owner is known: `exact`, `observed`, `listener`, `inferred`, \
                          `unknown`",
                within: Within::Json,
                value: Some(|row, _| Value::Attributions(row.counts.is_whole().then_some(row.attributions))),
            },
        ],
        ..Column::AMOUNT
    },
    Column {
        key: "trend",
        title: "TREND",
        kind: Kind::Trend,
        width: (5, 12),
        rank: 110,
        value: |row, _| Value::Trend(&row.trend),
        fields: &[Field {
            position: 22,
            name: "trend",
            meaning: "its ports in the last looks, oldest first; its sockets where no range is known",
            ..Field::ALL
        }],
        ..Column::AMOUNT
    },
    Column {
        key: "syn_sent",
        title: "SYN-S",
        width: (5, 5),
        rank: 140,
        value: |row, _| Value::count(row.counts.of(State::SynSent)),
        fields: &[Field { position: 10, name: "syn_sent", meaning: "sockets in SYN_SENT", ..Field::ALL }],
        ..Column::AMOUNT
    },
    Column {
        key: "fin_wait",
        title: "F-WAIT",
        rank: 170,
        value: |row, _| Value::count(row.counts.fin_wait()),
        fields: &[Field {
            position: 11,
            name: "fin_wait",
            meaning: "sockets in FIN_WAIT_1, FIN_WAIT_2, CLOSING or LAST_ACK",
            ..Field::ALL
        }],
        ..Column::AMOUNT
    },
    Column {
        key: "listen",
        title: "LISTEN",
        rank: 150,
        value: |row, _| Value::count(row.counts.of(State::Listen)),
        fields: &[Field { position: 12, name: "listen", meaning: "listening sockets", ..Field::ALL }],
        ..Column::AMOUNT
    },
    Column {
        key: "udp",
        title: "UDP",
        width: (5, 5),
        rank: 160,
        value: |row, _| Value::count(row.counts.of(State::Udp)),
        fields: &[Field { position: 13, name: "udp", meaning: "UDP sockets", ..Field::ALL }],
        ..Column::AMOUNT
    },
    Column {
        key: "user",
        title: "USER",
        width: (10, 16),
        rank: 180,
        value: |row, _| Value::text(row.user()),
        fields: &[Field {
            position: 4,
            name: "user",
            meaning: "by name where it is known, else by number or SID",
            ..Field::ALL
        }],
        ..Column::NAME
    },
    Column {
        key: "service",
        title: "SERVICE",
        width: (12, 20),
        rank: 190,
        value: |row, _| Value::text(service(row)),
        fields: &[Field {
            position: 23,
            name: "service",
            meaning: "its systemd unit, container or Windows service",
            ..Field::ALL
        }],
        ..Column::NAME
    },
    Column {
        key: "path",
        title: "PATH",
        width: (16, u16::MAX),
        rank: 200,
        value: |row, _| Value::text(process(row).and_then(|process| process.path.as_deref())),
        fields: &[Field { position: 3, name: "path", meaning: "the full path of its program", ..Field::ALL }],
        ..Column::NAME
    },
];
