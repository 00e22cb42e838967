//! How much the operator wants to keep.

use gofer_types::{RunRecord, Span, Timestamp};

/// How much of something is kept. What is beyond one of the bounds is deleted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keep {
    /// Of how many of the newest runs of each pipeline; 0 is no bound.
    pub runs: u32,
    /// How long, from the end of the run.
    pub age: Option<Span>,
    /// How many bytes for each pipeline, where it is something that has bytes.
    pub bytes: Option<u64>,
}

/// What is kept, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// The output of runs.
    pub logs: Keep,
    /// The runs themselves, with their tasks, attempts and everything else.
    pub runs: Keep,
    /// How many events; 0 is no bound.
    pub events: u64,
    /// How long events are kept.
    pub event_age: Option<Span>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            logs: Keep { runs: 20, ..Keep::default() },
            runs: Keep { runs: 10_000, ..Keep::default() },
            events: 10_000_000,
            event_age: None,
        }
    }
}

impl Keep {
    /// What it is at this moment, where the newest run has that number.
    pub(crate) fn bound(&self, newest: u64, now: Timestamp) -> Bound {
        let first = if self.runs == 0 { 1 } else { newest.saturating_sub(u64::from(self.runs)) + 1 };
        Bound { first, age: self.age, now }
    }
}

/// Which runs of a pipeline are kept at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// The first run that its number keeps.
    first: u64,
    age: Option<Span>,
    now: Timestamp,
}

impl Bound {
    /// No run below that number is kept either.
    pub(crate) fn not_below(self, first: u64) -> Self {
        Self { first: self.first.max(first), ..self }
    }

    /// Whether a run is kept.
    pub(crate) fn keeps(&self, number: u64, run: &RunRecord) -> bool {
        let ended = run.ended.unwrap_or(run.created);
        let is_too_old = self.age.is_some_and(|age| self.now.since(ended) > age.get());
        number >= self.first && !is_too_old
    }
}
