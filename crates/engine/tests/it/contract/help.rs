//! What the contract's tests share: ends on demand, whole lives in one call, and the event log of a run.

use std::time::Duration;

use futures_util::StreamExt;
use gofer_backend::Clock;
use gofer_engine::{Caller, Engine, EventFilter, EventRange, Page};
use gofer_types::pipeline::Retry;
use gofer_types::{
    Actor, AttemptRecord, Cause, Condition, Event, EventKind, Pipeline, RunRecord, RunRef, Span, Task,
    TaskState,
};

use crate::support::*;

/// Somebody else than who starts.
pub fn bob() -> Caller {
    Caller { actor: Actor::User("bob".to_owned()) }
}

/// A task `t` that comes to this end, and what it needs for that. To be `cancelled` it needs somebody who cancels.
pub fn ending(state: TaskState) -> Vec<Task> {
    let (script, parents): (&str, &[(&str, Condition)]) = match state {
        TaskState::Succeeded => ("exit=0", &[]),
        TaskState::Failed => ("exit=1", &[]),
        TaskState::Errored => ("no_program", &[]),
        TaskState::Lost => ("lost=gone", &[]),
        TaskState::TimedOut | TaskState::Cancelled => ("hang", &[]),
        TaskState::Skipped => ("exit=0", &[("first", Condition::Failure)]),
        other => panic!("{other} is no end"),
    };
    let mut end = task("t", script, parents);
    end.timeout = (state == TaskState::TimedOut).then(|| Span::from_secs(60));
    let first = (state == TaskState::Skipped).then(|| task("first", "exit=0", &[]));
    first.into_iter().chain([end]).collect()
}

/// Runs a task `t` to this end, and other tasks with it; `bob` cancels the run where that is the end.
pub async fn run_ending(engine: &Engine, state: TaskState, more: Vec<Task>) -> RunRecord {
    let tasks = ending(state).into_iter().chain(more).collect();
    let run = start(engine, &register(engine, pipeline("p", tasks)).await).await;
    if state == TaskState::Cancelled {
        until(engine, &run, "t", TaskState::Running).await;
        engine.cancel_run(&bob(), &run, "enough".to_owned(), false).await.unwrap();
    }
    end(engine, &run).await
}

/// Runs a pipeline to its end in a world of its own.
pub async fn live(config: Pipeline) -> (World, Engine, RunRecord) {
    let world = World::new();
    let engine = world.open().await;
    let run = start(&engine, &register(&engine, config).await).await;
    let record = end(&engine, &run).await;
    (world, engine, record)
}

/// Everything that the event log tells of a run, in its order.
pub async fn told(engine: &Engine, run: &RunRef) -> Vec<Event> {
    let filter = EventFilter {
        pipeline: Some(run.pipeline.pipeline.clone()),
        run: Some(run.run),
        ..EventFilter::default()
    };
    let all = Page { size: 1000, token: None };
    engine.list_events(filter, EventRange::default(), all).await.unwrap().items
}

/// The states of a task as the event log tells them, each once in a row.
pub async fn path(engine: &Engine, run: &RunRef, name: &str) -> Vec<TaskState> {
    let state = |event: Event| match event.kind {
        EventKind::Task { task, state, .. } if task.task.as_str() == name => Some(state),
        _ => None,
    };
    let mut states: Vec<TaskState> = told(engine, run).await.into_iter().filter_map(state).collect();
    states.dedup();
    states
}

pub async fn attempts(engine: &Engine, run: &RunRef, name: &str) -> Vec<AttemptRecord> {
    engine.get_task_run(&run.task(task_id(name))).await.unwrap().1
}

/// A rule with waits of ten seconds.
pub fn retry(attempts: u32, on: &[&str]) -> Retry {
    Retry {
        attempts,
        backoff: Span::from_secs(10),
        factor: 1.0,
        max_backoff: Span::from_secs(300),
        on: on.iter().map(|word| (*word).to_owned()).collect(),
        exit_codes: Vec::new(),
    }
}

/// The same task, tried again by this rule.
pub fn retried(mut task: Task, retry: Retry) -> Task {
    task.retry = Some(retry);
    task
}

/// The same task with a time limit in seconds.
pub fn limited(mut task: Task, seconds: u64) -> Task {
    task.timeout = Some(Span::from_secs(seconds));
    task
}

/// Lets virtual time pass.
pub async fn pass(world: &World, seconds: u64) {
    world.clock.sleep_until(world.clock.monotonic() + Duration::from_secs(seconds)).await;
}

/// Waits until a task run is as wanted, for the first time or still.
pub async fn until_task(engine: &Engine, run: &RunRef, name: &str, is: impl Fn(TaskState, &Cause) -> bool) {
    let mut updates = engine.watch_run(run).await.unwrap();
    while let Some(update) = updates.next().await {
        if update
            .unwrap()
            .tasks
            .iter()
            .any(|task| task.id.task.as_str() == name && is(task.state, &task.cause))
        {
            return;
        }
    }
    panic!("{name} never was like that");
}

/// Waits until a task run waits for its next attempt.
pub async fn until_resting(engine: &Engine, run: &RunRef, name: &str) {
    until_task(engine, run, name, |_, cause| matches!(cause, Cause::WaitingForRetry { .. })).await;
}
