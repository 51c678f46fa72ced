//! The columns of the table of destinations.

use std::cmp::Ordering;

use super::sockets::holder;
use super::{Column, Field, Item, Value};
use crate::analysis::{Destination, Picture};
use crate::model::{Share, State};

impl Item for Destination {
    fn columns() -> &'static [Column<Self>] {
        COLUMNS
    }

    fn tie_break(&self, other: &Self) -> Ordering {
        let parts = |one: &Self| (one.remote, one.local, one.protocol, one.namespace);
        parts(self).cmp(&parts(other))
    }
}

/// How much of the budget of a NAT is used toward it, from whichever address.
fn of_budget(one: &Destination, picture: &Picture) -> Option<Share> {
    let budget = picture.budget.as_ref()?;
    budget.toward(one.protocol, one.remote).map(|used| budget.share(used))
}

static COLUMNS: &[Column<Destination>] = &[
    Column {
        key: "protocol",
        title: "PROTO",
        width: (5, 5),
        rank: 80,
        value: |one, _| Value::protocol(one.protocol),
        fields: &[Field { position: 0, name: "protocol", meaning: "`\"tcp\"` or `\"udp\"`", ..Field::ALL }],
        ..Column::WORD
    },
    Column {
        key: "local",
        title: "LOCAL",
        width: (9, 39),
        rank: 60,
        value: |one, _| Value::Ip(one.local),
        fields: &[
            Field {
                position: 1,
                name: "local_address",
                meaning: "from where",
                value: Some(|one, _| Value::Ip(one.local.to_canonical())),
                ..Field::ALL
            },
            Field {
                position: 11,
                name: "namespace",
                meaning: "the number of its network namespace; null where there is but one",
                value: Some(|one, _| Value::id(one.namespace.number())),
                ..Field::ALL
            },
        ],
        ..Column::NAME
    },
    Column {
        key: "remote",
        title: "REMOTE",
        width: (21, 47),
        rank: 0,
        value: |one, _| Value::Address(one.remote),
        fields: &[
            Field {
                position: 2,
                name: "remote_address",
                meaning: "to where",
                value: Some(|one, _| Value::Ip(one.remote.ip().to_canonical())),
                ..Field::ALL
            },
            Field {
                position: 3,
                name: "remote_port",
                meaning: "and to which port",
                value: Some(|one, _| Value::Id(one.remote.port().into())),
                ..Field::ALL
            },
        ],
        ..Column::NAME
    },
    Column {
        key: "ports",
        title: "PORTS",
        width: (6, 7),
        rank: 10,
        value: |one, _| Value::at_least(one.counts.ports, one.counts.seen_ports),
        fields: &[Field {
            position: 4,
            name: "ports",
            meaning: "distinct local ports of the dynamic range toward it",
            ..Field::ALL
        }],
        ..Column::AMOUNT
    },
    Column {
        key: "fill",
        title: "FILL%",
        width: (5, 5),
        rank: 20,
        value: |one, _| Value::share(one.fill),
        fields: &[Field {
            position: 5,
            name: "fill",
            meaning: "`ports` less `reusable` as a share of capacity, 0 to 1",
            ..Field::ALL
        }],
        ..Column::AMOUNT
    },
    Column {
        key: "nat_budget",
        title: "NAT%",
        width: (5, 5),
        rank: Column::<Destination>::NEVER,
        special: Some((25, 5)),
        value: |one, picture| Value::share(of_budget(one, picture)),
        fields: &[Field {
            position: 13,
            name: "nat_budget_share",
            meaning: "all connections to its remote address and port as a share of `--snat-budget`; null without one",
            ..Field::ALL
        }],
        ..Column::AMOUNT
    },
    Column {
        key: "time_wait",
        title: "T-WAIT",
        width: (6, 7),
        rank: 40,
        value: |one, _| Value::count(one.counts.of(State::TimeWait)),
        fields: &[
            Field { position: 7, name: "time_wait", meaning: "sockets in TIME_WAIT", ..Field::ALL },
            Field {
                position: 12,
                name: "reusable",
                meaning: "of these, those whose port `connect()` may take again",
                value: Some(|one, _| Value::count(one.counts.of(State::TimeWait).map(|_| one.reusable))),
                ..Field::ALL
            },
        ],
        ..Column::AMOUNT
    },
    Column {
        key: "close_wait",
        title: "C-WAIT",
        width: (6, 7),
        rank: 70,
        value: |one, _| Value::count(one.counts.of(State::CloseWait)),
        fields: &[Field { position: 8, name: "close_wait", meaning: "sockets in CLOSE_WAIT", ..Field::ALL }],
        ..Column::AMOUNT
    },
    Column {
        key: "established",
        title: "ESTAB",
        width: (5, 7),
        rank: 50,
        value: |one, _| Value::count(one.counts.of(State::Established)),
        fields: &[Field { position: 9, name: "established", meaning: "connected sockets", ..Field::ALL }],
        ..Column::AMOUNT
    },
    Column {
        key: "sockets",
        title: "SOCKS",
        width: (5, 7),
        rank: 90,
        value: |one, _| Value::at_least(one.counts.sockets(), one.counts.seen_sockets()),
        fields: &[Field { position: 10, name: "sockets", meaning: "sockets in any state", ..Field::ALL }],
        ..Column::AMOUNT
    },
    Column {
        key: "owner",
        title: "PROCESS",
        width: (14, 40),
        rank: 30,
        value: |one, picture| holder(&picture.owners_toward(one), picture),
        fields: &[Field {
            position: 6,
            name: "pids",
            meaning: "who is known to connect to it",
            value: Some(|one, picture| Value::Pids(picture.owners_toward(one).into())),
            ..Field::ALL
        }],
        ..Column::NAME
    },
];
