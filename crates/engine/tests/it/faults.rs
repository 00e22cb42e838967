//! Faults of the storage and of the scheduler.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use gofer_backend::{BackendError, BackendInfo, Clock, ErrorKind, Owner, Result};
use gofer_engine::EngineError;
use gofer_scheduler::fake::FakeScheduler;
use gofer_scheduler::{
    Capabilities, LogCursor, LogStream, Scheduler, Started, TaskExit, TaskSpec, TaskStatus, TaskSummary,
};
use gofer_storage::fake::{Fault, FaultPlan, Operation};
use gofer_types::{AttemptId, Cause, Condition, RunState, Span, TaskState};

use crate::support::*;

/// A scheduler that cannot be reached for some calls.
#[derive(Debug)]
struct Flaky {
    inner: FakeScheduler,
    /// How many calls of each kind still fail: start before its effect, start behind it, wait, logs, stop, remove, list.
    failures: [AtomicU32; 7],
    starts: AtomicU32,
    /// The end that every attempt is said to have had.
    ended: Option<TaskExit>,
    /// Whether output never comes to an end.
    silent: bool,
}

impl Flaky {
    fn new(world: &World, failures: [u32; 7]) -> Arc<Self> {
        Arc::new(Self::with_end(world, failures, None))
    }

    fn with_end(world: &World, failures: [u32; 7], ended: Option<TaskExit>) -> Self {
        let inner = world.backend.connect(&Owner("test".to_owned()));
        Self {
            inner,
            failures: failures.map(AtomicU32::new),
            starts: AtomicU32::new(0),
            ended,
            silent: false,
        }
    }

    fn fail(&self, which: usize) -> Result<()> {
        let left =
            self.failures[which].fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_ok() { Err(BackendError::new(ErrorKind::Unavailable, "not reachable")) } else { Ok(()) }
    }
}

