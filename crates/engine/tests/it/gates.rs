//! Tasks that no scheduler runs: approvals, and runs of other pipelines.

use std::collections::BTreeMap;
use std::time::Duration;

use gofer_engine::{AnswerTask, Engine, EngineError, RetryRun, RunFilter, Scope};
use gofer_types::pipeline::{Action, Approval, SubPipeline, Text, Variable, VariableType};
use gofer_types::{
    Cause, Condition, Pipeline, PipelineId, PipelineRef, RunRef, RunState, Span, Task, TaskState,
    VariableName,
};

use crate::support::*;

fn after(mut task: Task, parents: &[(&str, Condition)]) -> Task {
    task.depends_on = parents.iter().map(|(parent, wanted)| (task_id(parent), *wanted)).collect();
    task
}

fn approval(id: &str, expires: Option<u64>) -> Task {
    let version = Variable {
        kind: VariableType::Number,
        default: None,
        allowed: vec!["1".to_owned(), "2".to_owned()],
        description: "Which".to_owned(),
        sensitive: false,
    };
    let fields = BTreeMap::from([(VariableName::new("release").unwrap(), version)]);
    let expires = expires.map(Span::from_secs);
    Task::new(task_id(id), Action::Approval(Approval { message: Text::from("Go?"), expires, fields }))
}

fn child(id: &str, pipeline: &str) -> Task {
    let id_of = PipelineId::new(pipeline).unwrap();
    let variables = BTreeMap::new();
    let child = SubPipeline { id: id_of, namespace: None, version: None, variables };
    Task::new(task_id(id), Action::Pipeline(child))
}

fn yes(release: &str) -> AnswerTask {
    let fields = BTreeMap::from([("release".to_owned(), release.to_owned())]);
    AnswerTask { approved: true, note: "looks good".to_owned(), fields }
}

async fn asking(engine: &Engine, run: &RunRef) -> gofer_types::TaskRef {
    until(engine, run, "ask", TaskState::Running).await;
    run.task(task_id("ask"))
}

