//! Who was seen to connect to a destination, in words: why its `TIME_WAIT` sockets are
//! taken to be somebody's, or why not.

use super::facts::Facts;
use crate::model::{Connects, DestinationId, SeenProgram, SeenThere};
use crate::text::{safe, thousands};

/// The evidence for a destination, as a line; none where nobody was seen.
pub(super) fn seen_there(facts: &Facts, id: DestinationId) -> Option<String> {
    let there = facts.snapshot.seen.iter().find(|there| there.destination == id)?;
    let made: Vec<_> = match &there.program {
        Some(program) => vec![format!("{} made {}", processes(program), thousands(program.connections))],
        None => {
            there.by.iter().map(|one| format!("{} made {}", who(one), thousands(one.count.into()))).collect()
        }
    };
    let (made, seen) = (made.join(", "), thousands(there.connections));
    let SeenThere { waiting, .. } = there;
    let (what, how) = if there.traced { ("connects", "seen") } else { ("short connections", "caught") };
    let so = match (there.inferred, &there.by[..]) {
        (Some(_), _) => format!("so its {} TIME_WAITs are inferred", thousands((*waiting).into())),
        _ if there.program.is_some() => {
            format!("so {} TIME_WAITs are most likely theirs", thousands((*waiting).into()))
        }
        (None, [_]) => "too few to tell whose the TIME_WAITs are".to_owned(),
        (None, _) => "so whose the TIME_WAITs are can't be told".to_owned(),
    };
    Some(format!("{seen} {what} toward {} were {how}: {made}; {so}", id.remote))
}

/// `200 processes of worker`
pub(super) fn processes(program: &SeenProgram) -> String {
    format!("{} processes of {}", thousands(program.processes.into()), safe(&program.name))
}

fn who(connects: &Connects) -> String {
    format!("{} ({})", safe(&connects.name), connects.owner.pid)
}
