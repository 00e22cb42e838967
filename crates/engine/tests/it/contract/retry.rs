//! Section 3: task runs and runs that are tried again.

use std::sync::Arc;
use std::time::Duration;

use gofer_backend::{Clock, ErrorKind};
use gofer_engine::{Engine, EngineError, Registration, RetryRun, Scope, StartRun};
use gofer_storage::fake::{Fault, FaultPlan, Operation};
use gofer_types::pipeline::Retry;
use gofer_types::{
    Cause, Condition, Pipeline, RunNumber, RunRecord, RunRef, RunState, Span, Task, TaskState,
};

use super::help::*;
use super::remote::{Did, Remote};
use crate::support::*;

const ON: [&str; 4] = ["failed", "errored", "lost", "timed_out"];

/// Retry of a task run: as many attempts as the file names, no more; the first success ends it.
#[tokio::test(start_paused = true)]
async fn there_are_as_many_attempts_as_the_file_names_at_most() {
    let cases = [
        // attempts, the first that succeeds, how many there are, the end
        (1, 2, 1, TaskState::Failed),
        (2, 1, 1, TaskState::Succeeded),
        (2, 2, 2, TaskState::Succeeded),
        (2, 3, 2, TaskState::Failed),
        (5, 3, 3, TaskState::Succeeded),
        (5, 99, 5, TaskState::Failed),
    ];
    for (most, good, made, state) in cases {
        let script = format!("witness=t,before={good},exit=1");
        let flaky = retried(task("t", &script, &[]), retry(most, &["failed"]));
        let (world, engine, run) = live(pipeline("p", vec![flaky])).await;
        assert_eq!(state_of(&engine, &run.id, "t").await.state, state, "{most} {good}");
        let attempts = attempts(&engine, &run.id, "t").await;
        let numbers: Vec<u32> = attempts.iter().map(|attempt| attempt.number).collect();
        assert_eq!(numbers, (1..=made).collect::<Vec<_>>(), "{most} {good}");
        assert_eq!(world.backend.witnesses("t"), made as usize, "{most} {good}");
        let good = state == TaskState::Succeeded;
        assert_eq!(run.state, if good { RunState::Succeeded } else { RunState::Failed });
    }
}

/// Only the ends that `on` names are tried again, and `exit_codes` narrow `failed` down to them.
#[tokio::test(start_paused = true)]
async fn only_the_ends_that_the_file_names_are_tried_again() {
    let scripts = ["exit=75", "no_program", "lost=gone", "hang"];
    for (at, script) in scripts.into_iter().enumerate() {
        for (named, on) in ON.into_iter().enumerate() {
            let flaky = task("t", &format!("before=2,{script}"), &[]);
            let flaky = limited(retried(flaky, retry(2, &[on])), 60);
            let (_world, engine, run) = live(pipeline("p", vec![flaky])).await;
            let expected = if at == named { 2 } else { 1 };
            assert_eq!(attempts(&engine, &run.id, "t").await.len(), expected, "{script} on {on}");
            assert_eq!(run.state == RunState::Succeeded, at == named, "{script} on {on}");
        }
    }
    let codes: [(&str, &[i32], usize); 7] = [
        ("exit=75", &[], 2),
        ("exit=75", &[75], 2),
        ("exit=75", &[1, 75], 2),
        ("exit=75", &[1], 1),
        ("signal=9", &[], 2),
        ("signal=9", &[9, 137], 1),
        ("oom", &[137], 1),
    ];
    for (script, exit_codes, expected) in codes {
        let rule = Retry { exit_codes: exit_codes.to_vec(), ..retry(2, &["failed"]) };
        let flaky = retried(task("t", &format!("before=2,{script}"), &[]), rule);
        let (_world, engine, run) = live(pipeline("p", vec![flaky])).await;
        assert_eq!(attempts(&engine, &run.id, "t").await.len(), expected, "{script} {exit_codes:?}");
    }
    // what succeeded, and what somebody cancelled, is never tried again
    for state in [TaskState::Succeeded, TaskState::Cancelled] {
        let world = World::new();
        let engine = world.open().await;
        let wanted = ending(state).into_iter().map(|task| retried(task, retry(3, &ON))).collect();
        let run = start(&engine, &register(&engine, pipeline("p", wanted)).await).await;
        if state == TaskState::Cancelled {
            until(&engine, &run, "t", TaskState::Running).await;
            engine.cancel_run(&bob(), &run, String::new(), false).await.unwrap();
        }
        end(&engine, &run).await;
        assert_eq!(attempts(&engine, &run, "t").await.len(), 1, "{state}");
    }
}

