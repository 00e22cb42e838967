//! The deadlines of one run, on the monotonic clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a deadline is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Of the attempt of a task.
    Attempt(u32, u32),
    /// Of the answer to a start whose attempt has no time left.
    Answer(u32, u32),
    /// Of the wait behind an attempt of a task.
    Rest(u32, u32),
    /// Of the run.
    Run,
}

impl Timer {
    /// How long the answer to a start may take once no time is left. Who slept finds the end of the time before the answer.
    pub const ANSWER: Duration = Duration::from_secs(1);
}

/// Deadlines in the order in which they pass.
#[derive(Debug, Default)]
pub struct Timers {
    order: BTreeSet<(Duration, Timer)>,
    set: BTreeMap<Timer, Duration>,
}

impl Timers {
    /// Sets a deadline, in place of an earlier one of the same.
    pub fn set(&mut self, timer: Timer, at: Duration) {
        if let Some(old) = self.set.insert(timer, at) {
            self.order.remove(&(old, timer));
        }
        self.order.insert((at, timer));
    }

    /// Forgets a deadline.
    pub fn forget(&mut self, timer: Timer) {
        if let Some(old) = self.set.remove(&timer) {
            self.order.remove(&(old, timer));
        }
    }

    /// Forgets every deadline of an attempt.
    pub fn forget_attempt(&mut self, task: u32, attempt: u32) {
        [Timer::Attempt(task, attempt), Timer::Answer(task, attempt), Timer::Rest(task, attempt)]
            .into_iter()
            .for_each(|timer| self.forget(timer));
    }

    /// Whether a deadline is set.
    pub fn is_set(&self, timer: Timer) -> bool {
        self.set.contains_key(&timer)
    }

    /// The next one.
    pub fn next(&self) -> Option<Duration> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes one that has passed.
    pub fn pop(&mut self, now: Duration) -> Option<Timer> {
        let (at, timer) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.order.pop_first();
        self.set.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_pass_in_order_and_one_that_is_set_again_counts_once() {
        let mut timers = Timers::default();
        let at = Duration::from_secs;
        for (timer, seconds) in
            [(Timer::Run, 9), (Timer::Attempt(1, 1), 5), (Timer::Rest(2, 1), 5), (Timer::Run, 3)]
        {
            timers.set(timer, at(seconds));
        }
        timers.forget(Timer::Rest(2, 1));
        assert!(timers.is_set(Timer::Run) && !timers.is_set(Timer::Rest(2, 1)));
        assert_eq!((timers.next(), timers.pop(at(2))), (Some(at(3)), None));
        let passed: Vec<Timer> = std::iter::from_fn(|| timers.pop(at(60))).collect();
        assert_eq!(passed, [Timer::Run, Timer::Attempt(1, 1)]);
        assert_eq!(timers.next(), None);
    }
}
