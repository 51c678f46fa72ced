//! One table as CSV by RFC 4180, for spreadsheets: a header, CRLF line ends, one kind of row a file.
//!
//! The columns are the fields of the JSON (see [`super::json`]); what was not read is an empty cell.
//! Outside text is made safe for the programs that open such files: control, invisible and
//! direction-changing characters become `�`, and text that a spreadsheet would calculate (it starts with
//! `=`, `+`, `-` or `@`) gets a `'` before it. Who needs the text as it was takes the JSON.

use std::borrow::Cow;
use std::io::{self, Write};

use csv::{Terminator, WriterBuilder};
use serde::Serialize;

use super::Excerpt;
use super::record::{ProcessRecord, SocketRecord};
use crate::text::safe;

/// Writes the table of processes.
///
/// # Errors
/// When the writer fails.
pub fn write_processes(excerpt: &Excerpt, out: &mut impl Write) -> io::Result<()> {
    let records = excerpt.processes.iter().copied().map(|row| ProcessRecord::of(row, inert));
    write(&ProcessRecord::FIELDS, records, out)
}

/// Writes the table of sockets.
///
/// # Errors
/// When the writer fails.
pub fn write_sockets(excerpt: &Excerpt, out: &mut impl Write) -> io::Result<()> {
    write(&SocketRecord::FIELDS, excerpt.sockets.iter().copied().map(SocketRecord::of), out)
}

fn write(
    header: &[&str],
    records: impl Iterator<Item = impl Serialize>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut table = WriterBuilder::new().has_headers(false).terminator(Terminator::CRLF).from_writer(out);
    table.write_record(header).map_err(into_io)?;
    for record in records {
        table.serialize(record).map_err(into_io)?;
    }
    table.flush()
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
