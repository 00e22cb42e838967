//! The way through the runs of a pipeline, from the oldest on.
//!
//! A run that is under way keeps its place and holds up nobody: the walk remembers it and goes on. What is written down is the
//! first run that may still have something, so that a later life begins there.

use std::collections::BTreeSet;

use gofer_types::{RunRecord, RunRef};

use crate::keep::Bound;

/// What a run is to those who would delete it.
#[derive(Debug)]
pub(crate) enum Standing {
    /// It is put away: what is beyond a bound can be deleted.
    Ended(Box<RunRecord>),
    /// It is under way, so that nothing of it is deleted yet. It may have no record so far.
    Open(Option<Box<RunRecord>>),
    /// There is nothing to delete: it is gone, or was set aside for whoever looks into it.
    Nothing,
}

/// How far the runs of a pipeline were looked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Walk {
    next: u64,
    /// Those before the next one that were under way. No more than there are runs that have not ended.
    open: BTreeSet<u64>,
}

impl Walk {
    /// Begins at a run: no earlier one has anything.
    pub(crate) fn from(next: u64) -> Self {
        Self { next, open: BTreeSet::new() }
    }

    /// The run that is looked at next.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The first run that may still have something.
    pub(crate) fn mark(&self) -> u64 {
        self.open.first().copied().unwrap_or(self.next)
    }

    /// The runs that were under way when they were looked at.
    pub(crate) fn open(&self) -> impl Iterator<Item = u64> + '_ {
        self.open.iter().copied()
    }

    /// Takes in what the next run is, and goes on behind it. Answers `false` if it is kept: then so is all that follows.
    pub(crate) fn pass(&mut self, standing: Standing, bound: &Bound, doomed: &mut Vec<RunRef>) -> bool {
        let is_kept = match &standing {
            Standing::Ended(run) | Standing::Open(Some(run)) => bound.keeps(self.next, run),
            Standing::Open(None) => true,
            Standing::Nothing => false,
        };
        if is_kept {
            return false;
        }
        self.open.insert(self.next);
        self.look_again(self.next, standing, (bound, doomed));
        self.next += 1;
        true
    }

    /// Takes in what a run is that was under way, and answers whether it is done with. Its age counts from its end, so that a bound
    /// that was passed while it was under way may not be passed any more.
    pub(crate) fn look_again(
        &mut self,
        number: u64,
        standing: Standing,
        (bound, doomed): (&Bound, &mut Vec<RunRef>),
    ) -> bool {
        match standing {
            Standing::Open(_) => return false,
            Standing::Ended(run) if bound.keeps(number, &run) => return false,
            Standing::Ended(run) => doomed.push(run.id),
            Standing::Nothing => {}
        }
        self.open.remove(&number);
        true
    }
}
