//! Whether ports could be had, as text and as JSON (`porttop.probe/1`).

use std::io::{self, Write};

use super::document;
use crate::model::{NamespaceId, SpaceId};
use crate::remedy::NotDone;
use crate::remedy::probe::{Attempt, Probed, Says, Try};

/// A line per try, and why there was no destination to try.
#[must_use]
pub fn lines(probed: &Probed) -> Vec<String> {
    let unresolved = probed.unresolved.as_ref().map(ToString::to_string);
    tried(&probed.tries).chain(unresolved).collect()
}

/// A line per try.
pub(super) fn tried(tries: &[Try]) -> impl Iterator<Item = String> {
    tries.iter().map(line)
}

/// Why nothing was tried, in a sentence.
#[must_use]
pub fn not_probed(why: &NotDone) -> String {
    format!("nothing was sent or tried: {why}")
}

fn line(tried: &Try) -> String {
    let what = match tried.attempt {
        Attempt::Bind(family, protocol) => {
            SpaceId { namespace: NamespaceId::ONLY, protocol, family }.to_string()
        }
        Attempt::Connect(to) => format!("connect to {to}"),
    };
    match &tried.result {
        Ok(local) => format!("{what:8}  ok, port {}", local.port()),
        Err(failure) => {
            let name = failure.name.unwrap_or("failed");
            let number = failure.number.map_or_else(String::new, |number| format!(" {number}"));
            format!("{what:8}  {name}{number}: {}", failure.meaning)
        }
    }
}

/// Writes one line per try.
///
/// # Errors
/// When `out` can't be written.
pub fn write(tries: &[Try], out: &mut impl Write) -> io::Result<()> {
    tries.iter().try_for_each(|tried| writeln!(out, "{}", line(tried)))
}

/// The same as JSON.
///
/// # Errors
/// When `out` can't be written.
pub fn write_json(tries: &[Try], namespace: NamespaceId, out: &mut impl Write) -> io::Result<()> {
    let (tries, namespace) = (records(tries), namespace.number());
    let all = serde_json::json!({ "schema": "porttop.probe/1", "namespace": namespace, "tries": tries });
    document::write(out, &all)
}

/// The tries as JSON.
pub(super) fn records(tries: &[Try]) -> Vec<serde_json::Value> {
    tries
        .iter()
        .map(|tried| {
            let (operation, family, protocol, destination) = match tried.attempt {
                Attempt::Bind(family, protocol) => ("bind", Some(family), Some(protocol), None),
                Attempt::Connect(to) => ("connect", None, None, Some(to)),
            };
            let failure = tried.result.as_ref().err();
            serde_json::json!({
                "operation": operation, "family": family, "protocol": protocol, "destination": destination,
                "local": tried.result.as_ref().ok(),
                "error": failure.and_then(|failure| failure.name),
                "number": failure.and_then(|failure| failure.number),
                "meaning": failure.map(|failure| &failure.meaning),
                "exhausted": failure.is_some_and(|failure| failure.says == Says::Exhausted),
                "tried": failure.is_none_or(|failure| failure.says != Says::Untried),
            })
        })
        .collect()
}
