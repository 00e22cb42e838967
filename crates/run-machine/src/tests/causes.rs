//! The causes that the model knows, and the words of the facts that bring them.

use std::collections::BTreeMap;
use std::time::Duration;

use gofer_types::record::{Answer, CancelRequest};
use gofer_types::{Actor, Cause, RunNumber, RunRef, RunState, TaskId, TaskState, Timestamp};

use super::graphs::{BUSY, TIMEOUT};
use super::model::{Because, Model, Outcome, Place, Why};
use super::records::Records;
use super::rules::holds;

pub(super) const LIMIT: &str = "the limit";
pub(super) const RUN_LIMIT: Duration = Duration::from_secs(9);
const REASON: &str = "enough";
const NOT_STARTED: &str = "it was stopped before it was started";

pub(super) fn request(force: bool) -> CancelRequest {
    let (actor, reason) = (Actor::User("me".to_owned()), REASON.to_owned());
    CancelRequest { actor, reason, at: Timestamp::default(), force }
}

fn answer() -> Box<Answer> {
    Box::new(Answer { actor: Actor::User("ana".to_owned()), note: String::new(), fields: BTreeMap::new() })
}

fn child(run: &RunRef, state: RunState) -> Cause {
    Cause::ChildRun { run: run.clone(), state }
}

/// What a scheduler says about an attempt that ended like this.
pub(super) fn of_outcome(outcome: Outcome, run: &RunRef) -> Cause {
    match outcome {
        Outcome::Zero => Cause::ExitCode(0),
        Outcome::Other => Cause::ExitCode(3),
        Outcome::Busy => Cause::ExitCode(BUSY),
        Outcome::Signal => Cause::Signal(9),
        Outcome::Memory => Cause::OutOfMemory,
        Outcome::NotKept => Cause::CannotKeep("too large".to_owned()),
        Outcome::Lost => Cause::Lost("gone".to_owned()),
        Outcome::CannotStart => Cause::CannotStart("no".to_owned()),
        Outcome::NeverRan => Cause::CannotStart(NOT_STARTED.to_owned()),
        Outcome::Approved => Cause::Approved(answer()),
        Outcome::Rejected => Cause::Rejected(answer()),
        Outcome::ChildCancelled => child(run, RunState::Cancelled),
        Outcome::ChildErrored => child(run, RunState::Errored),
        Outcome::ChildTimedOut => child(run, RunState::TimedOut),
    }
}

/// The time limit of the attempts of a place.
pub(super) fn limit(model: &Model, place: usize) -> Duration {
    Duration::from_secs(model.layout.task(place).timeout.unwrap_or(TIMEOUT))
}

fn of_why(model: &Model, place: usize, why: Why) -> Cause {
    match why {
        Why::Cancel => Cause::Cancelled(REASON.to_owned()),
        Why::Deadline => Cause::Deadline(limit(model, place)),
        Why::RunDeadline => Cause::RunDeadline(RUN_LIMIT),
    }
}

/// Looks at the cause of a place in the records.
pub(super) fn check_task(model: &Model, place: usize, records: &Records) {
    let Some(record) = records.get(place) else { return };
    let expected = match model.places[place] {
        Place::Waiting => return,
        Place::Ready => Cause::WaitingForSlot(LIMIT.to_owned()),
        Place::Asked(Some(why)) | Place::Running(Some(why)) => of_why(model, place, why),
        Place::Asked(None) if model.fetching[place] => Cause::FetchingImage("alpine:3".to_owned()),
        Place::Asked(None) => Cause::WaitingForScheduler,
        Place::Running(None) => Cause::UnderWay,
        Place::Resting { .. } => {
            let (task, attempt) = (model.layout.task(place), model.attempts[place]);
            Cause::WaitingForRetry {
                attempt: attempt + 1,
                of: task.attempts,
                wait: Duration::from_secs(task.wait(attempt)),
                after: Box::new(of_end(model, place, &records.run.id)),
            }
        }
        Place::Done(_) if model.because[place] == Some(Because::Parents) => {
            return check_parents(model, place, (records, &record.cause));
        }
        Place::Done(_) => of_end(model, place, &records.run.id),
    };
    assert_eq!(record.cause, expected, "the cause of place {place}");
}

fn of_end(model: &Model, place: usize, run: &RunRef) -> Cause {
    match model.because[place] {
        Some(Because::NotChosen) => Cause::NotChosen,
        Some(Because::Reused) => Cause::Reused { run: RunNumber(7), answer: None },
        Some(Because::NotStartable) => Cause::CannotStart("no such image".to_owned()),
        Some(Because::Itself(outcome)) => of_outcome(outcome, run),
        Some(Because::Ours(why)) => of_why(model, place, why),
        Some(Because::Became(0)) => Cause::NothingListed,
        Some(Because::Became(tasks)) => {
            Cause::FannedOut { tasks: u32::try_from(tasks).unwrap(), values: BTreeMap::new() }
        }
        Some(Because::Parents) | None => panic!("place {place} has no cause of its own"),
    }
}

/// A parent that ended so that its condition cannot hold: whichever of them is named.
fn check_parents(model: &Model, place: usize, (records, cause): (&Records, &Cause)) {
    let Cause::ParentState { task, state, wanted } = cause else {
        panic!("place {place} is skipped because of a parent, and not because of {cause:?}");
    };
    let parent = records.ids.iter().position(|id| id == task).unwrap();
    let asked = model.layout.task(place).parents.iter();
    let asked = asked.clone().any(|(at, condition)| *at == model.layout.of[parent] && condition == wanted);
    assert!(asked, "place {place} asks `{wanted}` of {task}");
    assert_eq!(model.places[parent], Place::Done(*state), "the parent {task} of place {place}");
    assert!(!holds(*wanted, *state), "`{wanted}` holds for {state}");
}

/// Looks at the cause of the run in its record.
pub(super) fn check_run(model: &Model, records: &Records) {
    let ended_as =
        |state: TaskState| matches!(state, TaskState::Failed | TaskState::TimedOut | TaskState::Cancelled);
    let named = |is: &dyn Fn(usize, TaskState) -> bool| {
        let places = (0..model.places.len()).filter(|place| is(*place, model.places[*place].state()));
        let ids: Vec<TaskId> = places.take(20).map(|place| records.ids[place].clone()).collect();
        Cause::Tasks(ids)
    };
    let expected = match model.run_state() {
        RunState::Queued if records.run.cause == Cause::WaitingForSlot(LIMIT.to_owned()) => return,
        RunState::Queued => panic!("a run waits for {:?}", records.run.cause),
        RunState::Running if model.late => Cause::RunDeadline(RUN_LIMIT),
        RunState::Running => Cause::UnderWay,
        RunState::Cancelled => Cause::Cancelled(REASON.to_owned()),
        RunState::TimedOut => Cause::RunDeadline(RUN_LIMIT),
        RunState::Failed => named(&|place, state| ended_as(state) && !model.layout.task(place).allow_failure),
        RunState::Errored => named(&|_, state| matches!(state, TaskState::Errored | TaskState::Lost)),
        RunState::Succeeded => Cause::Completed,
    };
    assert_eq!(records.run.cause, expected, "the cause of the run");
}
