use super::change::{Difference, RangeChange, SpaceChange, linux_change};
use crate::model::{DynamicRange, Family, PortRange, PortSet, Protocol};
use crate::platform::control::{FileContent, RangeFile, RangeState};
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
        RangeChange::Windows { spaces, store } => {
            let mut back = Vec::new();
            for space in spaces {
                let (family, protocol) = (space.family, space.protocol);
                let set = now
                    .of(family, protocol)
                    .ok_or_else(|| Refusal::unknown_range_of(family, protocol))?
                    .range;
                if set == space.after {
                    back.push(SpaceChange { before: space.after, after: space.before, ..*space });
                } else if set != space.before {
                    let id = Some((family, protocol));
                    let difference = Difference::Range { space: id, before: space.after, now: Some(set) };
                    refuse(vec![difference], id, space.before)?;
                }
            }
            let promise = |space: &SpaceChange| {
                let (protocol, family) = (space.protocol.key(), space.family.key());
                format!("The {protocol} range of {family} is {} again.", space.after)
            };
            let promises = back.iter().map(promise).collect();
            let change = RangeChange::Windows { spaces: back, store: *store };
            Ok((Some(change).filter(|change| !change.steps().is_empty()), promises))
        }
    }
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
    space: Option<(Family, Protocol)>,
    to: PortRange,
) -> Result<(), Refusal> {
    if differences.is_empty() {
        return Ok(());
    }
    let space = space.map_or_else(String::new, |(family, protocol)| {
        format!(" --family {} --protocol {}", family.key(), protocol.key())
    });
    let (start, size) = (to.start(), to.size());
    let instead = format!("porttop range set --start {start} --num {size}{space}");
    Err(Refusal::ChangedSince { differences, instead })
}
