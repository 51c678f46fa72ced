//! One table as CSV by RFC 4180, for spreadsheets: a header, CRLF line ends, one kind of row a file.
//!
//! The columns are the fields of the JSON (see [`super::json`]); what was not read is an empty cell.
//! Outside text is made safe for the programs that open such files: control, invisible and
//! direction-changing characters become `�`, and text that a spreadsheet would calculate (it starts with
//! `=`, `+`, `-` or `@`) gets a `'` before it. Who needs the text as it was takes the JSON.

use std::borrow::Cow;
use std::io::{self, Write};

use csv::{Terminator, WriterBuilder};

use super::Excerpt;
use super::record::milliseconds;
use crate::analysis::column::Within;
use crate::analysis::{Item, Picture, Value};
use crate::text::safe;

/// Writes the table of processes.
///
/// # Errors
/// When the writer fails.
pub fn write_processes(excerpt: &Excerpt, out: &mut impl Write) -> io::Result<()> {
    write(&excerpt.processes, excerpt.picture, out)
}

/// Writes the table of sockets.
///
/// # Errors
/// When the writer fails.
pub fn write_sockets(excerpt: &Excerpt, out: &mut impl Write) -> io::Result<()> {
    write(&excerpt.sockets, excerpt.picture, out)
}

fn write<R: Item>(rows: &[&R], picture: &Picture, out: &mut impl Write) -> io::Result<()> {
    let mut fields = R::fields();
    fields.retain(|(field, _)| field.within == Within::All);
    let mut table = WriterBuilder::new().has_headers(false).terminator(Terminator::CRLF).from_writer(out);
    table.write_record(fields.iter().map(|(field, _)| field.name)).map_err(into_io)?;
    for row in rows {
        for (field, column) in &fields {
            table.write_field(&*text(&field.value(column, row, picture))).map_err(into_io)?;
        }
        table.write_record(None::<&[u8]>).map_err(into_io)?;
    }
    table.flush()
}

/// A value as a cell: numbers as they are.
fn text<'a>(value: &'a Value<'_>) -> Cow<'a, str> {
    match value {
        // What was seen in part is not known.
        Value::NotRead | Value::AtLeast(_) => "".into(),
        Value::Count(number) => number.to_string().into(),
        Value::Share(share) => share.number().map_or_else(String::new, |share| share.to_string()).into(),
        Value::Rate(number) => number.to_string().into(),
        Value::Text(text) => inert(text),
        Value::Word(_, word, _) => (*word).into(),
        Value::Left(left) => milliseconds(*left).to_string().into(),
        Value::Flag(flag) => flag.to_string().into(),
        Value::Trend(samples) => samples.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ").into(),
        other => other.words().unwrap_or_default(),
    }
}

/// The writer's own error where there is one: its kind tells a closed pipe from a full disk.
fn into_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// Text that neither a terminal obeys nor a spreadsheet calculates.
fn inert(text: &str) -> Cow<'_, str> {
    // The full-width forms count as formulas too, in East Asian settings.
    if text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) {
        Cow::Owned(format!("'{}", safe(text)))
    } else {
        safe(text)
    }
}
