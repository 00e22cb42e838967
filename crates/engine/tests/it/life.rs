//! Whole lives of runs.

use std::collections::BTreeMap;

use gofer_types::pipeline::{Action, ReferenceRoot, Template, TemplatePart, Text, Variable, VariableType};
use gofer_types::{Cause, Condition, RunState, Span, Task, TaskState, VariableName};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_sequence_of_tasks_runs_in_order_and_succeeds() {
    let world = World::new();
    let engine = world.open().await;
    let tasks = vec![
        task("a", "witness=a,print=one", &[]),
        task("b", "witness=b,print=two", &[("a", Condition::Successful)]),
        task("c", "witness=c,eprint=three", &[("b", Condition::Successful)]),
    ];
    let pipeline = register(&engine, pipeline("p", tasks)).await;
    let run = start(&engine, &pipeline).await;
    let record = end(&engine, &run).await;
    assert_eq!((record.state, record.cause), (RunState::Succeeded, Cause::Completed));
    // The run may end before the output of every task is stored: who follows then sees what comes first.
    let mut lines = output(&engine, &run, true).await;
    lines.sort_unstable();
    assert_eq!(lines, ["a: one", "b: two", "c: three"]);
    for name in ["a", "b", "c"] {
        assert_eq!(world.backend.witnesses(name), 1);
        let (task, attempts) = engine.get_task_run(&run.task(task_id(name))).await.unwrap();
        assert_eq!((task.state, task.exit_code), (TaskState::Succeeded, Some(0)));
        assert_eq!(attempts.len(), 1);
        assert!(attempts[0].started.is_some() && attempts[0].handle.is_some());
    }
    world.empty().await;
    let status = engine.status(true).await.unwrap();
    assert_eq!((status.running_tasks, status.running_runs, status.queued_runs), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_run_any_more_is_skipped_with_the_cause() {
    let world = World::new();
    let engine = world.open().await;
    let tasks = vec![
        task("bad", "exit=3", &[]),
        task("after", "witness=x", &[("bad", Condition::Successful)]),
        task("further", "witness=x", &[("after", Condition::Any)]),
        task("repair", "exit=0", &[("bad", Condition::Failure)]),
        task("last", "exit=0", &[("further", Condition::Always)]),
    ];
    let pipeline = register(&engine, pipeline("p", tasks)).await;
    let run = start(&engine, &pipeline).await;
    let record = end(&engine, &run).await;
    assert_eq!((record.state, record.cause), (RunState::Failed, Cause::Tasks(vec![task_id("bad")])));
    let states: Vec<TaskState> = states(&engine, &run).await.into_iter().map(|(_, state)| state).collect();
    use TaskState::{Failed, Skipped, Succeeded};
    assert_eq!(states, [Failed, Skipped, Skipped, Succeeded, Succeeded]);
    assert_eq!(world.backend.witnesses("x"), 0);
    let skipped = state_of(&engine, &run, "after").await;
    let cause = Cause::ParentState { task: task_id("bad"), state: Failed, wanted: Condition::Successful };
    assert_eq!((skipped.cause, skipped.exit_code), (cause, None));
}

#[tokio::test(start_paused = true)]
async fn every_end_of_a_process_has_its_state() {
    let ends = [
        ("exit=0", TaskState::Succeeded, RunState::Succeeded, Cause::ExitCode(0)),
        ("exit=7", TaskState::Failed, RunState::Failed, Cause::ExitCode(7)),
        ("signal=9", TaskState::Failed, RunState::Failed, Cause::Signal(9)),
        ("oom", TaskState::Failed, RunState::Failed, Cause::OutOfMemory),
        ("lost=gone", TaskState::Lost, RunState::Errored, Cause::Lost("gone".to_owned())),
    ];
    let world = World::new();
    let engine = world.open().await;
    for (script, state, run_state, cause) in ends {
        let pipeline = register(&engine, pipeline("p", vec![task("t", script, &[])])).await;
        let run = start(&engine, &pipeline).await;
        assert_eq!(end(&engine, &run).await.state, run_state, "{script}");
        let task = state_of(&engine, &run, "t").await;
        assert_eq!((task.state, task.cause), (state, cause), "{script}");
        assert_eq!(task.exit_code.is_some(), script.starts_with("exit"), "INV-12: {script}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_can_never_start_is_errored_with_the_reason() {
    let world = World::new();
    let engine = world.open().await;
    let tasks = vec![task("t", "no_program", &[]), task("u", "exit=0", &[("t", Condition::Failure)])];
    let pipeline = register(&engine, pipeline("p", tasks)).await;
    let run = start(&engine, &pipeline).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Errored);
    let task = state_of(&engine, &run, "t").await;
    assert!(matches!(&task.cause, Cause::CannotStart(text) if text.contains("no such program")), "{task:?}");
    assert_eq!(state_of(&engine, &run, "u").await.state, TaskState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_task_without_a_command_is_refused_by_a_scheduler_without_images() {
    let mut world = World::new();
    world.backend = world.backend.with_capabilities(gofer_scheduler::Capabilities::default());
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![Task::new(task_id("t"), Action::Image)])).await;
    let run = start(&engine, &pipeline).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Errored);
    let (task, attempts) = engine.get_task_run(&run.task(task_id("t"))).await.unwrap();
    assert!(
        matches!(&task.cause, Cause::CannotStart(text) if text.contains("neither `command` nor `script`"))
    );
    assert!(attempts.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_may_fail_does_not_fail_the_run() {
    let world = World::new();
    let engine = world.open().await;
    let mut excused = task("t", "exit=1", &[]);
    excused.allow_failure = true;
    let pipeline = register(&engine, pipeline("p", vec![excused])).await;
    let run = start(&engine, &pipeline).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn the_environment_has_the_values_of_the_run_and_ours_win() {
    let world = World::new();
    let engine = world.open().await;
    let mut show = task("t", "env", &[]);
    let reference = TemplatePart::Reference { root: ReferenceRoot::Var, name: "rev".to_owned() };
    let template =
        Text::Template(Template { parts: vec![TemplatePart::Literal("at-".to_owned()), reference] });
    show.env_vars = BTreeMap::from([
        ("REV".to_owned(), template),
        ("rev".to_owned(), Text::from("of the task")),
        ("GOFER_RUN_ID".to_owned(), Text::from("999")),
    ]);
    let mut config = pipeline("p", vec![show]);
    let rev = VariableName::new("rev").unwrap();
    let kind = VariableType::String;
    let variable =
        Variable { kind, default: None, allowed: Vec::new(), description: String::new(), sensitive: false };
    config.variables.insert(rev, variable);
    let pipeline = register(&engine, config).await;
    let mut wanted = wish(&pipeline);
    wanted.variables.insert("rev".to_owned(), "next".to_owned());
    let run = engine.start_run(&ada(), wanted).await.unwrap().run.id;
    end(&engine, &run).await;
    let output = output(&engine, &run, true).await;
    for line in
        ["t: REV=at-next", "t: rev=next", "t: GOFER_RUN_ID=1", "t: GOFER_TASK_ID=t", "t: GOFER_ATTEMPT=1"]
    {
        assert!(output.contains(&line.to_owned()), "{line}: {output:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_stops_what_runs_and_starts_only_what_cleans_up() {
    let world = World::new();
    let engine = world.open().await;
    let mut cleanup = task("clean", "witness=clean", &[("work", Condition::Always)]);
    cleanup.cleanup = true;
    let tasks = vec![
        task("work", "hang", &[]),
        task("next", "witness=next", &[("work", Condition::Always)]),
        cleanup,
    ];
    let pipeline = register(&engine, pipeline("p", tasks)).await;
    let run = start(&engine, &pipeline).await;
    until(&engine, &run, "work", TaskState::Running).await;
    let (_, ended) = engine.cancel_run(&ada(), &run, "enough".to_owned(), false).await.unwrap();
    assert!(!ended);
    let record = end(&engine, &run).await;
    assert_eq!((record.state, record.cause), (RunState::Cancelled, Cause::Cancelled("enough".to_owned())));
    assert_eq!(record.cancel.unwrap().actor, ada().actor);
    let work = state_of(&engine, &run, "work").await;
    assert_eq!((work.state, work.cause), (TaskState::Cancelled, Cause::Cancelled("enough".to_owned())));
    assert_eq!(state_of(&engine, &run, "next").await.state, TaskState::Cancelled);
    assert_eq!((world.backend.witnesses("next"), world.backend.witnesses("clean")), (0, 1));
    let (again, ended) = engine.cancel_run(&ada(), &run, "again".to_owned(), false).await.unwrap();
    assert!(ended && again.cancel.unwrap().reason == "enough");
}

#[tokio::test(start_paused = true)]
async fn a_forced_cancel_does_not_wait_for_the_grace() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "ignore_term,hang", &[])])).await;
    let run = start(&engine, &pipeline).await;
    until(&engine, &run, "t", TaskState::Running).await;
    engine.cancel_run(&ada(), &run, "first".to_owned(), false).await.unwrap();
    let (record, _) = engine.cancel_run(&ada(), &run, "now".to_owned(), true).await.unwrap();
    let record = end(&engine, &record.id).await;
    let took = record.ended.unwrap().since(record.cancel.unwrap().at);
    assert!(took.as_secs() < 10, "INV-35: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_task_ends_between_its_deadline_and_the_grace_behind_it() {
    for (script, least, most) in [("hang", 60_000, 60_100), ("ignore_term,hang", 70_000, 70_100)] {
        let world = World::new();
        let engine = world.open().await;
        let mut late = task("t", script, &[]);
        late.timeout = Some(Span::from_secs(60));
        let pipeline = register(&engine, pipeline("p", vec![late])).await;
        let run = start(&engine, &pipeline).await;
        until(&engine, &run, "t", TaskState::Running).await;
        world.clock.jump(86_400);
        assert_eq!(end(&engine, &run).await.state, RunState::Failed);
        let task = state_of(&engine, &run, "t").await;
        assert_eq!(task.state, TaskState::TimedOut);
        assert_eq!(task.cause, Cause::Deadline(std::time::Duration::from_secs(60)));
        world.clock.jump(-86_400);
        let took = task.ended.unwrap().since(task.started.unwrap()).as_millis() - 86_400_000;
        assert!((least..=most).contains(&took), "INV-37: {script} {took}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_late_ends_timed_out_and_cleans_up() {
    let world = World::new();
    let engine = world.open().await;
    let mut cleanup = task("clean", "witness=clean", &[("work", Condition::Always)]);
    cleanup.cleanup = true;
    let tasks = vec![task("work", "hang", &[]), task("next", "exit=0", &[("work", Condition::Any)]), cleanup];
    let mut config = pipeline("p", tasks);
    config.timeout = Some(Span::from_secs(30));
    let pipeline = register(&engine, config).await;
    let run = start(&engine, &pipeline).await;
    let record = end(&engine, &run).await;
    assert_eq!(record.state, RunState::TimedOut);
    assert_eq!(record.cause, Cause::RunDeadline(std::time::Duration::from_secs(30)));
    assert_eq!(state_of(&engine, &run, "next").await.state, TaskState::TimedOut);
    assert_eq!(world.backend.witnesses("clean"), 1);
}

#[tokio::test(start_paused = true)]
async fn times_never_go_backwards_within_a_run() {
    let world = World::new();
    let engine = world.open().await;
    let tasks = vec![task("a", "run=1s", &[]), task("b", "run=1s", &[("a", Condition::Successful)])];
    let pipeline = register(&engine, pipeline("p", tasks)).await;
    let run = start(&engine, &pipeline).await;
    until(&engine, &run, "a", TaskState::Running).await;
    world.clock.jump(-86_400);
    let record = end(&engine, &run).await;
    for task in tasks_of(&engine, &run).await {
        assert!(task.0 <= task.1, "INV-13");
    }
    assert!(record.created <= record.started.unwrap() && record.started <= record.ended);
}

async fn tasks_of(
    engine: &gofer_engine::Engine,
    run: &gofer_types::RunRef,
) -> Vec<(gofer_types::Timestamp, gofer_types::Timestamp)> {
    let tasks = tasks(engine, run).await;
    tasks.into_iter().map(|task| (task.started.unwrap(), task.ended.unwrap())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_run_of_two_thousand_tasks_comes_to_its_end() {
    let world = World::new();
    let engine = world.open().await;
    let mut all = vec![task("first", "exit=0", &[])];
    all.extend((0..2000).map(|n| task(&format!("t{n}"), "no_program", &[("first", Condition::Successful)])));
    let pipeline = register(&engine, pipeline("p", all)).await;
    let run = start(&engine, &pipeline).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Errored);
    world.empty().await;
    assert_eq!(engine.status(false).await.unwrap().running_tasks, 0);
}
