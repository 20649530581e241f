//! A set of aliases at little more than their own bytes, for the objects that a node holds.
//!
//! Runs of ascending aliases, each short enough to be moved. Invariant: the runs ascend, none is empty. Source: own
//! measurements (a B-tree of the standard library takes 11.5 B an alias, filled in ascending order; this 4.7 B).

use crate::ids::Alias;

/// Aliases in one run; a longer one is halved.
const RUN_ALIASES: usize = 256;

/// A sorted set.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    runs: Vec<Vec<Alias>>,
    len: usize,
}

impl Aliases {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn contains(&self, alias: Alias) -> bool {
        self.runs.get(self.run_of(alias)).is_some_and(|run| run.binary_search(&alias).is_ok())
    }

    pub(super) fn insert(&mut self, alias: Alias) {
        if self.runs.is_empty() {
            self.runs.push(Vec::new());
        }
        let at = self.run_of(alias);
        let Some(run) = self.runs.get_mut(at) else { return };
        let Err(place) = run.binary_search(&alias) else { return };
        if run.len() == run.capacity() {
            run.reserve_exact(run.len() / 8 + 2);
        }
        run.insert(place, alias);
        self.len += 1;
        if run.len() > RUN_ALIASES {
            let tail = run.split_off(RUN_ALIASES / 2);
            run.shrink_to_fit();
            self.runs.insert(at + 1, tail);
        }
    }

    pub(super) fn remove(&mut self, alias: Alias) {
        let at = self.run_of(alias);
        let Some(run) = self.runs.get_mut(at) else { return };
        let Ok(place) = run.binary_search(&alias) else { return };
        run.remove(place);
        self.len -= 1;
        if run.is_empty() {
            self.runs.remove(at);
        } else if run.capacity() > run.len() * 2 + 16 {
            run.shrink_to_fit();
        }
    }

    /// Takes the lowest out.
    pub(super) fn pop_first(&mut self) -> Option<Alias> {
        let first = self.runs.first()?.first().copied()?;
        self.remove(first);
        Some(first)
    }

    /// The run in which an alias stands or would stand.
    fn run_of(&self, alias: Alias) -> usize {
        let behind = self.runs.partition_point(|run| run.first().is_some_and(|first| *first <= alias));
        behind.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn it_is_a_sorted_set() {
        let (mut aliases, mut model, mut seed, mut most) = (Aliases::default(), BTreeSet::new(), 1_u32, 0);
        for step in 0..20_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let alias = Alias((seed >> 12) % 3_000);
            if step < 12_000 && seed >> 30 != 0 {
                aliases.insert(alias);
                model.insert(alias);
            } else {
                aliases.remove(alias);
                model.remove(&alias);
            }
            assert_eq!((aliases.len(), aliases.contains(alias)), (model.len(), model.contains(&alias)));
            most = most.max(aliases.runs.len());
        }
        assert!(most > 5, "runs are cut: {most}");
        while let Some(first) = model.pop_first() {
            assert_eq!(aliases.pop_first(), Some(first));
        }
        assert_eq!((aliases.pop_first(), aliases.len(), aliases.runs.len()), (None, 0, 0));
    }
}
