//! A crash at every commit, and at every commit of the recovery: the same ends, and nothing is started twice.

use std::collections::BTreeMap;

use gofer_backend::ErrorKind;
use gofer_engine::{Engine, EngineError, EventRange, Page, StartRun};
use gofer_storage::Storage;
use gofer_storage::fake::{Fault, FaultPlan, Operation};
use gofer_types::pipeline::{Axis, Output};
use gofer_types::{Cause, Condition, Pipeline, PipelineRef, RunRef, RunState, Span, TaskState};

use crate::support::*;

/// The names of tasks that leave a mark when they start.
const MARKS: [&str; 5] = ["a", "b", "c", "d", "each"];

fn diamond() -> Pipeline {
    let mut late = task("late", "hang", &[]);
    late.timeout = Some(Span::from_secs(60));
    late.allow_failure = true;
    let mut list = task("list", "file=out:one\ntwo,run=1s", &[("a", Condition::Successful)]);
    list.outputs = BTreeMap::from([("names".to_owned(), Output::File("out".to_owned()))]);
    let mut each =
        task("each", "witness=each,need=out,file=log:x,run=2s", &[("list", Condition::Successful)]);
    each.matrix = BTreeMap::from([("name".to_owned(), Axis::Object("names".to_owned()))]);
    each.inputs = vec!["names".to_owned()];
    each.outputs = BTreeMap::from([("log".to_owned(), Output::Archive(vec!["log".to_owned()]))]);
    let tasks = vec![
        task("a", "witness=a,print=a,run=1s", &[]),
        task("b", "witness=b,print=b,exit=3", &[("a", Condition::Successful)]),
        task("c", "witness=c,count=20,run=2s", &[("a", Condition::Any)]),
        task("skipped", "witness=never", &[("b", Condition::Successful)]),
        task(
            "d",
            "witness=d,ambiguous_start,print=d",
            &[("b", Condition::Failure), ("c", Condition::Successful)],
        ),
        task("refused", "no_program", &[("c", Condition::Successful)]),
        late,
        list,
        each,
    ];
    pipeline("p", tasks)
}

fn keyed(pipeline: &PipelineRef) -> StartRun {
    StartRun { idempotency_key: Some("once".to_owned()), ..wish(pipeline) }
}

/// Goes to the end with this engine, as far as it comes.
async fn attempt(engine: &Engine) -> Result<RunRef, EngineError> {
    let pipeline = pipeline_ref("p");
    let wish = gofer_engine::Registration { pipeline: pipeline.clone(), config: diamond(), expected: None };
    engine.register_pipeline(&ada(), wish).await?;
    let run = engine.start_run(&ada(), keyed(&pipeline)).await?.run.id;
    watch(engine, &run).await?;
    Ok(run)
}

type Ends = (RunState, Vec<(String, TaskState)>, BTreeMap<String, usize>);

async fn ends(world: &World, engine: &Engine, run: &RunRef) -> Ends {
    let state = engine.get_run(run).await.unwrap().state;
    let marks = MARKS.iter().map(|mark| ((*mark).to_owned(), world.backend.witnesses(mark))).collect();
    (state, states(engine, run).await, marks)
}

/// What must hold after everything, whatever happened.
async fn inspect(world: &World, engine: &Engine, run: &RunRef, expected: &Ends) {
    assert_eq!(run.run.0, 1, "INV-23: one start, one run");
    let found = ends(world, engine, run).await;
    assert_eq!(found, *expected, "INV-6, INV-15, INV-22");
    assert_eq!(world.backend.witnesses("never"), 0);
    world.empty().await;
    let status = engine.status(false).await.unwrap();
    assert_eq!((status.running_tasks, status.running_runs), (0, 0), "INV-27");
    for task in tasks(engine, run).await {
        assert!(task.attempts.len() <= 1, "INV-21: never a second id");
    }
    let mut lines = output(engine, run, true).await;
    lines.sort();
    let mut expected: Vec<String> = (1..=20).map(|n| format!("c: {n}")).collect();
    expected.extend(["a: a".to_owned(), "b: b".to_owned(), "d: d".to_owned()]);
    expected.sort();
    assert_eq!(lines, expected, "INV-50, INV-52: every line once");
    let all = Page { size: 1000, token: None };
    let events = engine.list_events(Default::default(), EventRange::default(), all).await.unwrap();
    let seqs: Vec<u64> = events.items.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=status.last_event).collect::<Vec<_>>(), "INV-29: dense");
}

