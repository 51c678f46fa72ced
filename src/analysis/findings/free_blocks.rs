//! Windows: ports are free, and nowhere enough of them in a row for WinNAT and HNS.

use super::facts::{Facts, of};
use super::{Act, Finding, Link, Severity, Step, View};
use crate::analysis::{BLOCK, SpaceUsage};
use crate::model::System;
use crate::text::thousands;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    if facts.snapshot.host.system != System::Windows {
        return Vec::new();
    }
    let has_room = |usage: &&SpaceUsage| usage.share().is_some_and(|share| share < facts.thresholds.warn);
    facts.spaces.iter().filter(has_room).filter_map(finding).collect()
}

fn finding(usage: &SpaceUsage) -> Option<Finding> {
    let blocks = usage.free_blocks.filter(|blocks| blocks.aligned == 0)?;
    let free = of(usage.free()?, usage.capacity?);
    let (family, protocol) = (usage.id.family.key(), usage.id.protocol.key());
    Some(Finding {
        id: "no_free_block",
        severity: Severity::Note,
        title: format!("{}: {free} ports are free, but no block of {BLOCK} in a row", usage.id),
        evidence: vec![
            format!("{free} ports free"),
            format!("at most {} of them in a row", thousands(blocks.largest.into())),
        ],
        why: "WinNAT and HNS (containers, Hyper-V, WSL) take blocks of 64 ports that begin at a multiple of 64. \
              Without one they fail while every other program still gets ports.",
        next: vec![
            Step::run(
                format!("netsh int {family} show excludedportrange protocol={protocol}"),
                "shows the blocks that are taken already",
            ),
            Step::on_screen(Act::Show(View::Ranges), "see the ranges and what a wider one would bring"),
        ],
        link: Link::to(View::Ranges),
        owner: None,
    })
}
