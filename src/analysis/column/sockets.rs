//! The columns of the tables of sockets. One is special when it is about a single process.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Column, Field, Item, Value};
use crate::analysis::Picture;
use crate::model::{Owner, Socket};

impl Item for Socket {
    fn columns() -> &'static [Column<Self>] {
        COLUMNS
    }

    fn tie_break(&self, other: &Self) -> Ordering {
        let parts = |one: &Self| (one.protocol, one.local(), one.remote(), one.cookie(), one.inode());
        parts(self).cmp(&parts(other))
    }
}

/// The name of the first owner that has one, else a pid, and how many more there are.
pub(super) fn holder<'a>(owners: &[Owner], picture: &'a Picture) -> Value<'a> {
    let Some(first) = owners.first() else { return Value::NotRead };
    let known = owners.iter().find_map(|owner| picture.snapshot.processes.get(owner));
    let name: Cow<str> =
        known.map_or_else(|| format!("(pid {})", first.pid).into(), |process| process.name.as_str().into());
    Value::Text(if owners.len() == 1 { name } else { format!("{name} +{}", owners.len() - 1).into() })
}

static COLUMNS: &[Column<Socket>] = &[
    Column {
        key: "protocol",
        title: "PROTO",
        width: (5, 5),
        rank: 50,
        value: |socket, _| {
            let key = socket.protocol.key();
            Value::Word(2 * socket.protocol as u8 + socket.family() as u8, key, key)
        },
        fields: &[
            Field { position: 0, name: "protocol", meaning: "`\"tcp\"` or `\"udp\"`", ..Field::ALL },
            Field {
                position: 1,
                name: "family",
                meaning: "`\"ipv4\"` or `\"ipv6\"`; v4-mapped addresses are IPv4",
                value: Some(|socket, _| {
                    let key = socket.family().key();
                    Value::Word(socket.family() as u8, key, key)
                }),
                ..Field::ALL
            },
        ],
        ..Column::WORD
    },
    Column {
        key: "local",
        title: "LOCAL",
        width: (20, 47),
        rank: 0,
        special: Some((0, 21)),
        value: |socket, _| Value::Address(socket.local()),
        fields: &[
            Field {
                position: 2,
                name: "local_address",
                meaning: "its own end",
                value: Some(|socket, _| Value::Ip(socket.local().ip().to_canonical())),
                ..Field::ALL
            },
            Field {
                position: 3,
                name: "local_port",
                meaning: "and the port of it",
                value: Some(|socket, _| Value::Id(socket.local_port().0.into())),
                ..Field::ALL
            },
            Field {
                position: 14,
                name: "namespace",
                meaning: "the number of its network namespace; null where there is but one",
                value: Some(|socket, _| Value::id(socket.namespace.number())),
                ..Field::ALL
            },
        ],
        ..Column::NAME
    },
    Column {
        key: "remote",
        title: "REMOTE",
        width: (20, 47),
        rank: 10,
        special: Some((10, 21)),
        value: |socket, _| socket.remote().map_or(Value::Word(0, "", "*:*"), Value::Address),
        fields: &[
            Field {
                position: 4,
                name: "remote_address",
                meaning: "its peer; null when it has none",
                value: Some(|socket, _| {
                    socket.remote().map_or(Value::NotRead, |remote| Value::Ip(remote.ip().to_canonical()))
                }),
                ..Field::ALL
            },
            Field {
                position: 5,
                name: "remote_port",
                meaning: "and the port of it",
                value: Some(|socket, _| Value::id(socket.remote().map(|remote| remote.port()))),
                ..Field::ALL
            },
        ],
        ..Column::NAME
    },
    Column {
        key: "state",
        title: "STATE",
        width: (11, 12),
        rank: 20,
        value: |socket, _| Value::state(socket.state),
        fields: &[Field {
            position: 6,
            name: "state",
            meaning: "one of the names of `by_state`",
            ..Field::ALL
        }],
        ..Column::WORD
    },
    Column {
        key: "how",
        title: "HOW",
        width: (9, 9),
        rank: 70,
        special: Some((55, 9)),
        value: |socket, _| Value::attribution(socket.attribution),
        fields: &[Field {
            position: 8,
            name: "attribution",
            meaning: "how the owner is known: `\"exact\"`, `\"observed\"`, `\"listener\"`, `\"inferred\"` or \
                      `\"unknown\"`",
            ..Field::ALL
        }],
        ..Column::WORD
    },
    Column {
        key: "left",
        title: "LEFT",
        width: (5, 7),
        rank: 60,
        value: |socket, _| socket.expires().map_or(Value::NotRead, Value::Left),
        fields: &[Field {
            position: 9,
            name: "expires_ms",
            meaning: "milliseconds until a TIME_WAIT ends",
            ..Field::ALL
        }],
        ..Column::AMOUNT
    },
    Column {
        key: "pid",
        title: "PID",
        rank: 40,
        special: Some((120, 7)),
        value: |socket, _| Value::id(socket.holders.counted().map(|owner| owner.pid.0)),
        fields: &[Field {
            position: 7,
            name: "pid",
            meaning: "its owner, the first by number when several hold it",
            ..Field::ALL
        }],
        ..Column::NUMBER
    },
    Column {
        key: "name",
        title: "NAME",
        width: (11, 30),
        rank: 30,
        special: Some((110, 11)),
        value: |socket, picture| holder(socket.holders.all(), picture),
        fields: &[Field {
            position: 10,
            name: "name",
            meaning: "the name of its owner",
            value: Some(|socket, picture| {
                let process =
                    socket.holders.counted().and_then(|owner| picture.snapshot.processes.get(&owner));
                Value::text(process.map(|process| process.name.as_str()))
            }),
            ..Field::ALL
        }],
        ..Column::NAME
    },
    Column {
        key: "receive_queue",
        title: "RECV-Q",
        width: (6, 9),
        rank: 80,
        value: |socket, _| Value::count(socket.receive_queue()),
        fields: &[Field {
            position: 11,
            name: "receive_queue",
            meaning: "bytes received and not read; of a listener, connections not accepted",
            ..Field::ALL
        }],
        ..Column::AMOUNT
    },
    Column {
        key: "send_queue",
        title: "SEND-Q",
        width: (6, 9),
        rank: 90,
        value: |socket, _| Value::count(socket.send_queue()),
        fields: &[Field {
            position: 12,
            name: "send_queue",
            meaning: "bytes sent and not acknowledged; of a listener, the size of its accept queue",
            ..Field::ALL
        }],
        ..Column::AMOUNT
    },
    Column {
        key: "uid",
        title: "UID",
        width: (6, 10),
        rank: 100,
        value: |socket, _| Value::id(socket.uid()),
        fields: &[Field {
            position: 13,
            name: "uid",
            meaning: "the user id that the system notes on the socket (Unix)",
            ..Field::ALL
        }],
        ..Column::WORD
    },
];
