//! What clients did, and what they were told.

use std::collections::BTreeMap;

use gofer_types::{PipelineRef, RunRef, RunState};

/// One entry of a log, as it was read: its attempt, its stream, and its bytes, or how many are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The attempt.
    pub attempt: u32,
    /// `out` or `err`; empty for a gap.
    pub stream: &'static str,
    /// What it holds.
    pub data: Vec<u8>,
    /// If it is a gap: the missing bytes, `None` for an unknown number, and why.
    pub gap: Option<(Option<u64>, String)>,
}

/// What clients did, and what they were told.
#[derive(Debug, Default)]
pub struct Claims {
    /// The runs that were acknowledged, in that order.
    pub runs: Vec<RunRef>,
    /// For each of them, when it was asked for first and when it was acknowledged first: places in one order of all.
    pub spans: BTreeMap<RunRef, (u64, u64)>,
    /// What each idempotency key was said to stand for.
    pub keys: BTreeMap<(PipelineRef, String), Vec<RunRef>>,
    /// The latest state of each run that anybody was told.
    pub told: BTreeMap<RunRef, RunState>,
    /// The output that was read last, by run and task.
    pub output: BTreeMap<(RunRef, String), Vec<Read>>,
    /// The output of whole runs that somebody followed to its end.
    pub followed: Vec<(RunRef, BTreeMap<String, Vec<Read>>)>,
    /// The runs whose output somebody wanted deleted.
    pub output_deleted: std::collections::BTreeSet<RunRef>,
    /// The objects that were acknowledged, by scope and key; `None` while it is not known what is there.
    pub objects: BTreeMap<(String, String), Option<Vec<u8>>>,
    /// Which call put each of them last.
    pub puts: BTreeMap<(String, String), u64>,
    /// Calls so far, and their places in the one order.
    pub order: u64,
}

/// Where a state stands in the life of a run.
pub(crate) fn rank(state: RunState) -> u8 {
    match state {
        RunState::Queued => 0,
        RunState::Running => 1,
        _ => 2,
    }
}

impl Claims {
    /// The next place in the one order of calls and answers.
    pub fn tick(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// A run was acknowledged.
    pub fn acknowledge(&mut self, run: &RunRef, asked: u64) {
        let now = self.tick();
        if !self.runs.contains(run) {
            self.runs.push(run.clone());
        }
        let span = self.spans.entry(run.clone()).or_insert((asked, now));
        span.0 = span.0.min(asked);
    }
}