async fn child_of(engine: &Engine, pipeline: &PipelineRef) -> RunRef {
    let (namespace, pipeline) = (Some(pipeline.namespace.clone()), Some(pipeline.pipeline.clone()));
    gofer_testkit::wait_for("the child", || async {
        let filter =
            RunFilter { namespace: namespace.clone(), pipeline: pipeline.clone(), ..RunFilter::default() };
        let runs = engine.list_runs(filter, Default::default()).await.unwrap().items;
        runs.into_iter().next().map(|run| run.id).ok_or_else(|| "there is none".to_owned())
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_on_when_somebody_approves_and_later_tasks_are_given_the_answer() {
    let mut world = World::new();
    world.options.queue.server.running_tasks = 1;
    let engine = world.open().await;
    let tasks = vec![
        approval("ask", None),
        after(task("ship", "env", &[]), &[("ask", Condition::Successful)]),
        task("beside", "env", &[]),
    ];
    let run = start(&engine, &register(&engine, pipeline("p", tasks)).await).await;
    let ask = asking(&engine, &run).await;
    let (waiting, attempts) = engine.get_task_run(&ask).await.unwrap();
    assert_eq!((waiting.cause, attempts.len()), (Cause::WaitingForApproval, 1));
    until(&engine, &run, "beside", TaskState::Succeeded).await;
    for (wish, problem) in
        [(yes("3"), "one of"), (AnswerTask { approved: true, ..AnswerTask::default() }, "required")]
    {
        let refused = engine.answer_task(&ada(), &ask, wish).await;
        let Err(EngineError::InvalidVariables(problems)) = refused else { panic!("{refused:?}") };
        assert!(problems[0].to_string().contains(problem), "{problems:?}");
    }
    let answered = engine.answer_task(&ada(), &ask, yes("2")).await.unwrap();
    assert_eq!(answered.state, TaskState::Succeeded);
    let Cause::Approved(answer) = answered.cause else { panic!("{:?}", answered.cause) };
    assert_eq!((answer.actor, answer.note.as_str()), (ada().actor, "looks good"));
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    let lines = output(&engine, &run, true).await;
    assert!(lines.contains(&"ship: release=2".to_owned()), "{lines:?}");
    assert!(!lines.contains(&"beside: release=2".to_owned()), "what does not depend on it is not given it");
    let again = engine.answer_task(&ada(), &ask, yes("1")).await;
    assert!(matches!(again, Err(EngineError::NotAsking { .. })), "an answer is final: {again:?}");
    world.empty().await;
    assert_eq!(engine.status(false).await.unwrap().running_tasks, 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_would_not_fit_into_a_record_is_refused_and_the_task_goes_on_asking() {
    let world = World::new();
    let engine = world.open().await;
    let mut ask = approval("ask", None);
    let Action::Approval(approval) = &mut ask.action else { panic!() };
    let text = approval.fields.values_mut().next().unwrap();
    (text.kind, text.allowed) = (VariableType::String, Vec::new());
    let run = start(&engine, &register(&engine, pipeline("p", vec![ask])).await).await;
    let ask = asking(&engine, &run).await;
    let refused = engine.answer_task(&ada(), &ask, yes(&"x".repeat(70_000))).await;
    assert!(matches!(refused, Err(EngineError::VariablesTooLarge { limit: 8_192, .. })), "{refused:?}");
    engine.answer_task(&ada(), &ask, yes(&"x".repeat(8_000))).await.unwrap();
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_does_not_ask_again_knows_the_answer_of_the_run_that_it_repeats() {
    let world = World::new();
    let mut engine = world.open().await;
    let ship = task("ship", "env,exit=1", &[]);
    let tasks = vec![approval("ask", None), after(ship, &[("ask", Condition::Successful)])];
    let id = register(&engine, Pipeline { parallelism: 1, ..pipeline("p", tasks) }).await;
    let mut run = start(&engine, &id).await;
    let answered = engine.answer_task(&ada(), &asking(&engine, &run).await, yes("2")).await.unwrap();
    assert_eq!(end(&engine, &run).await.state, RunState::Failed);
    let occupied = start(&engine, &id).await;
    asking(&engine, &occupied).await;
    for _ in 0..2 {
        let wish = RetryRun {
            run: run.clone(),
            scope: Scope::FromFailed,
            idempotency_key: None,
            trigger: "manual".to_owned(),
        };
        run = engine.retry_run(&ada(), wish).await.unwrap().run.id;
        // the first of them waits for its turn when the server dies
        world.crash(engine).await;
        engine = world.open().await;
        engine.cancel_run(&ada(), &occupied, String::new(), false).await.unwrap();
        assert_eq!(end(&engine, &run).await.state, RunState::Failed);
        let reused = state_of(&engine, &run, "ask").await.cause;
        assert!(matches!(&reused, Cause::Reused { run, .. } if run.0 < 4), "{reused:?}");
        assert_eq!(
            reused.approval(),
            answered.cause.approval(),
            "in run 3 it is known from run 2, which reused it"
        );
        let lines = output(&engine, &run, true).await;
        assert!(lines.contains(&"ship: release=2".to_owned()), "{lines:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_fails_the_task_and_an_answer_that_does_not_come_times_it_out() {
    let world = World::new();
    let engine = world.open().await;
    let tasks = || {
        vec![
            approval("ask", Some(600)),
            after(task("ship", "witness=x", &[]), &[("ask", Condition::Successful)]),
        ]
    };
    let pipeline = register(&engine, pipeline("p", tasks())).await;
    let run = start(&engine, &pipeline).await;
    let ask = asking(&engine, &run).await;
    let no = AnswerTask { note: "not today".to_owned(), ..AnswerTask::default() };
    assert_eq!(engine.answer_task(&ada(), &ask, no).await.unwrap().state, TaskState::Failed);
    assert_eq!(end(&engine, &run).await.state, RunState::Failed);
    let run = start(&engine, &pipeline).await;
    asking(&engine, &run).await;
    let record = end(&engine, &run).await;
    assert_eq!(record.state, RunState::Failed);
    let task = state_of(&engine, &run, "ask").await;
    assert_eq!((task.state, task.cause), (TaskState::TimedOut, Cause::Deadline(Duration::from_secs(600))));
    assert_eq!(world.backend.witnesses("x"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_approval_waits_over_a_restart_and_ends_with_a_cancel() {
    let world = World::new();
    let engine = world.open().await;
    let tasks =
        vec![approval("ask", None), after(task("ship", "env", &[]), &[("ask", Condition::Successful)])];
    let pipeline = register(&engine, pipeline("p", tasks)).await;
    let (run, other) = (start(&engine, &pipeline).await, start(&engine, &pipeline).await);
    asking(&engine, &run).await;
    asking(&engine, &other).await;
    world.crash(engine).await;
    let engine = world.open().await;
    let ask = asking(&engine, &run).await;
    engine.answer_task(&ada(), &ask, yes("1")).await.unwrap();
    world.crash(engine).await;
    let engine = world.open().await;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    assert!(output(&engine, &run, true).await.contains(&"ship: release=1".to_owned()), "the answer is kept");
    engine.cancel_run(&ada(), &other, "no".to_owned(), false).await.unwrap();
    assert_eq!(end(&engine, &other).await.state, RunState::Cancelled);
    world.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_starts_a_run_of_another_pipeline_and_takes_its_end() {
    let ends = [
        ("exit=0", TaskState::Succeeded, RunState::Succeeded),
        ("exit=3", TaskState::Failed, RunState::Failed),
        ("lost=gone", TaskState::Errored, RunState::Errored),
    ];
    let world = World::new();
    let engine = world.open().await;
    for (script, state, whole) in ends {
        let inner = register(&engine, pipeline("inner", vec![task("t", script, &[])])).await;
        let outer = register(&engine, pipeline("outer", vec![child("go", "inner")])).await;
        let run = start(&engine, &outer).await;
        assert_eq!(end(&engine, &run).await.state, whole, "{script}");
        let (task, attempts) = engine.get_task_run(&run.task(task_id("go"))).await.unwrap();
        assert_eq!(task.state, state, "{script}");
        let Cause::ChildRun { run: child, .. } = task.cause else { panic!("{:?}", task.cause) };
        assert_eq!(attempts[0].handle, Some(child.to_string()));
        let child = engine.get_run(&child).await.unwrap();
        assert_eq!((child.id.pipeline, child.parent), (inner, Some(run.task(task_id("go")))));
        assert_eq!(child.actor, ada().actor);
    }
    world.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_child_does_not_wait_for_the_place_that_its_parent_holds() {
    let mut world = World::new();
    (world.options.queue.server.running_runs, world.options.queue.server.running_tasks) = (1, 1);
    let engine = world.open().await;
    register(&engine, pipeline("inner", vec![task("t", "exit=0", &[])])).await;
    register(&engine, pipeline("middle", vec![child("go", "inner")])).await;
    let outer =
        register(&engine, pipeline("outer", vec![child("go", "middle"), task("beside", "exit=0", &[])]))
            .await;
    let (first, second) = (start(&engine, &outer).await, start(&engine, &outer).await);
    assert_eq!(end(&engine, &first).await.state, RunState::Succeeded);
    assert_eq!(end(&engine, &second).await.state, RunState::Succeeded);
    let status = engine.status(false).await.unwrap();
    assert_eq!((status.running_runs, status.running_tasks, status.queued_runs), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_of_the_parent_reaches_the_child_and_one_of_the_child_fails_the_parent() {
    let world = World::new();
    let engine = world.open().await;
    let inner = register(&engine, pipeline("inner", vec![task("t", "hang", &[])])).await;
    let outer = register(&engine, pipeline("outer", vec![child("go", "inner")])).await;
    let run = start(&engine, &outer).await;
    let first = child_of(&engine, &inner).await;
    until(&engine, &first, "t", TaskState::Running).await;
    engine.cancel_run(&ada(), &run, "enough".to_owned(), false).await.unwrap();
    assert_eq!(end(&engine, &run).await.state, RunState::Cancelled);
    assert_eq!(end(&engine, &first).await.state, RunState::Cancelled);
    let run = start(&engine, &outer).await;
    until(&engine, &run, "go", TaskState::Running).await;
    let second = inner.run(gofer_types::RunNumber(2));
    engine.cancel_run(&ada(), &second, String::new(), true).await.unwrap();
    assert_eq!(end(&engine, &run).await.state, RunState::Failed, "INV-8");
    assert_eq!(state_of(&engine, &run, "go").await.state, TaskState::Cancelled);
    world.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_child_is_started_once_and_found_again_over_restarts() {
    let world = World::new();
    let engine = world.open().await;
    let inner = register(&engine, pipeline("inner", vec![task("t", "witness=t,gate=go", &[])])).await;
    let outer = register(&engine, pipeline("outer", vec![child("go", "inner")])).await;
    let run = start(&engine, &outer).await;
    let child = child_of(&engine, &inner).await;
    until(&engine, &child, "t", TaskState::Running).await;
    world.crash(engine).await;
    let engine = world.open().await;
    world.backend.open_gate("go");
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    assert_eq!(world.backend.witnesses("t"), 1);
    let runs = engine.list_runs(RunFilter::default(), Default::default()).await.unwrap().items;
    assert_eq!(runs.len(), 2, "INV-23");
}

#[tokio::test(start_paused = true)]
async fn pipelines_that_would_wait_for_themselves_or_for_nothing_are_refused() {
    let world = World::new();
    let engine = world.open().await;
    let refused = |config: Pipeline| {
        let engine = engine.clone();
        async move {
            let pipeline = pipeline_ref(config.id.as_str());
            let wish = gofer_engine::Registration { pipeline, config, expected: None };
            match engine.register_pipeline(&ada(), wish).await {
                Err(EngineError::InvalidPipeline { reason }) => reason,
                other => panic!("{other:?}"),
            }
        }
    };
    assert!(refused(pipeline("a", vec![child("go", "a")])).await.contains("its own pipeline"));
    assert!(refused(pipeline("a", vec![child("go", "b")])).await.contains("not there"));
    register(&engine, pipeline("a", vec![task("t", "exit=0", &[])])).await;
    register(&engine, pipeline("b", vec![child("go", "a")])).await;
    register(&engine, pipeline("c", vec![child("go", "b")])).await;
    assert!(refused(pipeline("a", vec![child("go", "c")])).await.contains("its own pipeline"));
}