/// INV-38: the waits between attempts are the first backoff, each later one longer by the factor, none longer than the longest.
#[tokio::test(start_paused = true)]
async fn the_waits_between_attempts_are_those_of_the_file() {
    let cases: [(u64, f64, u64, &[u64]); 5] = [
        (10, 1.0, 300, &[10, 10, 10]),
        (10, 2.0, 300, &[10, 20, 40, 80]),
        (10, 2.0, 30, &[10, 20, 30, 30]),
        (10, 1.5, 300, &[10, 15]),
        (0, 2.0, 300, &[0, 0, 0]),
    ];
    for (backoff, factor, longest, expected) in cases {
        let rule = Retry {
            attempts: u32::try_from(expected.len()).unwrap() + 1,
            backoff: Span::from_secs(backoff),
            factor,
            max_backoff: Span::from_secs(longest),
            ..retry(0, &["failed"])
        };
        // the server is restarted in this rest, if there is such a one
        for restart in [None, Some(1), Some(2)] {
            let gaps = gaps(rule.clone(), restart.filter(|_| backoff > 0)).await;
            assert_eq!(gaps.len(), expected.len());
            for (gap, least) in gaps.iter().zip(expected) {
                let least = Duration::from_secs(*least);
                let right = *gap >= least && *gap < least + Duration::from_secs(1);
                assert!(right, "{gap:?} of {expected:?} {restart:?}");
            }
        }
    }
}

/// The waits between the attempts of a task that always fails, with a crash five seconds into one of them.
async fn gaps(rule: Retry, restart: Option<u32>) -> Vec<Duration> {
    let world = World::new();
    let mut engine = world.open().await;
    let id = register(&engine, pipeline("p", vec![retried(task("t", "run=3s,exit=1", &[]), rule)])).await;
    let run = start(&engine, &id).await;
    if let Some(number) = restart {
        let rests =
            |cause: &Cause| matches!(cause, Cause::WaitingForRetry { attempt, .. } if *attempt == number + 1);
        until_task(&engine, &run, "t", |_, cause| rests(cause)).await;
        pass(&world, 5).await;
        world.crash(engine).await;
        engine = world.open().await;
    }
    end(&engine, &run).await;
    let attempts = attempts(&engine, &run, "t").await;
    attempts.windows(2).map(|pair| pair[1].created.since(pair[0].ended.unwrap())).collect()
}

/// INV-16: a new attempt after the former is terminal or fenced: nothing of the former is left when the next is asked for,
/// however the former ended and however long that takes.
#[tokio::test(start_paused = true)]
async fn an_attempt_begins_when_nothing_is_left_of_the_former() {
    let scripts =
        ["exit=1", "signal=9", "lost=gone", "run=1s,vanish", "no_program", "hang", "ignore_term,hang"];
    for removal in [0, 3, 60] {
        for script in scripts {
            let world = World::new();
            let remote = Arc::new(Remote::slow_to_remove(&world, Duration::from_secs(removal)));
            let engine = remote.open(&world).await;
            let steps = script.split(',').map(|step| format!("before=3,{step}")).collect::<Vec<_>>();
            let flaky = task("t", &format!("witness=t,{}", steps.join(",")), &[]);
            let flaky = limited(retried(flaky, retry(3, &ON)), 30);
            let run = start(&engine, &register(&engine, pipeline("p", vec![flaky])).await).await;
            assert_eq!(end(&engine, &run).await.state, RunState::Succeeded, "{script}");
            let ids: Vec<_> =
                attempts(&engine, &run, "t").await.into_iter().map(|attempt| attempt.id).collect();
            assert_eq!(ids.len(), 3, "{script}");
            let did = remote.did();
            for pair in ids.windows(2) {
                let removed = did.iter().position(|(_, did)| *did == Did::Remove(pair[0].clone()));
                let begun = did.iter().position(|(_, did)| *did == Did::Start(pair[1].clone()));
                assert!(removed.is_some() && removed < begun, "{script} {removal}: {did:?}");
            }
        }
    }
}