async fn undisturbed() -> (u64, Ends) {
    let world = World::new();
    let plan = FaultPlan::none();
    let engine = world.open_with(plan.clone()).await.unwrap();
    let run = attempt(&engine).await.unwrap();
    let ends = ends(&world, &engine, &run).await;
    inspect(&world, &engine, &run, &ends).await;
    engine.shutdown().await;
    (plan.calls(Operation::Commit), ends)
}

fn fault_at(operation: Operation, nth: u64) -> FaultPlan {
    FaultPlan::none().on(operation, nth, Fault::Error(ErrorKind::Unavailable))
}

/// One life with a crash after the n-th commit, and perhaps one in the recovery, and then one that is left alone.
async fn survive(operation: Operation, nth: u64, again: Option<u64>, expected: &Ends) {
    let world = World::new();
    match world.open_with(fault_at(operation, nth)).await {
        Ok(engine) => {
            let _ = attempt(&engine).await;
            world.crash(engine).await;
        }
        Err(_) => world.disk.cut_power(0),
    }
    if let Some(nth) = again {
        match world.open_with(fault_at(operation, nth)).await {
            Ok(engine) => {
                let _ = attempt(&engine).await;
                world.crash(engine).await;
            }
            Err(_) => world.disk.cut_power(0),
        }
    }
    let engine = world.open().await;
    let run = attempt(&engine).await.unwrap();
    inspect(&world, &engine, &run, expected).await;
    engine.shutdown().await;
}

/// INV-15, 16, 17, 18, 21, 22, 23: the commit is not on disk.
#[tokio::test(start_paused = true)]
async fn a_crash_before_any_commit_changes_nothing_but_time() {
    let (commits, ends) = undisturbed().await;
    assert!(commits > 10);
    for nth in 1..=commits {
        survive(Operation::Commit, nth, None, &ends).await;
    }
}

/// The same, but the commit is on disk and nobody was told: its effects were never performed.
#[tokio::test(start_paused = true)]
async fn a_crash_between_a_commit_and_its_effects_changes_nothing_but_time() {
    let (commits, ends) = undisturbed().await;
    for nth in 1..=commits {
        survive(Operation::Answer, nth, None, &ends).await;
    }
}

