//! The fields of an export. Those of rows are the fields of their columns, in JSON and CSV alike. Names are
//! a promise: they stay, new ones come at the end. What was not read is none.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::analysis::column::{Field, Within};
use crate::analysis::{Column, GroupBy, Item, Picture, SpaceUsage, Value};
use crate::model::{Attribution, Counts, DynamicRange, Family, Port, PortSpace, Protocol, State};

/// A port space.
#[derive(Serialize)]
pub(super) struct SpaceRecord {
    family: Family,
    protocol: Protocol,
    start: Option<Port>,
    end: Option<Port>,
    reserved: Option<u32>,
    capacity: Option<u32>,
    in_use: Option<u32>,
    free: Option<u32>,
    largest_free_block: Option<u32>,
    free_blocks_of_64: Option<u32>,
    by_state: ByState,
}

impl SpaceRecord {
    pub fn of(usage: &SpaceUsage, spaces: &[PortSpace]) -> Self {
        let known = usage.capacity.is_some();
        let space = spaces.iter().find(|space| space.id == usage.id);
        let dynamic = space.and_then(|space| space.dynamic.as_ref());
        Self {
            family: usage.id.family,
            protocol: usage.id.protocol,
            start: dynamic.map(|dynamic| dynamic.range.start()),
            end: dynamic.map(|dynamic| dynamic.range.end()),
            reserved: dynamic.filter(|_| known).map(DynamicRange::reserved_inside),
            capacity: usage.capacity,
            in_use: usage.in_use,
            free: usage.free(),
            largest_free_block: usage.free_blocks.map(|blocks| blocks.largest),
            free_blocks_of_64: usage.free_blocks.map(|blocks| blocks.aligned),
            by_state: ByState(usage.counts),
        }
    }
}

struct ByState(Counts);

impl Serialize for ByState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = |state| self.0.of(state).filter(|_| self.0.is_whole());
        serializer.collect_map(State::ALL.map(|state| (state.key(), count(state))))
    }
}

/// The rows of a table with their fields, for JSON.
pub(super) struct Records<'a, R: Item> {
    rows: &'a [&'a R],
    fields: Vec<(&'static Field<R>, &'static Column<R>)>,
    picture: &'a Picture,
}

impl<'a, R: Item> Records<'a, R> {
    pub fn of(rows: &'a [&'a R], picture: &'a Picture) -> Self {
        let mut fields = R::fields();
        fields.retain(|(field, _)| {
            field.within != Within::JsonOfGroups || picture.group_by != GroupBy::Process
        });
        Self { rows, fields, picture }
    }
}

impl<R: Item> Serialize for Records<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.iter().map(|row| Record(self, row)))
    }
}

struct Record<'a, R: Item>(&'a Records<'a, R>, &'a R);

impl<R: Item> Serialize for Record<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(Records { fields, picture, .. }, row) = self;
        let entry =
            |(field, column): &(&Field<R>, &Column<R>)| (field.name, Json(field.value(column, row, picture)));
        serializer.collect_map(fields.iter().map(entry))
    }
}

struct Json<'a>(Value<'a>);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            // What was seen in part is not known.
            Value::NotRead | Value::AtLeast(_) => to.serialize_none(),
            Value::Id(number) | Value::Count(number) => to.serialize_u64(*number),
            Value::Share(share) => share.serialize(to),
            Value::Rate(number) => to.serialize_f64(*number),
            Value::Text(text) => to.serialize_str(text),
            Value::Word(_, word, _) => to.serialize_str(word),
            Value::Ip(ip) => to.collect_str(ip),
            Value::Address(address) => to.collect_str(address),
            Value::Left(left) => milliseconds(*left).serialize(to),
            Value::Time(time) => time.serialize(to),
            Value::Flag(flag) => to.serialize_bool(*flag),
            Value::Trend(samples) => to.collect_seq(*samples),
            Value::Pids(owners) => to.collect_seq(owners.iter().map(|owner| owner.pid.0)),
            Value::Attributions(known) => {
                to.collect_map(Attribution::ALL.map(|how| (how.name(), known.map(|known| known.of(how)))))
            }
        }
    }
}

pub(super) fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
