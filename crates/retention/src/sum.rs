//! How much the output of the newest runs of a pipeline takes, added up bit by bit.
//!
//! No size is kept of a run that has ended: it does not change until it is deleted, and is measured again when the run is left
//! out. Whoever deletes output behind the back of a sum makes it wrong, and has to see to it that it is begun anew.

use std::collections::BTreeMap;

/// The sum of the sizes from one run to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sum {
    first: u64,
    next: u64,
    total: u64,
    /// What was found of runs that are under way.
    open: BTreeMap<u64, u64>,
}

impl Sum {
    /// Begins at a run, with nothing.
    pub(crate) fn from(first: u64) -> Self {
        Self { first, next: first, total: 0, open: BTreeMap::new() }
    }

    /// The first run that is in it.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The run that is added next.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The runs in it that were under way, newest first.
    pub(crate) fn open(&self) -> impl Iterator<Item = u64> + '_ {
        self.open.keys().rev().copied()
    }

    /// Whether the runs in it take more than that.
    pub(crate) fn is_beyond(&self, most: u64) -> bool {
        self.first < self.next && self.total > most
    }

    /// Adds the next run.
    pub(crate) fn add(&mut self, bytes: u64, open: bool) {
        self.open.insert(self.next, 0);
        self.measured(self.next, bytes, open);
        self.next += 1;
    }

    /// Takes in the size of a run that was under way, and whether it still is.
    pub(crate) fn measured(&mut self, number: u64, bytes: u64, open: bool) {
        let Some(before) = self.open.remove(&number) else { return };
        self.total = self.total.saturating_sub(before).saturating_add(bytes);
        if open {
            self.open.insert(number, bytes);
        }
    }

    /// Leaves the first run out, whose size is that.
    pub(crate) fn leave_out(&mut self, bytes: u64) {
        if self.first < self.next {
            let bytes = self.open.remove(&self.first).unwrap_or(bytes);
            self.total = self.total.saturating_sub(bytes);
        }
        self.first += 1;
        self.next = self.next.max(self.first);
    }
}
