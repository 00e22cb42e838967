//! Task runs and runs that are tried again.

use std::collections::BTreeMap;
use std::time::Duration;

use gofer_engine::{EngineError, RetryRun, Scope, Selection, StartRun};
use gofer_types::pipeline::{ReferenceRoot, Retry, Template, TemplatePart, Text};
use gofer_types::{Cause, Condition, RunNumber, RunRef, RunState, SchedulerName, Span, Task, TaskState};

use crate::contract::states::with_another;
use crate::support::*;

fn retried(mut task: Task, attempts: u32, on: &[&str]) -> Task {
    task.retry = Some(Retry {
        attempts,
        backoff: Span::from_secs(10),
        factor: 2.0,
        max_backoff: Span::from_secs(300),
        on: on.iter().map(|word| (*word).to_owned()).collect(),
        exit_codes: Vec::new(),
    });
    task
}

fn again(run: &RunRef, scope: Scope) -> RetryRun {
    RetryRun { run: run.clone(), scope, idempotency_key: None, trigger: "manual".to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_task_is_tried_again_after_its_backoff_until_it_succeeds() {
    let world = World::new();
    let engine = world.open().await;
    let flaky = retried(task("t", "witness=t,print=try,before=3,exit=75", &[]), 3, &["failed"]);
    let pipeline =
        register(&engine, pipeline("p", vec![flaky, task("u", "exit=0", &[("t", Condition::Successful)])]))
            .await;
    let run = start(&engine, &pipeline).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    let (task, attempts) = engine.get_task_run(&run.task(task_id("t"))).await.unwrap();
    assert_eq!((task.state, task.exit_code, task.attempts.len()), (TaskState::Succeeded, Some(0), 3));
    let exits: Vec<Option<Cause>> = attempts.iter().map(|attempt| attempt.exit.clone()).collect();
    assert_eq!(exits, [75, 75, 0].map(|code| Some(Cause::ExitCode(code))));
    let gaps = attempts.windows(2).map(|pair| pair[1].created.since(pair[0].ended.unwrap()));
    let gaps: Vec<Duration> = gaps.collect();
    assert!(gaps[0] >= Duration::from_secs(10) && gaps[1] >= Duration::from_secs(20), "INV-38: {gaps:?}");
    assert!(gaps[0] < Duration::from_secs(11) && gaps[1] < Duration::from_secs(21), "{gaps:?}");
    // one log for all attempts, complete at the end
    assert_eq!(output(&engine, &run, true).await, ["t: try", "t: try", "t: try"]);
    assert_eq!(world.backend.witnesses("t"), 3, "INV-15: each attempt once");
    world.empty().await;
    assert_eq!(engine.status(false).await.unwrap().running_tasks, 0);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_rests_says_after_what_for_how_long_and_which_attempt_follows() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline =
        register(&engine, pipeline("p", vec![retried(task("t", "exit=9", &[]), 2, &["failed"])])).await;
    let run = start(&engine, &pipeline).await;
    until_resting(&engine, &run, "t").await;
    let task = state_of(&engine, &run, "t").await;
    let after = Box::new(Cause::ExitCode(9));
    let wait = Duration::from_secs(10);
    assert_eq!(task.cause, Cause::WaitingForRetry { attempt: 2, of: 2, wait, after });
    assert_eq!(engine.status(false).await.unwrap().running_tasks, 0, "its slot is free meanwhile");
    let record = end(&engine, &run).await;
    assert_eq!(record.state, RunState::Failed);
    assert_eq!(state_of(&engine, &run, "t").await.attempts.len(), 2);
}

async fn until_resting(engine: &gofer_engine::Engine, run: &RunRef, name: &str) {
    use futures_util::StreamExt;
    let mut updates = engine.watch_run(run).await.unwrap();
    while let Some(update) = updates.next().await {
        let rests = |task: &gofer_types::TaskRunRecord| {
            task.id.task.as_str() == name && matches!(task.cause, Cause::WaitingForRetry { .. })
        };
        if update.unwrap().tasks.iter().any(rests) {
            return;
        }
    }
    panic!("{name} never rested");
}

#[tokio::test(start_paused = true)]
async fn a_cancel_ends_a_task_that_rests_at_once_and_completes_its_log() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline =
        register(&engine, pipeline("p", vec![retried(task("t", "print=one,exit=1", &[]), 5, &["failed"])]))
            .await;
    let run = start(&engine, &pipeline).await;
    until_resting(&engine, &run, "t").await;
    engine.cancel_run(&ada(), &run, "enough".to_owned(), false).await.unwrap();
    let record = end(&engine, &run).await;
    assert_eq!(record.state, RunState::Cancelled);
    let task = state_of(&engine, &run, "t").await;
    assert_eq!((task.state, task.attempts.len()), (TaskState::Cancelled, 1));
    assert_eq!(output(&engine, &run, true).await, ["t: one"]);
    world.empty().await;
}

#[tokio::test(start_paused = true)]
async fn lost_and_late_attempts_are_followed_by_others_where_the_file_says_so() {
    let world = World::new();
    let engine = world.open().await;
    let mut late = retried(task("late", "before=2,hang", &[]), 2, &["timed_out"]);
    late.timeout = Some(Span::from_secs(300));
    let lost = retried(task("lost", "before=2,lost=gone", &[]), 2, &["lost"]);
    let refused = retried(task("refused", "before=2,no_program", &[]), 2, &["errored"]);
    let pipeline = register(&engine, pipeline("p", vec![late, lost, refused])).await;
    let run = start(&engine, &pipeline).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    for name in ["late", "lost", "refused"] {
        assert_eq!(state_of(&engine, &run, name).await.attempts.len(), 2, "{name}");
    }
    let (_, attempts) = engine.get_task_run(&run.task(task_id("late"))).await.unwrap();
    let began = |at: usize| attempts[at].started.unwrap();
    assert!(
        attempts[1].deadline.unwrap() >= began(1).plus(Duration::from_secs(300)),
        "each attempt has its own time"
    );
    world.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_while_a_task_rests_keeps_its_wait_and_its_number() {
    for before_removal in [false, true] {
        let world = World::new();
        let engine = world.open().await;
        let flaky = retried(task("t", "witness=t,print=try,before=2,exit=75", &[]), 2, &["failed"]);
        let pipeline = register(&engine, pipeline("p", vec![flaky])).await;
        let run = start(&engine, &pipeline).await;
        until_resting(&engine, &run, "t").await;
        if !before_removal {
            world.empty().await;
        }
        world.crash(engine).await;
        let engine = world.open().await;
        assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
        let (_, attempts) = engine.get_task_run(&run.task(task_id("t"))).await.unwrap();
        let numbers: Vec<u32> = attempts.iter().map(|attempt| attempt.number).collect();
        assert_eq!(numbers, [1, 2]);
        let gap = attempts[1].created.since(attempts[0].ended.unwrap());
        assert!(gap >= Duration::from_secs(10) && gap < Duration::from_secs(12), "{gap:?}");
        assert_eq!(world.backend.witnesses("t"), 2);
        assert_eq!(output(&engine, &run, true).await, ["t: try", "t: try"]);
        world.empty().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_scheduler_is_not_configured_any_more_does_not_rest_for_ever() {
    for rests in [false, true] {
        let world = World::new();
        let engine = with_another(&world).await;
        let script = if rests { "exit=75" } else { "gate=never" };
        let scheduler = Some(SchedulerName::new("other").unwrap());
        let there = Task { scheduler, ..retried(task("t", script, &[]), 3, &["failed", "lost"]) };
        let run = start(&engine, &register(&engine, pipeline("p", vec![there])).await).await;
        if rests {
            until_resting(&engine, &run, "t").await;
        } else {
            until(&engine, &run, "t", TaskState::Running).await;
        }
        world.crash(engine).await;
        let engine = world.open().await;
        assert_eq!(end(&engine, &run).await.state, RunState::Errored);
        let task = state_of(&engine, &run, "t").await;
        assert_eq!(task.state, TaskState::Errored);
        let Cause::CannotStart(why) = task.cause else { panic!("{:?}", task.cause) };
        assert!(why.contains("scheduler `other` is not configured"), "{why}");
        assert_eq!(output(&engine, &run, true).await, [""; 0], "its output is complete");
        // another restart finds nothing to do
        world.crash(engine).await;
        let engine = world.open().await;
        let status = engine.status(false).await.unwrap();
        assert_eq!((status.queued_runs, status.running_runs, status.running_tasks), (0, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_repeated_has_the_same_version_variables_and_overrides() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "env,exit=1", &[])])).await;
    let wish = StartRun {
        images: BTreeMap::from([(task_id("t"), "other:2".to_owned())]),
        priority: 3,
        labels: BTreeMap::from([(gofer_types::LabelKey::new("team").unwrap(), "core".to_owned())]),
        ..wish(&pipeline)
    };
    let first = engine.start_run(&ada(), wish).await.unwrap().run;
    end(&engine, &first.id).await;
    register(
        &engine,
        crate::support::pipeline("p", vec![task("t", "exit=0", &[]), task("u", "exit=0", &[])]),
    )
    .await;
    let second = engine.retry_run(&ada(), again(&first.id, Scope::All)).await.unwrap().run;
    assert_eq!((second.id.run, second.version, second.priority), (RunNumber(2), first.version, 3));
    assert_eq!((&second.images, &second.labels), (&first.images, &first.labels));
    assert_eq!(second.retry.as_ref().map(|retry| retry.run), Some(RunNumber(1)));
    assert_eq!(end(&engine, &second.id).await.state, RunState::Failed);
    let lines = output(&engine, &second.id, true).await;
    assert!(lines.iter().any(|line| line == "t: GOFER_TASK_IMAGE=other:2"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_retry_from_the_failed_tasks_executes_no_other_again() {
    let world = World::new();
    let engine = world.open().await;
    let tasks = vec![
        task("fetch", "witness=fetch", &[]),
        task("test", "witness=test,exit=1", &[("fetch", Condition::Successful)]),
        task("lint", "witness=lint", &[("fetch", Condition::Successful)]),
        task("report", "witness=report", &[("test", Condition::Always)]),
    ];
    let pipeline = register(&engine, pipeline("p", tasks)).await;
    let first = start(&engine, &pipeline).await;
    end(&engine, &first).await;
    let second = engine.retry_run(&ada(), again(&first, Scope::FromFailed)).await.unwrap().run.id;
    assert_eq!(end(&engine, &second).await.state, RunState::Failed);
    let witnesses = ["fetch", "test", "lint", "report"].map(|name| world.backend.witnesses(name));
    assert_eq!(witnesses, [1, 2, 1, 2], "what depends on a failed task is done again");
    let fetch = state_of(&engine, &second, "fetch").await;
    assert_eq!(
        (fetch.state, fetch.cause),
        (TaskState::Succeeded, Cause::Reused { run: RunNumber(1), answer: None })
    );
    // a retry of the retry knows what was reused there
    let third =
        engine.retry_run(&ada(), again(&second, Scope::From(vec![task_id("lint")]))).await.unwrap().run.id;
    end(&engine, &third).await;
    let witnesses = ["fetch", "test", "lint", "report"].map(|name| world.backend.witnesses(name));
    assert_eq!(witnesses, [1, 3, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_repeated_is_refused_and_changes_nothing() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "gate=go", &[])])).await;
    let run = start(&engine, &pipeline).await;
    let early = engine.retry_run(&ada(), again(&run, Scope::All)).await;
    assert!(matches!(early, Err(EngineError::RunNotEnded { .. })), "{early:?}");
    world.backend.open_gate("go");
    end(&engine, &run).await;
    let nothing = engine.retry_run(&ada(), again(&run, Scope::FromFailed)).await;
    assert!(matches!(nothing, Err(EngineError::NothingToRetry { .. })), "{nothing:?}");
    let unknown = engine.retry_run(&ada(), again(&run, Scope::From(vec![task_id("s")]))).await;
    let Err(EngineError::InvalidStart(problems)) = unknown else { panic!("{unknown:?}") };
    assert_eq!((problems[0].field.as_str(), problems[0].hint.as_str()), ("from", "did you mean `t`?"));
    assert!(engine.get_run(&pipeline.run(RunNumber(2))).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_repeated_retry_with_the_same_key_is_one_run() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "exit=1", &[])])).await;
    let run = start(&engine, &pipeline).await;
    end(&engine, &run).await;
    let wish = RetryRun { idempotency_key: Some("k".to_owned()), ..again(&run, Scope::FromFailed) };
    let first = engine.retry_run(&ada(), wish.clone()).await.unwrap();
    let second = engine.retry_run(&ada(), wish.clone()).await.unwrap();
    assert_eq!((first.existing, second.existing), (false, true));
    assert_eq!(first.run.id, second.run.id);
    let other = engine.retry_run(&ada(), RetryRun { scope: Scope::All, ..wish }).await;
    assert!(matches!(other, Err(EngineError::IdempotencyMismatch { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_pipeline_is_run_and_the_rest_says_that_it_was_not_chosen() {
    let world = World::new();
    let engine = world.open().await;
    let tasks = vec![
        task("a", "witness=a", &[]),
        task("b", "witness=b", &[("a", Condition::Successful)]),
        task("c", "witness=c", &[("b", Condition::Successful)]),
        task("d", "witness=d", &[]),
    ];
    let pipeline = register(&engine, pipeline("p", tasks)).await;
    let only = |names: &[&str], with_parents| StartRun {
        selection: Selection {
            only: names.iter().map(|name| task_id(name)).collect(),
            with_parents,
            ..Selection::default()
        },
        ..wish(&pipeline)
    };
    let refused = engine.start_run(&ada(), only(&["b"], false)).await;
    let Err(EngineError::InvalidStart(problems)) = refused else { panic!("{refused:?}") };
    assert_eq!(problems[0].rule, "task `b` needs `a`, which is not chosen");
    let run = engine.start_run(&ada(), only(&["b"], true)).await.unwrap().run.id;
    assert_eq!(run.run, RunNumber(1), "what was refused took no number");
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    assert_eq!(["a", "b", "c", "d"].map(|name| world.backend.witnesses(name)), [1, 1, 0, 0]);
    for name in ["c", "d"] {
        let task = state_of(&engine, &run, name).await;
        assert_eq!((task.state, task.cause), (TaskState::Skipped, Cause::NotChosen), "{name}");
    }
    let from = Selection { from: vec![task_id("a")], ..Selection::default() };
    let run = engine.start_run(&ada(), StartRun { selection: from, ..wish(&pipeline) }).await.unwrap().run.id;
    end(&engine, &run).await;
    assert_eq!(["a", "b", "c", "d"].map(|name| world.backend.witnesses(name)), [2, 2, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_matrix_makes_a_task_for_each_combination_with_its_values_in_its_text() {
    let world = World::new();
    let engine = world.open().await;
    let reference =
        |name: &str| TemplatePart::Reference { root: ReferenceRoot::Matrix, name: name.to_owned() };
    let parts = vec![
        TemplatePart::Literal("on ".to_owned()),
        reference("os"),
        TemplatePart::Literal(" ".to_owned()),
        reference("n"),
    ];
    let mut many = task("build", "env", &[]);
    many.matrix = BTreeMap::from([
        ("os".to_owned(), vec!["linux".to_owned(), "mac/os".to_owned()].into()),
        ("n".to_owned(), vec!["1".to_owned(), "2".to_owned()].into()),
    ]);
    many.env_vars = BTreeMap::from([("WHERE".to_owned(), Text::Template(Template { parts }))]);
    let after = task("after", "witness=after", &[("build", Condition::Successful)]);
    let pipeline = register(&engine, pipeline("p", vec![many, after])).await;
    let run = start(&engine, &pipeline).await;
    let record = end(&engine, &run).await;
    assert_eq!((record.state, record.tasks), (RunState::Succeeded, 5));
    let names: Vec<String> = states(&engine, &run).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["build[1,linux]", "build[1,mac%2Fos]", "build[2,linux]", "build[2,mac%2Fos]", "after"]
    );
    let lines = output(&engine, &run, true).await;
    for (id, place) in [("build[1,linux]", "linux 1"), ("build[2,mac%2Fos]", "mac/os 2")] {
        assert!(lines.contains(&format!("{id}: WHERE=on {place}")), "{lines:?}");
        assert!(lines.contains(&format!("{id}: GOFER_TASK_ID={id}")));
    }
}

#[tokio::test(start_paused = true)]
async fn one_failed_combination_skips_what_depends_on_all_and_is_tried_again_alone() {
    let world = World::new();
    let engine = world.open().await;
    let mut many = task("build", "witness=build,env", &[]);
    many.matrix =
        BTreeMap::from([("n".to_owned(), vec!["1".to_owned(), "2".to_owned(), "3".to_owned()].into())]);
    let fails = TemplatePart::Reference { root: ReferenceRoot::Matrix, name: "n".to_owned() };
    // the second combination ends with another code than 0 by way of its own value
    let script = Text::Template(Template {
        parts: vec![
            TemplatePart::Literal("before=".to_owned()),
            fails,
            TemplatePart::Literal(",exit=7".to_owned()),
        ],
    });
    many.env_vars = BTreeMap::from([("FAKE".to_owned(), script)]);
    let after = task("after", "witness=after", &[("build", Condition::Successful)]);
    let pipeline = register(&engine, pipeline("p", vec![many, after])).await;
    let run = start(&engine, &pipeline).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Failed);
    let ends: Vec<TaskState> = states(&engine, &run).await.into_iter().map(|(_, state)| state).collect();
    use TaskState::{Failed, Skipped, Succeeded};
    assert_eq!(ends, [Succeeded, Failed, Failed, Skipped]);
    let again = engine.retry_run(&ada(), again(&run, Scope::FromFailed)).await.unwrap().run.id;
    end(&engine, &again).await;
    assert_eq!(world.backend.witnesses("build"), 5, "the combination that succeeded is not executed again");
    assert_eq!(
        state_of(&engine, &again, "build[1]").await.cause,
        Cause::Reused { run: RunNumber(1), answer: None }
    );
}