/// The same of an attempt of which nobody knows whether it began: its id is used up before the next one begins.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_may_have_begun_is_fenced_before_the_next() {
    for script in ["start_error=unavailable", "start_delay=45s,hang", "ambiguous_start,hang"] {
        let world = World::new();
        let remote = Arc::new(Remote::new(&world));
        let engine = remote.open(&world).await;
        let steps = script.split(',').map(|step| format!("before=2,{step}")).collect::<Vec<_>>();
        let flaky = limited(retried(task("t", &steps.join(","), &[]), retry(2, &ON)), 30);
        let run = start(&engine, &register(&engine, pipeline("p", vec![flaky])).await).await;
        assert_eq!(end(&engine, &run).await.state, RunState::Succeeded, "{script}");
        let ids: Vec<_> = attempts(&engine, &run, "t").await.into_iter().map(|attempt| attempt.id).collect();
        let did = remote.did();
        let removed = did.iter().position(|(_, did)| *did == Did::Remove(ids[0].clone()));
        let begun = did.iter().position(|(_, did)| *did == Did::Start(ids[1].clone()));
        assert!(removed.is_some() && removed < begun, "{script}: {did:?}");
        let late = did[begun.unwrap()..].iter().any(|(_, did)| *did == Did::Start(ids[0].clone()));
        assert!(!late, "{script}: the former is not asked for again");
    }
}

/// The deadline of the task covers one attempt.
#[tokio::test(start_paused = true)]
async fn each_attempt_has_the_whole_time_of_the_task() {
    for (took, limit, state) in [(40, 60, TaskState::Succeeded), (70, 60, TaskState::TimedOut)] {
        let script = format!("run={took}s,before=3,exit=1");
        let flaky = limited(retried(task("t", &script, &[]), retry(3, &["failed"])), limit);
        let (_world, engine, run) = live(pipeline("p", vec![flaky])).await;
        let task = state_of(&engine, &run.id, "t").await;
        assert_eq!(task.state, state);
        for attempt in attempts(&engine, &run.id, "t").await {
            let span = attempt.deadline.unwrap().since(attempt.started.unwrap());
            assert_eq!(span, Duration::from_secs(limit));
        }
    }
}

/// The run's deadline covers all attempts and the waits between them.
#[tokio::test(start_paused = true)]
async fn the_time_of_the_run_covers_all_attempts_and_all_rests() {
    // attempts of 40 s with rests of 10 s between them: 0-40, 50-90, 100-140
    for (limit, made, rests) in
        [(30, 1, false), (45, 1, true), (60, 2, false), (95, 2, true), (120, 3, false)]
    {
        for restart in [false, true] {
            let world = World::new();
            let mut engine = world.open().await;
            let flaky = retried(task("t", "run=40s,exit=1", &[]), retry(9, &["failed"]));
            let config = Pipeline { timeout: Some(Span::from_secs(limit)), ..pipeline("p", vec![flaky]) };
            let run = start(&engine, &register(&engine, config).await).await;
            let begun = world.clock.monotonic();
            pass(&world, limit - 3).await;
            let resting = matches!(state_of(&engine, &run, "t").await.cause, Cause::WaitingForRetry { .. });
            assert_eq!(resting, rests, "{limit}");
            if restart {
                world.crash(engine).await;
                engine = world.open().await;
            }
            let record = end(&engine, &run).await;
            let took = (world.clock.monotonic() - begun).as_secs();
            assert!((limit..=limit + 1).contains(&took), "{limit} {restart}: {took}");
            assert_eq!(record.state, RunState::TimedOut, "{limit}");
            let task = state_of(&engine, &run, "t").await;
            assert_eq!((task.state, task.attempts.len()), (TaskState::TimedOut, made), "{limit}");
            assert_eq!(task.cause, Cause::RunDeadline(Duration::from_secs(limit)));
        }
    }
}