#[async_trait]
impl Scheduler for Flaky {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }

    async fn start(&self, id: &AttemptId, spec: &TaskSpec) -> Result<Started> {
        self.starts.fetch_add(1, Ordering::SeqCst);
        self.fail(0)?;
        let started = self.inner.start(id, spec).await?;
        self.fail(1)?;
        Ok(started)
    }

    async fn inspect(&self, id: &AttemptId) -> Result<TaskStatus> {
        match &self.ended {
            Some(exit) => Ok(TaskStatus::Ended(exit.clone())),
            None => self.inner.inspect(id).await,
        }
    }

    async fn wait(&self, id: &AttemptId) -> Result<TaskExit> {
        self.fail(2)?;
        if let Some(exit) = &self.ended {
            return Ok(exit.clone());
        }
        self.inner.wait(id).await
    }

    async fn logs(&self, id: &AttemptId, from: LogCursor) -> Result<LogStream> {
        self.fail(3)?;
        let output = self.inner.logs(id, from).await?;
        Ok(if self.silent { output.chain(futures_util::stream::pending()).boxed() } else { output })
    }

    async fn stop(&self, id: &AttemptId, grace: Duration) -> Result<()> {
        self.fail(4)?;
        self.inner.stop(id, grace).await
    }

    async fn remove(&self, id: &AttemptId) -> Result<()> {
        self.fail(5)?;
        self.inner.remove(id).await
    }

    async fn list(&self) -> Result<Vec<TaskSummary>> {
        self.fail(6)?;
        self.inner.list().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_outcome_is_unknown_is_looked_up_and_never_made_twice() {
    for script in
        ["witness=w,ambiguous_start", "witness=w,start_error_once=unavailable", "witness=w,start_delay=2s"]
    {
        let world = World::new();
        let engine = world.open().await;
        let pipeline = register(&engine, pipeline("p", vec![task("t", script, &[])])).await;
        let run = start(&engine, &pipeline).await;
        assert_eq!(end(&engine, &run).await.state, RunState::Succeeded, "{script}");
        assert_eq!(world.backend.witnesses("w"), 1, "INV-15, INV-21: {script}");
        assert_eq!(state_of(&engine, &run, "t").await.attempts.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_took_effect_unseen_is_found_without_asking_again() {
    let world = World::new();
    let flaky = Flaky::new(&world, [0, 1, 0, 0, 0, 0, 0]);
    let engine = world.open_on(FaultPlan::none(), Arc::clone(&flaky) as Arc<dyn Scheduler>).await.unwrap();
    let pipeline = register(&engine, pipeline("p", vec![task("t", "witness=w", &[])])).await;
    let run = start(&engine, &pipeline).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    assert_eq!((flaky.starts.load(Ordering::SeqCst), world.backend.witnesses("w")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_scheduler_that_is_away_for_a_while_costs_time_and_nothing_else() {
    let world = World::new();
    let flaky = Flaky::new(&world, [6, 3, 6, 6, 6, 6, 1]);
    let engine = world.open_on(FaultPlan::none(), flaky).await.unwrap();
    let tasks =
        vec![task("a", "witness=w,count=5,exit=4", &[]), task("b", "witness=w", &[("a", Condition::Any)])];
    let pipeline = register(&engine, pipeline("p", tasks)).await;
    let run = start(&engine, &pipeline).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Failed);
    assert_eq!(world.backend.witnesses("w"), 2);
    assert_eq!(output(&engine, &run, true).await.len(), 5);
    world.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_wish_reaches_a_scheduler_that_is_away_for_a_while() {
    let world = World::new();
    let engine = world.open_on(FaultPlan::none(), Flaky::new(&world, [0, 0, 0, 0, 8, 0, 0])).await.unwrap();
    let pipeline = register(&engine, pipeline("p", vec![task("t", "hang", &[])])).await;
    let run = start(&engine, &pipeline).await;
    until(&engine, &run, "t", TaskState::Running).await;
    engine.cancel_run(&ada(), &run, String::new(), false).await.unwrap();
    assert_eq!(end(&engine, &run).await.state, RunState::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_never_could_be_started_ends_at_its_deadline() {
    let world = World::new();
    let engine =
        world.open_on(FaultPlan::none(), Flaky::new(&world, [u32::MAX, 0, 0, 0, 0, 0, 0])).await.unwrap();
    let mut late = task("t", "witness=w", &[]);
    late.timeout = Some(Span::from_secs(60));
    let pipeline = register(&engine, pipeline("p", vec![late])).await;
    let run = start(&engine, &pipeline).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Failed);
    let task = state_of(&engine, &run, "t").await;
    assert_eq!((task.state, task.started), (TaskState::TimedOut, None));
    assert_eq!(world.backend.witnesses("w"), 0);
    assert_eq!(engine.status(false).await.unwrap().running_tasks, 0);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_while_the_start_is_on_its_way_leaves_nothing_behind() {
    for script in ["start_delay=30s,hang", "start_error=unavailable", "ambiguous_start,hang"] {
        let world = World::new();
        let engine = world.open().await;
        let pipeline = register(&engine, pipeline("p", vec![task("t", script, &[])])).await;
        let run = start(&engine, &pipeline).await;
        engine.cancel_run(&ada(), &run, String::new(), false).await.unwrap();
        assert_eq!(end(&engine, &run).await.state, RunState::Cancelled, "{script}");
        assert_eq!(state_of(&engine, &run, "t").await.state, TaskState::Cancelled);
        world.empty().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_sync_stops_the_engine_and_nothing_is_acknowledged_any_more() {
    let world = World::new();
    let plan = FaultPlan::none();
    let engine = world.open_with(plan.clone()).await.unwrap();
    let pipeline = register(&engine, pipeline("p", vec![task("t", "gate=go", &[])])).await;
    let first = start(&engine, &pipeline).await;
    until(&engine, &first, "t", TaskState::Running).await;
    plan.next(Operation::Sync, Fault::Error(ErrorKind::Unavailable));
    let refused = engine.start_run(&ada(), wish(&pipeline)).await.unwrap_err();
    assert!(matches!(refused, EngineError::Failed { .. }), "INV-70: {refused:?}");
    assert!(engine.failed().await.contains("storage"));
    let refused = engine.start_run(&ada(), wish(&pipeline)).await.unwrap_err();
    assert!(matches!(refused, EngineError::Failed { .. }));
    world.crash(engine).await;
    let engine = world.open().await;
    world.backend.open_gate("go");
    assert_eq!(end(&engine, &first).await.state, RunState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_starts_and_loses_nothing_of_what_runs() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "witness=w,gate=go", &[])])).await;
    let first = start(&engine, &pipeline).await;
    until(&engine, &first, "t", TaskState::Running).await;
    world.disk.set_capacity(Some(0));
    let refused = engine.start_run(&ada(), wish(&pipeline)).await.unwrap_err();
    let EngineError::Storage(error) = refused else { panic!("{refused:?}") };
    assert_eq!(error.kind(), ErrorKind::Exhausted, "INV-71");
    world.backend.open_gate("go");
    // sleeps: virtual time: long enough that the end would be recorded if it could
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(engine.get_run(&first).await.unwrap().state, RunState::Running);
    world.disk.set_capacity(None);
    assert_eq!(end(&engine, &first).await.state, RunState::Succeeded, "INV-71: nothing is lost");
    let second = start(&engine, &pipeline).await;
    assert!(second.run.0 > first.run.0);
    assert_eq!(end(&engine, &second).await.state, RunState::Succeeded);
    assert_eq!(world.backend.witnesses("w"), 2);
    let status = engine.status(false).await.unwrap();
    assert_eq!((status.running_tasks, status.running_runs, status.queued_runs), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_be_recorded_is_set_aside_and_no_other_run_suffers() {
    let mut world = World::new();
    world.options.queue.server.running_tasks = 1;
    let plan = FaultPlan::none();
    let engine = world.open_with(plan.clone()).await.unwrap();
    let tasks = vec![task("t", "witness=w,hang", &[]), task("u", "exit=0", &[("t", Condition::Always)])];
    let bad = start(&engine, &register(&engine, pipeline("bad", tasks)).await).await;
    until(&engine, &bad, "t", TaskState::Running).await;
    let good =
        start(&engine, &register(&engine, pipeline("good", vec![task("t", "exit=0", &[])])).await).await;
    until(&engine, &good, "t", TaskState::Pending).await;
    let (watching, cancelled) = tokio::join!(watch(&engine, &bad), async {
        tokio::task::yield_now().await;
        plan.next(Operation::Commit, Fault::Error(ErrorKind::InvalidInput));
        engine.cancel_run(&ada(), &bad, String::new(), true).await
    });
    for told in [watching.map(drop), cancelled.map(drop)] {
        assert!(matches!(&told, Err(EngineError::Quarantined { run, .. }) if *run == bad), "{told:?}");
    }
    assert_eq!(end(&engine, &good).await.state, RunState::Succeeded, "its slot is free");
    gofer_testkit::wait_for("its task to be killed", || async {
        if world.backend.is_alive("t") { Err("it lives") } else { Ok(()) }
    })
    .await;
    let status = engine.status(false).await.unwrap();
    assert_eq!((status.running_tasks, status.running_runs, status.queued_runs), (0, 0, 0));
    world.crash(engine).await;
    let engine = world.open().await;
    assert_eq!(end(&engine, &bad).await.state, RunState::Failed, "the next start tries again");
    assert_eq!(state_of(&engine, &bad, "t").await.cause, Cause::Signal(9));
    assert_eq!(world.backend.witnesses("w"), 1);
}

/// Behind a restart its tasks are not followed yet, and the disk may be full when it is to be said: what runs is killed all the same,
/// and nobody else suffers. Once it can go on it is a run like others.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_set_aside_at_the_start_is_killed_and_taken_back_later() {
    let mut world = World::new();
    world.options.retention.runs.runs = 1;
    let mut engine = world.open().await;
    let tasks = vec![
        task("a", "hang", &[]),
        task("b", "gate=go", &[]),
        task("c", "exit=0", &[("b", Condition::Any)]),
    ];
    let id = register(&engine, pipeline("p", tasks)).await;
    let run = start(&engine, &id).await;
    until(&engine, &run, "b", TaskState::Running).await;
    world.crash(engine).await;
    // its end is found at the next start, and cannot be recorded
    world.backend.open_gate("go");
    gofer_testkit::wait_for("the end of `b`", || async {
        if world.backend.is_alive("b") { Err("it lives") } else { Ok(()) }
    })
    .await;
    // the first two commits are those of the start itself: the ownership, and the event that tells of it
    let plan = FaultPlan::none().on(Operation::Commit, 3, Fault::Error(ErrorKind::InvalidInput));
    let plan = plan.on(Operation::Commit, 4, Fault::Error(ErrorKind::Exhausted));
    engine = world.open_with(plan).await.unwrap();
    gofer_testkit::wait_for("`a` to be killed", || async {
        if world.backend.is_alive("a") { Err("it lives") } else { Ok(()) }
    })
    .await;
    gofer_testkit::wait_for("it to be set aside", || async {
        match engine.cancel_run(&ada(), &run, String::new(), false).await {
            Err(EngineError::Quarantined { .. }) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    for _ in 0..3 {
        let other = start(&engine, &id).await;
        engine.cancel_run(&ada(), &other, String::new(), true).await.unwrap();
        end(&engine, &other).await;
    }
    world.crash(engine).await;
    let engine = world.open().await;
    // it ends, and goes by the bounds as all do, although those before it had gone
    gofer_testkit::wait_for("it to be deleted", || async {
        match engine.get_run(&run).await {
            Err(EngineError::RunNotFound { .. }) => Ok(()),
            found => Err(format!("{found:?}")),
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_parent_whose_part_is_set_aside_does_not_wait_for_it() {
    let world = World::new();
    let plan = FaultPlan::none();
    let engine = world.open_with(plan.clone()).await.unwrap();
    let part = register(&engine, pipeline("part", vec![task("t", "hang", &[])])).await;
    let child = gofer_types::pipeline::SubPipeline {
        id: part.pipeline.clone(),
        namespace: None,
        version: None,
        variables: Default::default(),
    };
    let whole = gofer_types::Task::new(task_id("part"), gofer_types::pipeline::Action::Pipeline(child));
    let run = start(&engine, &register(&engine, pipeline("whole", vec![whole])).await).await;
    let of_part = part.run(gofer_types::RunNumber(1));
    gofer_testkit::wait_for("the part to run", || async {
        let state = engine.get_run(&of_part).await.map(|run| run.state);
        if matches!(state, Ok(RunState::Running)) { Ok(()) } else { Err(format!("{state:?}")) }
    })
    .await;
    until(&engine, &of_part, "t", TaskState::Running).await;
    until(&engine, &run, "part", TaskState::Running).await;
    plan.next(Operation::Commit, Fault::Error(ErrorKind::InvalidInput));
    let refused = engine.cancel_run(&ada(), &of_part, String::new(), true).await;
    assert!(matches!(refused, Err(EngineError::Quarantined { .. })), "{refused:?}");
    assert_eq!(end(&engine, &run).await.state, RunState::Errored);
    assert_eq!(state_of(&engine, &run, "part").await.state, TaskState::Lost);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_did_not_fit_gives_its_places_back() {
    let mut world = World::new();
    (world.options.queue.server.running_tasks, world.options.queue.server.running_runs) = (1, 1);
    let engine = world.open().await;
    let pipeline =
        register(&engine, pipeline("p", vec![task("t", "exit=0", &[]), task("u", "exit=0", &[])])).await;
    world.disk.set_capacity(Some(0));
    for _ in 0..3 {
        engine.start_run(&ada(), wish(&pipeline)).await.unwrap_err();
    }
    world.disk.set_capacity(None);
    let run = start(&engine, &pipeline).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn one_sync_stands_between_the_request_and_the_first_process() {
    let world = World::new();
    let plan = FaultPlan::none();
    let engine = world.open_with(plan.clone()).await.unwrap();
    let pipeline = register(&engine, pipeline("p", vec![task("t", "witness=w,gate=go", &[])])).await;
    let before = plan.calls(Operation::Sync);
    let run = start(&engine, &pipeline).await;
    gofer_testkit::wait_for("the process", || async {
        if world.backend.witnesses("w") == 1 { Ok(()) } else { Err("not yet") }
    })
    .await;
    let syncs = plan.calls(Operation::Sync) - before;
    assert!((1..=2).contains(&syncs), "the second is the news that it runs: {syncs}");
    world.backend.open_gate("go");
    end(&engine, &run).await;
}

#[tokio::test(start_paused = true)]
async fn three_short_tasks_in_sequence_cost_four_syncs() {
    let world = World::new();
    let plan = FaultPlan::none();
    let engine = world.open_with(plan.clone()).await.unwrap();
    let tasks = vec![
        task("a", "run=1ms", &[]),
        task("b", "run=1ms", &[("a", Condition::Successful)]),
        task("c", "run=1ms", &[("b", Condition::Successful)]),
    ];
    let pipeline = register(&engine, pipeline("p", tasks)).await;
    for _ in 0..3 {
        world.empty().await;
        let before = plan.calls(Operation::Sync);
        let run = start(&engine, &pipeline).await;
        end(&engine, &run).await;
        // the start, two ends with the next starts, the last end; what is put away goes along with others
        let syncs = plan.calls(Operation::Sync) - before;
        assert_eq!(syncs, 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_and_an_exit_at_the_same_time_have_one_winner() {
    for delay in 0..12_u64 {
        let world = World::new();
        let engine = world.open().await;
        let pipeline = register(&engine, pipeline("p", vec![task("t", "run=5ms,exit=3", &[])])).await;
        let run = start(&engine, &pipeline).await;
        // sleeps: virtual time: each delay is another interleaving
        tokio::time::sleep(Duration::from_millis(delay)).await;
        let (_, ended) = engine.cancel_run(&ada(), &run, "race".to_owned(), delay % 2 == 0).await.unwrap();
        let record = end(&engine, &run).await;
        let task = state_of(&engine, &run, "t").await;
        if ended || record.cancel.is_none() {
            assert_eq!((record.state, task.exit_code), (RunState::Failed, Some(3)), "INV-36");
        } else {
            assert_eq!(record.state, RunState::Cancelled, "INV-35");
            assert!(matches!(task.cause, Cause::Cancelled(_) | Cause::ExitCode(3)), "{task:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_recovery_begins_is_started_once() {
    let world = World::new();
    let engine = world.open().await;
    let tasks =
        vec![task("a", "run=5s", &[]), task("b", "witness=b,gate=go", &[("a", Condition::Successful)])];
    let pipeline = register(&engine, pipeline("p", tasks)).await;
    let run = start(&engine, &pipeline).await;
    until(&engine, &run, "a", TaskState::Running).await;
    world.crash(engine).await;
    // sleeps: virtual time: the first task ends while there is no server
    tokio::time::sleep(Duration::from_secs(10)).await;
    let flaky = Flaky::new(&world, [0; 7]);
    let engine = world.open_on(FaultPlan::none(), Arc::clone(&flaky) as Arc<dyn Scheduler>).await.unwrap();
    until(&engine, &run, "b", TaskState::Running).await;
    assert_eq!(flaky.starts.load(Ordering::SeqCst), 1, "one follower asks for one start");
    engine.cancel_run(&ada(), &run, String::new(), false).await.unwrap();
    assert_eq!(end(&engine, &run).await.state, RunState::Cancelled);
    assert_eq!(world.backend.witnesses("b"), 1);
    world.empty().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_stopped_is_not_started_by_the_next_server() {
    let world = World::new();
    // neither the start nor the stop is answered: the wish is recorded, and nothing came of it yet
    let away = Flaky::new(&world, [u32::MAX, 0, 0, 0, u32::MAX, 0, 0]);
    let engine = world.open_on(FaultPlan::none(), away).await.unwrap();
    let pipeline = register(&engine, pipeline("p", vec![task("t", "witness=w", &[])])).await;
    let run = start(&engine, &pipeline).await;
    engine.cancel_run(&ada(), &run, String::new(), false).await.unwrap();
    assert_eq!(engine.get_run(&run).await.unwrap().state, RunState::Running);
    world.crash(engine).await;
    let flaky = Flaky::new(&world, [0; 7]);
    let engine = world.open_on(FaultPlan::none(), Arc::clone(&flaky) as Arc<dyn Scheduler>).await.unwrap();
    assert_eq!(end(&engine, &run).await.state, RunState::Cancelled);
    assert_eq!((flaky.starts.load(Ordering::SeqCst), world.backend.witnesses("w")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_never_ran_is_not_told_as_running() {
    let world = World::new();
    let exit = TaskExit { cause: Cause::CannotStart("no such program".to_owned()), at: None };
    let refusing = Flaky::with_end(&world, [u32::MAX, 0, 0, 0, 0, 0, 0], Some(exit));
    let engine = world.open_on(FaultPlan::none(), Arc::new(refusing)).await.unwrap();
    let pipeline = register(&engine, pipeline("p", vec![task("t", "exit=0", &[])])).await;
    let run = start(&engine, &pipeline).await;
    let updates = watch(&engine, &run).await.unwrap();
    let seen = updates.iter().flat_map(|update| &update.tasks);
    assert!(seen.clone().all(|task| task.state != TaskState::Running), "{updates:?}");
    let task = state_of(&engine, &run, "t").await;
    assert_eq!((task.state, task.started), (TaskState::Errored, None));
    let (_, attempts) = engine.get_task_run(&run.task(task_id("t"))).await.unwrap();
    assert_eq!(attempts[0].started, None);
}

#[tokio::test(start_paused = true)]
async fn output_that_vanished_before_anything_was_stored_is_told_as_a_gap() {
    let world = World::new();
    // the output is asked for only after the task has vanished
    let engine = world.open_on(FaultPlan::none(), Flaky::new(&world, [0, 0, 0, 14, 0, 0, 0])).await.unwrap();
    let tasks = vec![task("t", "print=x,run=1s,vanish", &[]), task("u", "run=1s", &[])];
    let pipeline = register(&engine, pipeline("p", tasks)).await;
    let run = start(&engine, &pipeline).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Errored);
    assert_eq!(state_of(&engine, &run, "t").await.state, TaskState::Lost);
    assert_eq!(output(&engine, &run, true).await, ["t: gap of None"]);
}

#[tokio::test(start_paused = true)]
async fn output_of_an_ended_task_is_fetched_when_its_scheduler_is_there_again() {
    for (patience, told) in [(600, ["t: x"]), (60, ["t: gap of None"])] {
        let mut world = World::new();
        world.options.collect_timeout = Span::from_secs(patience);
        // away for about five minutes
        let engine =
            world.open_on(FaultPlan::none(), Flaky::new(&world, [0, 0, 0, 25, 0, 0, 0])).await.unwrap();
        let pipeline = register(&engine, pipeline("p", vec![task("t", "print=x", &[])])).await;
        let run = start(&engine, &pipeline).await;
        assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
        assert_eq!(output(&engine, &run, true).await, told);
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_record_names_is_looked_for_again_until_it_is_gone() {
    // young at the first look; then the list, the stop and the removal fail
    for failures in [[0; 7], [0, 0, 0, 0, 0, 0, 2], [0, 0, 0, 0, 0, 2, 0], [0, 0, 0, 0, 3, 2, 2]] {
        let world = World::new();
        let engine = world.open_on(FaultPlan::none(), Flaky::new(&world, failures)).await.unwrap();
        world.clock.sleep_until(world.clock.monotonic() + Duration::from_secs(1)).await;
        world.stray("test").await;
        let begun = world.clock.monotonic();
        gofer_testkit::wait_for("the stray to be gone", async || match world.strays("test").await {
            0 => Ok(()),
            left => Err(left),
        })
        .await;
        assert!(world.clock.monotonic() - begun < Duration::from_secs(8 * 600), "{failures:?}");
        drop(engine);
    }
}

#[tokio::test(start_paused = true)]
async fn output_that_never_ends_is_given_up_some_time_after_its_task_ended() {
    let world = World::new();
    let silent = Flaky { silent: true, ..Flaky::with_end(&world, [0; 7], None) };
    let engine = world.open_on(FaultPlan::none(), Arc::new(silent)).await.unwrap();
    // it runs for longer than output may be silent after the end
    let pipeline = register(&engine, pipeline("p", vec![task("t", "print=x,run=1h,print=y", &[])])).await;
    let run = start(&engine, &pipeline).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    assert_eq!(output(&engine, &run, true).await, ["t: x", "t: y", "t: gap of None"]);
    world.empty().await;
}
