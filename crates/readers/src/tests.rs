//! What a watcher is told never goes back.

use gofer_types::{
    Actor, AttemptId, Cause, Event, EventKind, Namespace, PipelineId, PipelineRef, RunNumber, RunRecord,
    RunRef, RunState, TaskId, TaskRef, TaskRunRecord, TaskState, Timestamp, VersionNumber,
};

use super::Seen;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn run_id() -> RunRef {
    let pipeline = PipelineId::new("app").unwrap();
    PipelineRef { namespace: Namespace::default_name(), pipeline }.run(RunNumber(1))
}

fn task_id() -> TaskRef {
    run_id().task(TaskId::new("build").unwrap())
}

fn run(state: RunState) -> RunRecord {
    RunRecord { state, ..RunRecord::new(run_id(), at(0)) }
}

fn task(state: TaskState) -> TaskRunRecord {
    TaskRunRecord {
        id: task_id(),
        state,
        cause: Cause::Completed,
        attempts: Vec::new(),
        changed: at(0),
        started: None,
        ended: None,
        exit_code: None,
        fan_out: None,
        due: None,
    }
}

fn event(second: i64, kind: EventKind) -> Event {
    Event { seq: 1, at: at(second), actor: Actor::System, kind }
}

fn task_event(second: i64, state: TaskState, attempt: Option<u128>) -> Event {
    let attempt = attempt.map(AttemptId::from_u128);
    event(
        second,
        EventKind::Task { task: task_id(), state, cause: Cause::UnderWay, attempt, exit_code: None },
    )
}

fn run_event(second: i64, state: RunState) -> Event {
    event(second, EventKind::Run { run: run_id(), version: VersionNumber(1), state, cause: Cause::Completed })
}

#[test]
fn a_task_goes_on_with_the_events_and_an_older_one_tells_nothing() {
    let mut seen = Seen::new(run(RunState::Running), &[task(TaskState::Waiting)]);
    let running = seen.task(&task_event(1, TaskState::Running, Some(1))).unwrap().clone();
    assert_eq!((running.started, running.attempts.len()), (Some(at(1)), 1));
    assert!(seen.task(&task_event(1, TaskState::Pending, Some(1))).is_none());
    // the next attempt waits, which is further than the first that runs
    assert_eq!(seen.task(&task_event(2, TaskState::Pending, Some(2))).unwrap().attempts.len(), 2);
    assert_eq!(seen.task(&task_event(3, TaskState::Failed, Some(2))).unwrap().ended, Some(at(3)));
    assert!(seen.task(&task_event(4, TaskState::Running, Some(2))).is_none());
}

#[test]
fn an_event_of_a_task_that_is_not_one_of_the_run_tells_nothing() {
    let mut seen = Seen::new(run(RunState::Running), &[]);
    assert!(seen.task(&task_event(1, TaskState::Running, Some(1))).is_none());
}

#[test]
fn a_run_is_shown_as_the_event_tells_although_its_record_is_ahead() {
    let mut seen = Seen::new(run(RunState::Queued), &[]);
    let told = seen.run(&run_event(1, RunState::Running)).unwrap();
    let ahead = RunRecord { ended: Some(at(9)), ..run(RunState::Failed) };
    let shown = seen.take_run(ahead.clone(), told, at(1));
    assert_eq!((shown.state, shown.ended, seen.is_over()), (RunState::Running, None, false));
    assert!(seen.run(&run_event(1, RunState::Queued)).is_none());
    let told = seen.run(&run_event(2, RunState::Failed)).unwrap();
    let shown = seen.take_run(ahead, told, at(2));
    assert_eq!((shown.state, shown.ended, seen.is_over()), (RunState::Failed, Some(at(2)), true));
    assert!(seen.run(&run_event(3, RunState::Failed)).is_none());
}

#[test]
fn a_wish_to_cancel_is_told_in_the_state_that_is_known() {
    let seen = Seen::new(run(RunState::Running), &[]);
    let wish = event(1, EventKind::CancelRequested { run: run_id(), reason: String::new() });
    assert_eq!(seen.run(&wish).map(|told| told.0), Some(RunState::Running));
}
