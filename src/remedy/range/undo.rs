use super::change::{Difference, RangeChange, SpaceChange, adjective, linux_change};
use crate::model::{DynamicRange, Family, PortRange, PortSet, Protocol};
use crate::platform::control::{FileContent, RangeFile, RangeState, Store};
use crate::remedy::plan::Refusal;

/// The change that takes another back from what is set now, and what it promises; no change when all is as
/// it was. What somebody else has set since is not set back: then it is refused.
pub(super) fn plan(
    now: &RangeState,
    made: &RangeChange,
) -> Result<(Option<RangeChange>, Vec<String>), Refusal> {
    match made {
        RangeChange::Linux { before, after, file } => {
            let set = now.of(Family::Ipv4, Protocol::Tcp).ok_or_else(Refusal::unknown_range)?;
            let mut differences = Vec::new();
            if ![before.range, after.range].contains(&set.range) {
                let now = Some(set.range);
                differences.push(Difference::Range { space: None, before: after.range, now });
            }
            let file = file.as_ref().zip(now.file.as_ref()).and_then(|((was, written), there)| {
                let back = back(was, written, there);
                if back.is_none() {
                    differences.push(Difference::of_file(now, written));
                }
                Some((there.content.clone(), back?))
            });
            refuse(differences, None, before.range)?;
            let (reserved, of_others) = reserved(before, after, set);
            let mut promises = vec![format!("The range is {} again.", before.range)];
            if !of_others.is_empty() {
                promises.push(format!("Ports that others have reserved since stay so: {of_others}."));
            }
            let back = DynamicRange { range: before.range, reserved };
            Ok((linux_change(set.clone(), back, file), promises))
        }
        RangeChange::Windows { spaces } => {
            let mut back = Vec::new();
            for space in spaces {
                let SpaceChange { family, protocol, store, .. } = *space;
                let set =
                    space.read(now).ok_or_else(|| Refusal::unknown_range_of(family, protocol, store))?;
                let known = [space.before, space.after].contains(&set);
                if !known && ended_with_the_system(space, spaces, now) {
                    continue;
                }
                if !known {
                    let difference = space.differs(space.after, Some(set));
                    refuse(vec![difference], Some((family, protocol, store)), space.before)?;
                }
                back.push(SpaceChange { before: set, after: space.before, ..*space });
            }
            let promise = |space: &SpaceChange| {
                let (protocol, family) = (space.protocol.key(), space.family.key());
                format!(
                    "The {}{protocol} range of {family} is {} again.",
                    adjective(space.store),
                    space.after
                )
            };
            let promises = back.iter().filter(|space| space.moves()).map(promise).collect();
            let change = RangeChange::Windows { spaces: back };
            Ok((Some(change).filter(|change| !change.steps().is_empty()), promises))
        }
    }
}

/// Whether what was set until the next start of the system is gone with that: now is set what lasts.
fn ended_with_the_system(space: &SpaceChange, all: &[SpaceChange], now: &RangeState) -> bool {
    let SpaceChange { family, protocol, .. } = *space;
    let lasting = SpaceChange { store: Store::Persistent, ..*space };
    let of_both = all
        .iter()
        .any(|other| (other.family, other.protocol, other.store) == (family, protocol, Store::Persistent));
    space.store == Store::Active && !of_both && lasting.read(now) == space.read(now)
}

/// What the file becomes again; nothing when that can't be without losing what somebody else did.
fn back(was: &FileContent, written: &FileContent, there: &RangeFile) -> Option<FileContent> {
    if there.content == *was {
        return Some(was.clone());
    }
    if there.content != *written {
        return None;
    }
    match was {
        // An older porttop did not tell whose the file was that it kept.
        FileContent::Ours(sets) if there.kept == FileContent::Foreign(Some(sets.clone())) => {
            Some(there.kept.clone())
        }
        FileContent::Foreign(_) if there.kept != *was => None,
        _ => Some(was.clone()),
    }
}

/// The reserved ports without those that the change has added and with those that it took away, and which
/// of them others have reserved since.
fn reserved(before: &DynamicRange, after: &DynamicRange, now: &DynamicRange) -> (PortSet, PortSet) {
    let less = |set: &PortSet, other: &PortSet| -> PortSet {
        set.iter().filter(|port| !other.contains(*port)).collect()
    };
    let of_others = less(&less(&now.reserved, &after.reserved), &before.reserved);
    let kept = less(&now.reserved, &less(&after.reserved, &before.reserved));
    let taken_away = less(&before.reserved, &after.reserved);
    (kept.iter().chain(taken_away.iter()).collect(), of_others)
}

fn refuse(
    differences: Vec<Difference>,
    space: Option<(Family, Protocol, Store)>,
    to: PortRange,
) -> Result<(), Refusal> {
    if differences.is_empty() {
        return Ok(());
    }
    let space = space.map_or_else(String::new, |(family, protocol, store)| {
        let store = if store == Store::Active { "" } else { " --store persistent" };
        format!(" --family {} --protocol {}{store}", family.key(), protocol.key())
    });
    let (start, size) = (to.start(), to.size());
    let instead = format!("porttop range set --start {start} --num {size}{space}");
    Err(Refusal::ChangedSince { differences, instead })
}
