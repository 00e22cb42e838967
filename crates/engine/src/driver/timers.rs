//! The deadlines of one run, on the monotonic clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a deadline is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Of the attempt of a task.
    Attempt(u32, u32),
    /// Of the run.
    Run,
}

/// Deadlines in the order in which they pass.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    order: BTreeSet<(Duration, Timer)>,
    set: BTreeMap<Timer, Duration>,
}

impl Timers {
    /// Sets a deadline, in place of an earlier one of the same.
    pub(crate) fn set(&mut self, timer: Timer, at: Duration) {
        if let Some(old) = self.set.insert(timer, at) {
            self.order.remove(&(old, timer));
        }
        self.order.insert((at, timer));
    }

    /// Forgets a deadline.
    pub(crate) fn forget(&mut self, timer: Timer) {
        if let Some(old) = self.set.remove(&timer) {
            self.order.remove(&(old, timer));
        }
    }

    /// Whether a deadline is set.
    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.set.contains_key(&timer)
    }

    /// The next one.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes one that has passed.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<Timer> {
        let (at, timer) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.order.pop_first();
        self.set.remove(&timer);
        Some(timer)
    }
}
