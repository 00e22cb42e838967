//! How far a watcher has seen a run: what it was told never goes back.
//!
//! Records may be ahead of the event that is read, and events may tell what a record shows already.

use std::collections::BTreeMap;

use gofer_types::{
    Cause, Event, EventKind, RunRecord, RunState, TaskId, TaskRunRecord, TaskState, Timestamp,
};

/// What a watcher has seen of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    run: RunRecord,
    tasks: BTreeMap<TaskId, TaskRunRecord>,
}

impl Seen {
    /// The first picture.
    #[must_use]
    pub fn new(run: RunRecord, tasks: &[TaskRunRecord]) -> Self {
        Self { run, tasks: tasks.iter().map(|task| (task.id.task.clone(), task.clone())).collect() }
    }

    /// Whether the run has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.run.state.is_terminal()
    }

    /// Takes in a task run that was not there before; says whether it was not.
    pub fn learn(&mut self, task: &TaskRunRecord) -> bool {
        let known = self.tasks.contains_key(&task.id.task);
        if !known {
            self.tasks.insert(task.id.task.clone(), task.clone());
        }
        !known
    }

    /// The task run that an event changes; `None` if it tells nothing new.
    pub fn task(&mut self, event: &Event) -> Option<&TaskRunRecord> {
        let EventKind::Task { task, .. } = &event.kind else { return None };
        let record = self.tasks.get_mut(&task.task)?;
        change_task(record, event).then_some(record)
    }

    /// Where the run is, as an event tells it; `None` if that says nothing of the run, or something older.
    #[must_use]
    pub fn run(&self, event: &Event) -> Option<(RunState, Cause)> {
        let known = self.run.state;
        match &event.kind {
            EventKind::Run { state, cause, .. } => {
                let newer = rank(*state) >= rank(known) && !known.is_terminal();
                newer.then(|| (*state, cause.clone()))
            }
            EventKind::CancelRequested { .. } => Some((known, self.run.cause.clone())),
            _ => None,
        }
    }

    /// The run as it was at an event: its record, which may be ahead, in the state that the event tells.
    pub fn take_run(
        &mut self,
        stored: RunRecord,
        (state, cause): (RunState, Cause),
        at: Timestamp,
    ) -> RunRecord {
        let ended = state.is_terminal().then_some(at);
        self.run = RunRecord { state, cause, ended, ..stored };
        self.run.clone()
    }
}

/// Brings a task run to what an event tells of it. False if it is there already.
fn change_task(record: &mut TaskRunRecord, event: &Event) -> bool {
    let EventKind::Task { state, cause, attempt, exit_code, .. } = &event.kind else { return false };
    let attempts = record.attempts.len();
    // an attempt that is not known yet is the next one
    let number = attempt.as_ref().map_or(0, |attempt| {
        record.attempts.iter().position(|known| known == attempt).unwrap_or(attempts) + 1
    });
    let known = (attempts, task_rank(record.state, &record.cause, attempts));
    let told = (number, task_rank(*state, cause, number));
    let same = record.state == *state && record.cause == *cause;
    if record.state.is_terminal() || (told < known && !state.is_terminal()) || same {
        return false;
    }
    record.state = *state;
    record.cause = cause.clone();
    record.changed = event.at;
    record.exit_code = *exit_code;
    if let Some(attempt) = attempt
        && !record.attempts.contains(attempt)
    {
        record.attempts.push(attempt.clone());
    }
    if *state == TaskState::Running {
        record.started.get_or_insert(event.at);
    }
    if state.is_terminal() {
        record.ended = Some(event.at);
    }
    true
}

/// How far a task has come with its attempt of that number; 0 is before the first.
fn task_rank(state: TaskState, cause: &Cause, attempt: usize) -> u8 {
    match (state, cause) {
        (TaskState::Waiting, _) => 0,
        (TaskState::Pending, Cause::WaitingForRetry { .. }) => 3,
        // behind its rest: the attempt that it asks a slot for has no identity yet
        (TaskState::Pending, Cause::WaitingForSlot(_)) if attempt > 0 => 4,
        (TaskState::Pending, _) => 1,
        (TaskState::Running, _) => 2,
        _ => 5,
    }
}

fn rank(state: RunState) -> u8 {
    match state {
        RunState::Queued => 0,
        RunState::Running => 1,
        _ => 2,
    }
}
