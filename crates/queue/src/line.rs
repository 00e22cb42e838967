//! The lines themselves: that of a pipeline, with its head, and those of a namespace. They know nothing of each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gofer_types::RunRef;

use crate::hold::Limit;
use crate::item::Priority;
use crate::limits::NamespaceLimits;

/// How many runs a refusal names.
const NAMED: usize = 10;

/// A run's place in the order: the time it was asked for less what its priority is worth, then its arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    due: i128,
    /// The number of its arrival. No other run has it.
    pub(crate) order: u64,
}

impl Key {
    pub(crate) fn new(at: u64, priority: Priority, ageing: Duration, order: u64) -> Self {
        let level = i128::try_from(ageing.as_micros()).unwrap_or(i128::MAX);
        let ahead = level.saturating_mul(i128::from(priority.get()));
        Self { due: i128::from(at).saturating_sub(ahead), order }
    }
}

/// A run that waits, as its pipeline sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    pub(crate) parallelism: u32,
    /// Whether a newer run replaces it.
    pub(crate) replaced: bool,
}

/// A pipeline.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) line: BTreeMap<Key, Waiting>,
    pub(crate) running: usize,
    /// Its runs that were not forgotten.
    pub(crate) seated: usize,
    /// Its runs that have not ended, as they arrived.
    pub(crate) active: BTreeMap<u64, (Key, Arc<RunRef>)>,
    /// Those of them that nobody replaces.
    pub(crate) lasting: BTreeSet<u64>,
    /// Those of its waiting runs that are parts of runs that run. They wait for nothing but room in the pipeline, and come before
    /// the others: whoever waits for them holds what the others wait for.
    pub(crate) parts: BTreeMap<Key, Waiting>,
    /// The first of them, while the pipeline lets it start.
    pub(crate) part: Option<Key>,
    /// Its first waiting run, as the namespace was told: only while the pipeline lets it start.
    pub(crate) head: Option<Key>,
}

impl Lane {
    /// The first waiting run, if the pipeline lets it start.
    pub(crate) fn startable(&self) -> Option<Key> {
        let (key, waiting) = self.line.first_key_value()?;
        self.limit_at(*waiting, 0).is_none().then_some(*key)
    }

    /// The first waiting part, if the pipeline lets it start.
    pub(crate) fn startable_part(&self) -> Option<Key> {
        let (key, waiting) = self.parts.first_key_value()?;
        self.limit_of_part(*waiting).is_none().then_some(*key)
    }

    /// What the pipeline has against the start of the first part.
    pub(crate) fn limit_of_part(&self, waiting: Waiting) -> Option<Limit> {
        let Waiting { parallelism, replaced } = waiting;
        if replaced {
            Some(Limit::Replaced)
        } else {
            (parallelism > 0 && self.running >= parallelism as usize)
                .then_some(Limit::Pipeline { parallelism })
        }
    }

    /// What the pipeline has against the start of a waiting run with that many in front of it.
    pub(crate) fn limit_at(&self, waiting: Waiting, ahead: usize) -> Option<Limit> {
        let Waiting { parallelism, replaced } = waiting;
        if replaced {
            Some(Limit::Replaced)
        } else if parallelism > 0 && self.running + ahead >= parallelism as usize {
            Some(Limit::Pipeline { parallelism })
        } else if ahead > 0 && self.head.is_none() {
            Some(Limit::Predecessors)
        } else {
            None
        }
    }

    /// How many wait in front of a run, be it in the line or not. Where it is not the last, it counts no further than
    /// what the run's parallelism needs.
    pub(crate) fn ahead(&self, key: Key, parallelism: u32) -> usize {
        match self.line.last_key_value() {
            None => 0,
            Some((last, _)) if *last < key => self.line.len(),
            Some((last, _)) if *last == key => self.line.len() - 1,
            Some(_) => {
                let enough = (parallelism as usize).saturating_sub(self.running).max(1);
                self.line.range(..key).take(enough).count()
            }
        }
    }

    /// Finds the oldest runs that must go so that at most `parallelism` are left together with a new one, and remembers
    /// that they are on their way out.
    pub(crate) fn replace(&mut self, parallelism: u32) -> Vec<RunRef> {
        if parallelism == 0 {
            return Vec::new();
        }
        let mut replaced = Vec::new();
        while self.lasting.len() >= parallelism as usize {
            let Some(oldest) = self.lasting.pop_first() else { break };
            if let Some((key, run)) = self.active.get(&oldest) {
                if let Some(waiting) = self.line.get_mut(key).or_else(|| self.parts.get_mut(key)) {
                    waiting.replaced = true;
                }
                replaced.push(RunRef::clone(run));
            }
        }
        replaced
    }

    /// The oldest runs that run or wait, as many as a refusal names.
    pub(crate) fn oldest(&self) -> Vec<RunRef> {
        self.active.values().take(NAMED).map(|(_, run)| RunRef::clone(run)).collect()
    }
}

/// A namespace.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) limits: NamespaceLimits,
    /// All its runs that wait.
    pub(crate) line: BTreeMap<Key, Arc<RunRef>>,
    /// How many parts of runs wait in it.
    pub(crate) parts: usize,
    /// The heads of its pipelines.
    pub(crate) heads: BTreeSet<Key>,
    pub(crate) running: usize,
}

impl Space {
    pub(crate) fn new(limits: NamespaceLimits) -> Self {
        Self { limits, line: BTreeMap::new(), parts: 0, heads: BTreeSet::new(), running: 0 }
    }

    /// Whether the namespace lets one more run start.
    pub(crate) fn has_room(&self) -> bool {
        self.running < self.limits.bounds.running_runs
    }

    /// Whether one of its runs could start if the server lets it.
    pub(crate) fn is_ready(&self) -> bool {
        self.has_room() && !self.heads.is_empty()
    }
}