/// INV-24: a crash within the recovery.
#[tokio::test(start_paused = true)]
async fn a_crash_within_a_recovery_changes_nothing_but_time() {
    let (commits, ends) = undisturbed().await;
    for nth in (4..=commits).step_by(3) {
        for again in 1..=3 {
            survive(Operation::Answer, nth, Some(again), &ends).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_lived_through_the_crash_is_taken_up_and_not_started_again() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline =
        register(&engine, pipeline("p", vec![task("t", "witness=t,print=x,gate=go,print=y", &[])])).await;
    let run = start(&engine, &pipeline).await;
    until(&engine, &run, "t", TaskState::Running).await;
    let (_, before) = engine.get_task_run(&run.task(task_id("t"))).await.unwrap();
    world.crash(engine).await;
    let engine = world.open().await;
    assert_eq!(engine.status(false).await.unwrap().running_tasks, 1);
    world.backend.open_gate("go");
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    let (_, after) = engine.get_task_run(&run.task(task_id("t"))).await.unwrap();
    assert_eq!(before[0].handle, after[0].handle, "INV-18");
    assert_eq!((after.len(), world.backend.witnesses("t")), (1, 1));
    assert_eq!(output(&engine, &run, true).await, ["t: x", "t: y"]);
}

#[tokio::test(start_paused = true)]
async fn an_end_in_time_is_not_called_late_because_the_server_was_away() {
    let world = World::new();
    let engine = world.open().await;
    let mut quick = task("t", "run=5s", &[]);
    quick.timeout = Some(Span::from_secs(60));
    let pipeline = register(&engine, pipeline("p", vec![quick])).await;
    let run = start(&engine, &pipeline).await;
    until(&engine, &run, "t", TaskState::Running).await;
    world.crash(engine).await;
    // sleeps: virtual time: an hour for which there is no server
    tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
    let engine = world.open().await;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn deadlines_and_wishes_survive_a_crash() {
    let world = World::new();
    let engine = world.open().await;
    let mut late = task("late", "ignore_term,hang", &[]);
    late.timeout = Some(Span::from_secs(60));
    let one = register(&engine, pipeline("one", vec![late])).await;
    let two = register(&engine, pipeline("two", vec![task("t", "ignore_term,hang", &[])])).await;
    let late = start(&engine, &one).await;
    let cancelled = start(&engine, &two).await;
    until(&engine, &late, "late", TaskState::Running).await;
    until(&engine, &cancelled, "t", TaskState::Running).await;
    engine.cancel_run(&ada(), &cancelled, "no".to_owned(), false).await.unwrap();
    world.crash(engine).await;
    let engine = world.open().await;
    assert_eq!(end(&engine, &cancelled).await.state, RunState::Cancelled);
    assert_eq!(end(&engine, &late).await.state, RunState::Failed);
    assert_eq!(state_of(&engine, &late, "late").await.state, TaskState::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn runs_that_waited_keep_their_order_over_a_crash() {
    let world = World::new();
    let engine = world.open().await;
    let mut config = pipeline("p", vec![task("t", "gate=go,run=1s", &[])]);
    config.parallelism = 1;
    let pipeline = register(&engine, config).await;
    let mut runs = Vec::new();
    for _ in 0..12 {
        runs.push(start(&engine, &pipeline).await);
        tokio::time::advance(std::time::Duration::from_millis(1)).await;
    }
    world.crash(engine).await;
    world.backend.open_gate("go");
    let engine = world.open().await;
    assert_eq!(engine.status(false).await.unwrap().queued_runs, 11);
    let mut starts = Vec::new();
    for run in &runs {
        starts.push(end(&engine, run).await.started.unwrap());
    }
    assert!(starts.is_sorted(), "INV-33");
}

#[tokio::test(start_paused = true)]
async fn damaged_runs_are_set_aside_and_the_others_go_on() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "gate=go", &[])])).await;
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(start(&engine, &pipeline).await);
    }
    until(&engine, &runs[19], "t", TaskState::Running).await;
    world.crash(engine).await;
    let storage = gofer_storage::fake::FakeStorage::open(&world.disk, "vandal").unwrap();
    let mut batch = gofer_storage::Batch::default();
    batch.put(gofer_records::keys::run(&runs[3]), vec![1_u8, 255, 255]);
    batch.put(gofer_records::keys::task(&runs[5], 0), vec![77_u8, 0]);
    batch.delete(gofer_records::keys::run(&runs[7]));
    storage.commit(batch).await.unwrap();
    drop(storage);
    world.disk.cut_power(0);
    for epoch in 2..4 {
        let engine = world.open().await;
        let status = engine.status(false).await.unwrap();
        assert_eq!((status.epoch, status.quarantined_runs), (epoch, 3), "INV-25");
        if epoch == 3 {
            world.backend.open_gate("go");
            for run in runs.iter().enumerate().filter(|(n, _)| ![3, 5, 7].contains(n)).map(|(_, run)| run) {
                assert_eq!(end(&engine, run).await.state, RunState::Succeeded);
            }
            let refused = engine.cancel_run(&ada(), &runs[3], String::new(), false).await.unwrap_err();
            assert!(matches!(refused, EngineError::Quarantined { .. }), "{refused:?}");
            let filter =
                gofer_engine::EventFilter { types: vec!["quarantined".to_owned()], ..Default::default() };
            let told = engine.list_events(filter, EventRange::default(), Page::default()).await.unwrap();
            assert_eq!(told.items.len(), 3, "each is told of once, not at every start");
        }
        world.crash(engine).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_older_server_commits_nothing_once_a_newer_one_has_begun() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "gate=go", &[])])).await;
    world.disk.cut_power(0);
    let newer = world.open().await;
    let refused = engine.start_run(&ada(), wish(&pipeline)).await.unwrap_err();
    assert!(matches!(refused, EngineError::Failed { .. }), "INV-31: {refused:?}");
    assert!(engine.failed().await.contains("another server"));
    let run = start(&newer, &pipeline).await;
    world.backend.open_gate("go");
    assert_eq!(end(&newer, &run).await.state, RunState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn what_no_record_names_is_removed_after_the_grace_and_nothing_else() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "gate=go", &[])])).await;
    let run = start(&engine, &pipeline).await;
    until(&engine, &run, "t", TaskState::Running).await;
    world.crash(engine).await;
    world.stray("test").await;
    world.stray("other").await;
    let engine = world.open().await;
    gofer_testkit::wait_for("the stray to be gone", async || match world.backend.tasks() {
        2 => Ok(()),
        other => Err(other),
    })
    .await;
    assert_eq!(world.strays("other").await, 1, "INV-19");
    assert_eq!(state_of(&engine, &run, "t").await.state, TaskState::Running);
}

