//! The rules that both models go by: what a condition means, how an end is named, what the result of a run is. They stand in
//! the machine as well, and here a second time on purpose.

use gofer_types::{Condition, RunState, TaskState};

use super::graphs::{Layout, ModelTask};
use super::model::{Outcome, Place, Why};

/// The state of a run whose places stand like this: admitted or not, cancelled or not, late or not.
pub(super) fn run_state(places: &[Place], layout: &Layout, run: (bool, bool, bool)) -> RunState {
    let (admitted, cancelled, late) = run;
    let ends: Option<Vec<TaskState>> = places
        .iter()
        .map(|place| match place {
            Place::Done(state) => Some(*state),
            _ => None,
        })
        .collect();
    let Some(ends) = ends else {
        return if admitted { RunState::Running } else { RunState::Queued };
    };
    let any = |states: &[TaskState], excused: bool| {
        let excuses = |place: usize| excused && layout.task(place).allow_failure;
        ends.iter().enumerate().any(|(place, end)| states.contains(end) && !excuses(place))
    };
    if cancelled {
        RunState::Cancelled
    } else if late {
        RunState::TimedOut
    } else if any(&[TaskState::Failed, TaskState::TimedOut, TaskState::Cancelled], true) {
        RunState::Failed
    } else if any(&[TaskState::Errored, TaskState::Lost], false) {
        RunState::Errored
    } else {
        RunState::Succeeded
    }
}

/// What a condition means.
pub(super) fn holds(condition: Condition, end: TaskState) -> bool {
    let broke = [TaskState::Failed, TaskState::Errored, TaskState::Lost, TaskState::TimedOut].contains(&end);
    match condition {
        Condition::Successful => end == TaskState::Succeeded,
        Condition::Failure => broke,
        Condition::Any => broke || end == TaskState::Succeeded,
        Condition::Always => true,
    }
}

/// Whether a task asks to be tried again after such an end. Codes narrow a failure down to them.
pub(super) fn tried_again(task: &ModelTask, state: TaskState, outcome: Outcome) -> bool {
    let narrowed = state == TaskState::Failed && task.only_busy && outcome != Outcome::Busy;
    task.on.contains(&state) && !narrowed
}

/// How a task ends whose attempt ended like this, and that was to be ended because of that.
pub(super) fn end(outcome: Outcome, why: Option<Why>) -> TaskState {
    match (outcome, why) {
        (Outcome::Lost, _) => TaskState::Lost,
        (_, Some(Why::Cancel)) | (Outcome::ChildCancelled, None) => TaskState::Cancelled,
        (_, Some(Why::Deadline | Why::RunDeadline)) | (Outcome::ChildTimedOut, None) => TaskState::TimedOut,
        (Outcome::Zero | Outcome::Approved, None) => TaskState::Succeeded,
        (Outcome::CannotStart | Outcome::NeverRan | Outcome::ChildErrored, None) => TaskState::Errored,
        (Outcome::Other | Outcome::Busy | Outcome::Signal | Outcome::Memory, None)
        | (Outcome::NotKept | Outcome::Rejected, None) => TaskState::Failed,
    }
}
