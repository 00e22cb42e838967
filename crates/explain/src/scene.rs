//! What is known when something is explained, and the explanation.

use std::collections::BTreeMap;
use std::time::Duration;

use gofer_queue::Hold;
use gofer_run_machine::Plan;
use gofer_types::{AttemptRecord, RunRecord, TaskRunRecord, TaskState, Timestamp};

/// What is known of a run.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The run.
    pub run: &'a RunRecord,
    /// The graph that it executes.
    pub plan: &'a Plan,
    /// The states of its tasks, by their places; one that is not there waits.
    pub states: &'a BTreeMap<u32, TaskState>,
    /// What the run waits for in the queue, and at which place, if it does.
    pub hold: Option<Hold>,
    /// How long a task may take to end by itself once it is asked to.
    pub grace: Duration,
    /// Now.
    pub now: Timestamp,
}

/// What is known of a task of it.
#[derive(Debug)]
pub struct TaskScene<'a> {
    /// Its place in the graph.
    pub place: u32,
    /// The task run.
    pub task: &'a TaskRunRecord,
    /// Its attempts so far, from the first to the newest.
    pub attempts: &'a [AttemptRecord],
    /// What it waits for in the line for a slot, and at which place, if it does.
    pub hold: Option<Hold>,
}

/// Why something is where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// One sentence.
    pub text: String,
    /// More of it, a sentence each: since when, by whom, what follows.
    pub details: Vec<String>,
    /// What it waits for in a line, and at which place.
    pub hold: Option<Hold>,
    /// Commands that help further.
    pub next: Vec<String>,
}

impl Scene<'_> {
    /// The state of the task at that place.
    pub(crate) fn state(&self, place: u32) -> TaskState {
        self.states.get(&place).copied().unwrap_or(TaskState::Waiting)
    }
}