const BUDGET: u32 = 3;

fn flaky() -> Pipeline {
    let flaky = retried(task("t", "witness=t,run=1s,exit=1", &[]), retry(BUDGET, &["failed"]));
    pipeline("p", vec![flaky, task("after", "witness=after", &[("t", Condition::Failure)])])
}

/// Goes to the end with this engine, as far as it comes.
async fn whole_life(engine: &Engine) -> Result<RunRef, EngineError> {
    let pipeline = pipeline_ref("p");
    let registration = Registration { pipeline: pipeline.clone(), config: flaky(), expected: None };
    engine.register_pipeline(&ada(), registration).await?;
    let keyed = StartRun { idempotency_key: Some("once".to_owned()), ..wish(&pipeline) };
    let run = engine.start_run(&ada(), keyed).await?.run.id;
    watch(engine, &run).await?;
    Ok(run)
}

/// A task has its budget of attempts once, not once a server: with a crash before or behind any commit there are no more, they
/// are numbered without a hole, and each was started once (INV-15, INV-38).
#[tokio::test(start_paused = true)]
async fn the_budget_of_attempts_is_kept_over_a_crash_at_every_commit() {
    let plan = FaultPlan::none();
    let world = World::new();
    let engine = world.open_with(plan.clone()).await.unwrap();
    whole_life(&engine).await.unwrap();
    let commits = plan.calls(Operation::Commit);
    assert!(commits > 10, "{commits}");
    for operation in [Operation::Commit, Operation::Answer] {
        for nth in 1..=commits {
            let world = World::new();
            let plan = FaultPlan::none().on(operation, nth, Fault::Error(ErrorKind::Unavailable));
            match world.open_with(plan).await {
                Ok(engine) => {
                    let _ = whole_life(&engine).await;
                    world.crash(engine).await;
                }
                Err(_) => world.disk.cut_power(0),
            }
            let engine = world.open().await;
            let run = whole_life(&engine).await.unwrap();
            assert_eq!(run.run, RunNumber(1));
            let attempts = attempts(&engine, &run, "t").await;
            let numbers: Vec<u32> = attempts.iter().map(|attempt| attempt.number).collect();
            assert_eq!(numbers, (1..=BUDGET).collect::<Vec<_>>(), "{operation:?} {nth}");
            assert_eq!(world.backend.witnesses("t"), BUDGET as usize, "{operation:?} {nth}");
            assert_eq!(world.backend.witnesses("after"), 1, "{operation:?} {nth}");
            for pair in attempts.windows(2) {
                let gap = pair[1].created.since(pair[0].ended.unwrap());
                assert!(gap >= Duration::from_secs(10), "{operation:?} {nth}: INV-38: {gap:?}");
            }
            world.empty().await;
            assert_eq!(engine.status(false).await.unwrap().running_tasks, 0, "INV-27");
        }
    }
}

fn again(run: &RunRecord, scope: Scope) -> RetryRun {
    RetryRun { run: run.id.clone(), scope, idempotency_key: None, trigger: "manual".to_owned() }
}

/// Tasks with their scripts and parents; which of them a retry from the failed ones executes, and which one of all does.
type Graph = Vec<(&'static str, &'static str, Vec<(&'static str, Condition)>)>;
type Repeated = (Graph, &'static [&'static str], &'static [&'static str]);

