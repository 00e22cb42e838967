//! What a scenario has counted, and what was violated in it.
//!
//! A count without a floor is only shown. A count below its floor means that too little happened for the scenario to prove
//! anything, and fails it like a violation does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many violations are kept word by word.
const KEPT: usize = 20;

/// One thing that was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The place among the others: the order in which they were named first.
    place: usize,
    /// How many there were.
    pub count: u64,
    /// How many there must be at least; 0 where it is only shown.
    pub floor: u64,
}

/// The notebook of a scenario. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    counts: BTreeMap<&'static str, Count>,
    violations: Vec<String>,
    violated: usize,
}

impl Tally {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to a count.
    pub fn add(&self, what: &'static str, number: usize) {
        self.notes().count(what).count += number as u64;
    }

    /// Says how many there must be at least.
    pub fn floor(&self, what: &'static str, number: usize) {
        self.notes().count(what).floor = number as u64;
    }

    /// Notes a violation unless the condition holds, and answers whether it does.
    pub fn check(&self, holds: bool, otherwise: impl FnOnce() -> String) -> bool {
        if !holds {
            self.violated(otherwise());
        }
        holds
    }

    /// Notes a violation.
    pub fn violated(&self, what: String) {
        let mut notes = self.notes();
        notes.violated += 1;
        if notes.violations.len() < KEPT {
            notes.violations.push(what);
        }
    }

    /// How many violations there were.
    #[must_use]
    pub fn violations(&self) -> usize {
        self.notes().violated
    }

    /// The first of the violations.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        self.notes().violations.clone()
    }

    /// Everything that was counted, in the order in which it was named first.
    #[must_use]
    pub fn counts(&self) -> Vec<(&'static str, Count)> {
        let mut counts: Vec<_> = self.notes().counts.iter().map(|(what, count)| (*what, *count)).collect();
        counts.sort_by_key(|(_, count)| count.place);
        counts
    }
}

impl Notes {
    fn count(&mut self, what: &'static str) -> &mut Count {
        let place = self.counts.len();
        self.counts.entry(what).or_insert(Count { place, count: 0, floor: 0 })
    }
}

impl Count {
    /// Whether there were enough.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.count >= self.floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_keep_their_order_and_know_whether_they_are_enough() {
        let tally = Tally::default();
        tally.floor("kills", 3);
        tally.add("runs", 1);
        tally.add("kills", 2);
        let counts = tally.counts();
        assert_eq!(counts.iter().map(|(what, _)| *what).collect::<Vec<_>>(), ["kills", "runs"]);
        assert!(!counts[0].1.is_enough() && counts[1].1.is_enough());
    }

    #[test]
    fn every_violation_is_counted_and_the_first_are_kept() {
        let tally = Tally::default();
        assert!(tally.check(true, || "never".to_owned()));
        for number in 0..KEPT + 5 {
            assert!(!tally.check(false, || format!("violation {number}")));
        }
        assert_eq!((tally.violations(), tally.words().len()), (KEPT + 5, KEPT));
    }
}
