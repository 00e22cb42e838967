//! The laws, how often each was looked at where it could have been broken, and what broke one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The invariants that a simulated history evaluates, by their numbers, each as the sentence that is evaluated. Those that
/// are missing need something that gofer does not have yet, or something that a simulation cannot show.
pub const LAWS: [(u8, &str); 48] = [
    (1, "a task's attempt is recorded only after the end of each of its parents"),
    (2, "at that moment every condition holds"),
    (3, "a task with a condition that cannot hold gets no attempt"),
    (4, "a task is skipped only for a condition that cannot hold, or because it was not chosen"),
    (5, "a stored version has unique ids, known parents and no cycle"),
    (
        6,
        "the end of each task follows from the ends of its attempts, of its parents, or from a wish or limit",
    ),
    (7, "a run has ended when and only when all its tasks have, in the same commit"),
    (8, "the end of a run is the fold of the ends of its tasks"),
    (9, "an end is never changed"),
    (10, "states change only as the table of states says"),
    (12, "an exit code is recorded if and only if that exit was observed"),
    (13, "the times of a run go forward while the wall clock does"),
    (14, "run numbers of a pipeline grow and are never used again"),
    (15, "nothing is started twice under one attempt"),
    (16, "the next attempt begins only when the one before has ended or is recorded as lost"),
    (17, "the scheduler hears only of attempts that are on disk"),
    (18, "what ran at a crash goes on as the same attempt, and its end is told truly"),
    (19, "in the end nothing is left at the scheduler"),
    (20, "no two attempts have one name"),
    (21, "behind a start of unknown outcome nothing is started again, nor under another name"),
    (22, "every acknowledged run is there"),
    (23, "one idempotency key stands for one run"),
    (25, "a damaged record sets its run aside and nothing else"),
    (26, "after a start every run that has not ended is looked after"),
    (27, "in the end no slot and no place is held"),
    (28, "nobody reads an earlier state of a run after a later one"),
    (29, "a change and its event are one commit, and events are dense"),
    (30, "once all is well again every run ends within its limits"),
    (31, "a server that was taken over commits nothing any more"),
    (32, "no limit on what runs at once is passed"),
    (33, "runs of a pipeline start in the order in which they were asked for"),
    (34, "no run waits for ever while there is room for it"),
    (35, "behind an acknowledged cancel nothing new is started but what cleans up"),
    (36, "a cancel that comes behind the end says so"),
    (37, "a time limit ends nothing before its time, and everything soon behind it"),
    (38, "there are no more attempts than allowed, and no shorter waits between them"),
    (39, "a disabled pipeline starts no run"),
    (49, "output that was read once is read again, the same"),
    (50, "without a fault of the logs the stored output is what was printed"),
    (51, "what is missing of the output is told as a gap"),
    (52, "output that was read before a crash is the beginning of what is read behind it"),
    (53, "no bytes that a task prints end or hide its output"),
    (54, "the stored output of a task stays within its limit"),
    (62, "an object that was acknowledged reads back as it was"),
    (63, "only what may be deleted is deleted, and never of a run that has not ended"),
    (65, "a run keeps its version"),
    (70, "behind a failed sync nothing is acknowledged"),
    (71, "a full disk is refused by name, and work goes on once there is room"),
];

/// That the causes which `run explain` tells are true: a promise of the product without a number of its own.
pub const EXPLAINED: u8 = 100;
/// That reading back from the disk agrees with what was committed: the simulation's own assumption.
pub const DISK: u8 = 101;

/// How often each law was looked at, and what broke one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How often each was evaluated where it could have been broken.
    pub reached: BTreeMap<u8, u64>,
    /// What broke one, in order.
    pub broken: Vec<String>,
}

/// How many violations of one history are kept.
const KEPT: usize = 20;

impl Tally {
    /// Evaluates a law.
    pub fn holds(&mut self, law: u8, holds: bool, what: impl FnOnce() -> String) {
        *self.reached.entry(law).or_default() += 1;
        if !holds && self.broken.len() < KEPT {
            self.broken.push(format!("INV-{law}: {}", what()));
        }
    }

    /// Takes in the tally of another history.
    pub fn absorb(&mut self, other: &Self) {
        for (law, times) in &other.reached {
            *self.reached.entry(*law).or_default() += times;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laws_stand_in_order_and_once() {
        assert!(LAWS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