fn graphs() -> Vec<Repeated> {
    use Condition::{Always, Any, Failure, Successful};
    vec![
        (vec![("a", "exit=0", vec![]), ("b", "exit=1", vec![("a", Successful)])], &["b"], &["a", "b"]),
        (vec![("a", "exit=1", vec![]), ("b", "exit=0", vec![("a", Any)])], &["a", "b"], &["a", "b"]),
        (
            vec![
                ("a", "exit=0", vec![]),
                ("b", "lost=x", vec![("a", Successful)]),
                ("c", "exit=0", vec![("a", Successful)]),
                ("d", "exit=0", vec![("b", Always), ("c", Successful)]),
            ],
            &["b", "d"],
            &["a", "b", "c", "d"],
        ),
        (
            vec![("a", "exit=0", vec![]), ("b", "exit=1", vec![]), ("c", "exit=0", vec![("b", Successful)])],
            &["b"],
            &["a", "b"],
        ),
        (vec![("a", "no_program", vec![]), ("b", "exit=0", vec![])], &[], &["b"]),
        (
            // what stood behind something skipped and succeeded is not done again
            vec![
                ("a", "exit=0", vec![]),
                ("b", "exit=0", vec![("a", Failure)]),
                ("c", "exit=0", vec![("b", Always)]),
                ("d", "exit=1", vec![]),
            ],
            &["d"],
            &["a", "c", "d"],
        ),
    ]
}

/// Retry of a run: a new run; `--from-failed` reuses the results of the tasks that succeeded (objects are not built yet).
#[tokio::test(start_paused = true)]
async fn a_retry_from_the_failed_tasks_executes_what_did_not_succeed_and_what_follows_it() {
    for (graph, from_failed, all) in graphs() {
        for (scope, expected) in [(Scope::FromFailed, from_failed), (Scope::All, all)] {
            let world = World::new();
            let engine = world.open().await;
            let one = |(name, script, parents): &(&str, &str, Vec<_>)| {
                task(name, &format!("witness={name},{script}"), parents)
            };
            let id = register(&engine, pipeline("p", graph.iter().map(one).collect())).await;
            let first = start(&engine, &id).await;
            let first = end(&engine, &first).await;
            let count = || graph.iter().map(|(name, ..)| world.backend.witnesses(name)).collect::<Vec<_>>();
            let before = count();
            let second = engine.retry_run(&ada(), again(&first, scope.clone())).await.unwrap().run;
            assert_eq!((second.id.run, second.version), (RunNumber(2), first.version));
            assert_eq!(second.retry.as_ref().map(|retry| retry.run), Some(RunNumber(1)));
            let record = end(&engine, &second.id).await;
            assert_eq!(record.state, first.state, "{graph:?}");
            let names = graph.iter().map(|(name, ..)| *name).zip(before.into_iter().zip(count()));
            let executed: Vec<&str> =
                names.filter(|(_, (before, after))| before < after).map(|(name, _)| name).collect();
            assert_eq!(executed, expected, "{graph:?} {scope:?}");
        }
    }
}

/// Retry of a run: the same version, variables and overrides, whatever the newest version is.
#[tokio::test(start_paused = true)]
async fn a_retry_of_a_run_has_the_same_version_variables_and_overrides() {
    let world = World::new();
    let mut engine = world.open().await;
    let t = Task { image: "alpine:3".to_owned(), ..task("t", "exit=1", &[]) };
    let id = register(&engine, pipeline("p", vec![t, task("u", "exit=0", &[])])).await;
    let images = std::collections::BTreeMap::from([(task_id("t"), "other:2".to_owned())]);
    let selection = gofer_engine::Selection { only: vec![task_id("t")], ..Default::default() };
    let mut run = engine.start_run(&ada(), StartRun { images, selection, priority: 4, ..wish(&id) }).await;
    for restart in [false, true, false] {
        let former = run.unwrap().run;
        end(&engine, &former.id).await;
        let newer = task("t", &format!("exit={}", former.id.run.0 + 1), &[]);
        register(&engine, pipeline("p", vec![newer])).await;
        if restart {
            world.crash(engine).await;
            engine = world.open().await;
        }
        run = engine.retry_run(&bob(), again(&former, Scope::All)).await;
        let now = &run.as_ref().unwrap().run;
        assert_eq!((now.version, &now.variables), (former.version, &former.variables));
        assert_eq!((&now.images, &now.chosen), (&former.images, &former.chosen));
        assert_eq!((now.priority, &now.labels), (former.priority, &former.labels));
        assert_eq!(now.actor, bob().actor, "who asked is who asked this time");
    }
}