#[tokio::test(start_paused = true)]
async fn what_vanished_is_lost_and_not_failed() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "run=1s,vanish", &[])])).await;
    let run = start(&engine, &pipeline).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Errored);
    let task = state_of(&engine, &run, "t").await;
    assert_eq!((task.state, task.exit_code), (TaskState::Lost, None));
    assert!(matches!(task.cause, Cause::Lost(text) if text.contains("removed")));
}

#[tokio::test(start_paused = true)]
async fn runs_keep_the_order_of_their_numbers_over_a_crash_although_the_wall_clock_went_back() {
    let world = World::new();
    let engine = world.open().await;
    let mut config = pipeline("p", vec![task("t", "gate=go,run=1s", &[])]);
    config.parallelism = 1;
    let pipeline = register(&engine, config).await;
    let mut runs = Vec::new();
    for _ in 0..6 {
        runs.push(start(&engine, &pipeline).await);
        world.clock.jump(-10);
    }
    world.crash(engine).await;
    world.clock.jump(3600);
    world.backend.open_gate("go");
    let engine = world.open().await;
    let mut starts = Vec::new();
    for run in &runs {
        starts.push(end(&engine, run).await.started.unwrap());
    }
    assert!(starts.is_sorted(), "INV-33: {starts:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_keeps_the_limits_that_it_began_with() {
    let mut world = World::new();
    world.options.default_task_timeout = Span::from_secs(60);
    let engine = world.open().await;
    let one = register(&engine, pipeline("one", vec![task("t", "hang", &[])])).await;
    let mut long = task("t", "run=100s", &[]);
    long.timeout = Some(Span::from_secs(1000));
    let two = register(&engine, pipeline("two", vec![long])).await;
    let (limited, free) = (start(&engine, &one).await, start(&engine, &two).await);
    until(&engine, &limited, "t", TaskState::Running).await;
    until(&engine, &free, "t", TaskState::Running).await;
    world.crash(engine).await;
    world.options.default_task_timeout = Span::from_secs(10);
    world.options.max_run_timeout = Some(Span::from_secs(5));
    let engine = world.open().await;
    assert_eq!(end(&engine, &limited).await.state, RunState::Failed);
    let task = state_of(&engine, &limited, "t").await;
    assert_eq!(task.cause, Cause::Deadline(std::time::Duration::from_secs(60)));
    let ran = task.ended.unwrap().since(task.started.unwrap());
    assert!(ran >= std::time::Duration::from_secs(60), "{ran:?}");
    assert_eq!(end(&engine, &free).await.state, RunState::Succeeded);
    world.crash(engine).await;
}
