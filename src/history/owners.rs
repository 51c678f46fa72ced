use super::Sample;
use crate::model::Owner;

/// How many processes of a moment are remembered.
const MOST: usize = 256;

/// What is remembered of the processes of one moment: those that matter most.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    /// In the order of the owners; `None` is what has no owner.
    samples: Box<[(Option<Owner>, Sample)]>,
    left_out: bool,
}

impl Owners {
    /// Keeps the most important of these, each of which is another owner.
    #[must_use]
    pub fn of(mut samples: Vec<(Option<Owner>, Sample)>) -> Self {
        let left_out = samples.len() > MOST;
        if left_out {
            samples.select_nth_unstable_by_key(MOST, |(owner, sample)| {
                std::cmp::Reverse((sample.importance(), *owner))
            });
            samples.truncate(MOST);
        }
        samples.sort_unstable_by_key(|(owner, _)| *owner);
        Self { samples: samples.into(), left_out }
    }

    /// What is remembered of an owner.
    #[must_use]
    pub fn get(&self, owner: &Option<Owner>) -> Option<&Sample> {
        let index = self.samples.binary_search_by_key(owner, |(other, _)| *other).ok()?;
        Some(&self.samples[index].1)
    }

    /// Everyone who is remembered.
    pub fn iter(&self) -> impl Iterator<Item = (Option<Owner>, &Sample)> {
        self.samples.iter().map(|(owner, sample)| (*owner, sample))
    }

    /// Whether some were left out: of who is missing, nothing is known then.
    #[must_use]
    pub fn left_out(&self) -> bool {
        self.left_out
    }

    /// Adds what was new with the moment before, which is no longer remembered by itself.
    pub(super) fn absorb(&mut self, before: &Self) {
        for (owner, sample) in &mut self.samples {
            if let Some(before) = before.get(owner) {
                sample.born += before.born;
                sample.waits += before.waits;
                sample.failed += before.failed;
            }
        }
    }

    /// How much memory it takes beside itself.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.samples)
    }
}

impl Sample {
    /// Who is refused ports comes first, then who holds most.
    fn importance(&self) -> (bool, u32, u32, u32, u64) {
        let sockets = self.counts.seen_sockets();
        let ports = self.counts.ports.unwrap_or(sockets);
        (self.failed > 0, ports, sockets, self.born, self.handles.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests_support::owner;

    #[test]
    fn of_too_many_the_most_important_stay_and_it_is_known_that_others_were_there() {
        let count = u32::try_from(MOST).unwrap() + 100;
        let sample = |ports: u32| {
            let mut sample = Sample::default();
            sample.counts.ports = Some(ports);
            sample
        };
        let mut all: Vec<_> = (1..=count).map(|pid| (Some(owner(pid)), sample(pid))).collect();
        all[0].1.failed = 1;
        let owners = Owners::of(all.clone());
        assert!(owners.left_out());
        assert_eq!(owners.iter().count(), MOST);
        assert!(owners.get(&Some(owner(1))).is_some(), "it is refused ports");
        assert!(owners.get(&Some(owner(2))).is_none() && owners.get(&Some(owner(count))).is_some());
        all.truncate(MOST);
        assert!(!Owners::of(all).left_out());
    }
}
