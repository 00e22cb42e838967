//! Namespaces, pipelines, versions and starts as callers see them.

use std::collections::BTreeMap;
use std::sync::Arc;

use gofer_engine::{EngineError, EventFilter, EventRange, Page, Registration, RunFilter, StartRun};
use gofer_storage::fake::{Fault, FaultPlan, Gate, Operation};
use gofer_types::pipeline::{Variable, VariableType};
use gofer_types::refs::RunSelector;
use gofer_types::{
    Condition, EventKind, Namespace, PipelineId, RunState, SchedulerName, TaskState, VariableName,
    VersionNumber,
};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn namespaces_come_and_go_when_they_are_empty() {
    let world = World::new();
    let engine = world.open().await;
    let team = Namespace::new("team").unwrap();
    engine.create_namespace(&ada(), team.clone(), "one".to_owned()).await.unwrap();
    let twice = engine.create_namespace(&ada(), team.clone(), String::new()).await.unwrap_err();
    assert!(matches!(twice, EngineError::NamespaceExists { .. }));
    assert_eq!(engine.update_namespace(&ada(), &team, "two".to_owned()).await.unwrap().description, "two");
    let missing = engine.get_namespace(&Namespace::new("tam").unwrap()).await.unwrap_err();
    let EngineError::NamespaceNotFound { suggestion, .. } = missing else { panic!("{missing:?}") };
    assert_eq!(suggestion.as_deref(), Some("team"));
    let names = engine.list_namespaces(Page::default()).await.unwrap().items;
    assert_eq!(names.iter().map(|record| record.name.as_str()).collect::<Vec<_>>(), ["default", "team"]);
    let mut id = pipeline_ref("p");
    id.namespace = team.clone();
    let config = pipeline("p", vec![task("t", "exit=0", &[])]);
    let wish = Registration { pipeline: id.clone(), config, expected: Some(0) };
    engine.register_pipeline(&ada(), wish).await.unwrap();
    let full = engine.delete_namespace(&ada(), &team).await.unwrap_err();
    assert!(matches!(full, EngineError::NamespaceNotEmpty { .. }));
    engine.delete_pipeline(&ada(), &id).await.unwrap();
    engine.delete_namespace(&ada(), &team).await.unwrap();
    let own = engine.delete_namespace(&ada(), &Namespace::default_name()).await.unwrap_err();
    assert!(matches!(own, EngineError::NamespaceProtected));
}

#[tokio::test(start_paused = true)]
async fn the_same_content_is_no_new_version_and_another_is() {
    let world = World::new();
    let engine = world.open().await;
    let one = pipeline("p", vec![task("t", "exit=0", &[])]);
    let two = pipeline("p", vec![task("t", "exit=1", &[])]);
    let id = pipeline_ref("p");
    let wish = |config: &gofer_types::Pipeline, expected| Registration {
        pipeline: id.clone(),
        config: config.clone(),
        expected,
    };
    let first = engine.register_pipeline(&ada(), wish(&one, Some(0))).await.unwrap();
    assert!(!first.unchanged && first.version.version == VersionNumber(1));
    assert!(engine.register_pipeline(&ada(), wish(&one, None)).await.unwrap().unchanged);
    let moved = engine.register_pipeline(&ada(), wish(&two, Some(0))).await.unwrap_err();
    assert!(matches!(moved, EngineError::VersionMoved { expected: 0, actual: 1 }));
    engine.register_pipeline(&ada(), wish(&two, Some(1))).await.unwrap();
    let versions = engine.list_versions(&id, Page::default()).await.unwrap().items;
    assert_eq!(versions.iter().map(|version| version.version.0).collect::<Vec<_>>(), [2, 1]);
    let missing = engine.get_version(&id, Some(VersionNumber(9))).await.unwrap_err();
    assert!(matches!(missing, EngineError::VersionNotFound { .. }));
    let old = StartRun { version: Some(VersionNumber(1)), ..crate::support::wish(&id) };
    let run = engine.start_run(&ada(), old).await.unwrap().run;
    assert_eq!(run.version, VersionNumber(1), "INV-65");
    assert_eq!(end(&engine, &run.id).await.state, RunState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_run_here_is_refused_and_leaves_no_trace() {
    let world = World::new();
    let engine = world.open().await;
    let id = pipeline_ref("p");
    let caller = ada();
    let register = |config| {
        let wish = Registration { pipeline: pipeline_ref("p"), config, expected: None };
        engine.register_pipeline(&caller, wish)
    };
    let mut elsewhere = task("t", "exit=0", &[]);
    elsewhere.scheduler = SchedulerName::new("moon").ok();
    let refused = register(pipeline("p", vec![elsewhere])).await.unwrap_err();
    assert!(matches!(refused, EngineError::UnknownScheduler { .. }));
    let mut token = task("t", "exit=0", &[]);
    token.inject_token = true;
    let refused = register(pipeline("p", vec![token])).await.unwrap_err();
    assert!(matches!(refused, EngineError::Unsupported(_)));
    let cycle =
        vec![task("a", "exit=0", &[("b", Condition::Any)]), task("b", "exit=0", &[("a", Condition::Any)])];
    let refused = register(pipeline("p", cycle)).await.unwrap_err();
    assert!(matches!(refused, EngineError::InvalidPipeline { .. }), "INV-5");
    let missing = engine.get_pipeline(&id).await.unwrap_err();
    assert!(matches!(missing, EngineError::PipelineNotFound { .. }));
}

#[tokio::test(start_paused = true)]
async fn fifty_starts_with_one_key_are_one_run() {
    let world = World::new();
    let engine = Arc::new(world.open().await);
    let pipeline = register(&engine, pipeline("p", vec![task("t", "witness=w", &[])])).await;
    let keyed = StartRun { idempotency_key: Some("k".to_owned()), ..wish(&pipeline) };
    let caller = ada();
    let starts = (0..50).map(|_| engine.start_run(&caller, keyed.clone()));
    let answers = futures_util::future::join_all(starts).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.unwrap()).collect();
    assert!(answers.iter().all(|answer| answer.run.id.run.0 == 1));
    assert_eq!(answers.iter().filter(|answer| !answer.existing).count(), 1, "INV-23");
    end(&engine, &answers[0].run.id).await;
    assert_eq!(world.backend.witnesses("w"), 1);
    let mut other = keyed.clone();
    other.trigger = "cron".to_owned();
    let mismatch = engine.start_run(&ada(), other).await.unwrap_err();
    assert!(matches!(mismatch, EngineError::IdempotencyMismatch { .. }));
    let bad = StartRun { idempotency_key: Some("a b".to_owned()), ..keyed };
    let refused = engine.start_run(&ada(), bad).await.unwrap_err();
    assert!(matches!(refused, EngineError::InvalidIdempotencyKey));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_does_not_take_its_run_along() {
    let world = World::new();
    let gate = Gate::default();
    let plan = FaultPlan::none();
    let engine = world.open_with(plan.clone()).await.unwrap();
    let pipeline = register(&engine, pipeline("p", vec![task("t", "witness=w", &[])])).await;
    plan.next(Operation::Commit, Fault::Wait(gate.clone()));
    {
        let caller = ada();
        let start = engine.start_run(&caller, wish(&pipeline));
        tokio::select! {
            _ = start => panic!("the commit waits"),
            () = gate.reached() => {}
        }
    }
    gate.open();
    let run = pipeline.run(gofer_types::RunNumber(1));
    gofer_testkit::wait_for("the run", || async {
        engine.get_run(&run).await.map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_gives_the_turn_of_its_change_to_nobody_before_it_is_written() {
    let world = World::new();
    let gate = Gate::default();
    let plan = FaultPlan::none();
    let engine = world.open_with(plan.clone()).await.unwrap();
    let (caller, team) = (ada(), Namespace::new("team").unwrap());
    engine.create_namespace(&caller, team.clone(), "one".to_owned()).await.unwrap();
    plan.next(Operation::Commit, Fault::Wait(gate.clone()));
    tokio::select! {
        _ = engine.delete_namespace(&caller, &team) => panic!("the commit waits"),
        () = gate.reached() => {}
    }
    let mut id = pipeline_ref("p");
    id.namespace = team.clone();
    let config = pipeline("p", vec![task("t", "exit=0", &[])]);
    let wish = Registration { pipeline: id, config, expected: None };
    let change = engine.update_namespace(&caller, &team, "two".to_owned());
    let register = engine.register_pipeline(&caller, wish);
    let open = async {
        // both have come as far as they can
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        gate.open();
    };
    let (changed, registered, ()) = tokio::join!(change, register, open);
    assert!(matches!(changed, Err(EngineError::NamespaceNotFound { .. })), "{changed:?}");
    assert!(matches!(registered, Err(EngineError::NamespaceNotFound { .. })), "{registered:?}");
    let all = engine.list_pipelines(None, Page::default()).await.unwrap().items;
    assert!(all.is_empty(), "no pipeline is in a namespace that is not there");
}

#[tokio::test(start_paused = true)]
async fn a_disabled_pipeline_starts_nothing_and_its_runs_go_on() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "gate=go", &[])])).await;
    let run = start(&engine, &pipeline).await;
    engine.set_pipeline_enabled(&ada(), &pipeline, false).await.unwrap();
    let refused = engine.start_run(&ada(), wish(&pipeline)).await.unwrap_err();
    assert!(matches!(refused, EngineError::PipelineDisabled { .. }));
    world.backend.open_gate("go");
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    engine.set_pipeline_enabled(&ada(), &pipeline, true).await.unwrap();
    let run = start(&engine, &pipeline).await;
    assert_eq!(run.run.0, 2);
    end(&engine, &run).await;
}

#[tokio::test(start_paused = true)]
async fn no_run_is_created_behind_the_event_that_forbids_it() {
    let world = World::new();
    let engine = Arc::new(world.open().await);
    let pipeline = register(&engine, pipeline("p", vec![task("t", "exit=0", &[])])).await;
    let caller = ada();
    let starts = async {
        let mut runs = Vec::new();
        for _ in 0..200 {
            match engine.start_run(&caller, wish(&pipeline)).await {
                Ok(accepted) => runs.push(accepted.run.id),
                Err(EngineError::PipelineDisabled { .. }) => break,
                Err(other) => panic!("{other:?}"),
            }
        }
        runs
    };
    let disable = async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        engine.set_pipeline_enabled(&caller, &pipeline, false).await.unwrap();
    };
    let (runs, ()) = tokio::join!(starts, disable);
    for run in runs {
        end(&engine, &run).await;
    }
    let page = Page { size: 1000, token: None };
    let events = engine.list_events(EventFilter::default(), EventRange::default(), page).await.unwrap().items;
    let forbidden =
        events.iter().find(|event| matches!(event.kind, EventKind::PipelineEnabled { .. })).unwrap().seq;
    let mut first: BTreeMap<u64, u64> = BTreeMap::new();
    for event in &events {
        if let EventKind::Run { run, .. } = &event.kind {
            first.entry(run.run.0).or_insert(event.seq);
        }
    }
    assert!(first.values().all(|seq| *seq < forbidden), "INV-39");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pipeline_is_gone_and_its_numbers_are_not_used_again() {
    let world = World::new();
    let engine = world.open().await;
    let config = pipeline("p", vec![task("t", "print=x,gate=go", &[])]);
    let pipeline = register(&engine, config.clone()).await;
    let run = start(&engine, &pipeline).await;
    let busy = engine.delete_pipeline(&ada(), &pipeline).await.unwrap_err();
    assert!(matches!(busy, EngineError::PipelineActive { active: 1, .. }));
    world.backend.open_gate("go");
    end(&engine, &run).await;
    engine.delete_pipeline(&ada(), &pipeline).await.unwrap();
    assert!(matches!(engine.get_run(&run).await.unwrap_err(), EngineError::PipelineNotFound { .. }));
    let all = engine.list_runs(RunFilter::default(), Page::default()).await.unwrap();
    assert!(all.items.is_empty());
    world.crash(engine).await;
    let engine = world.open().await;
    let again = register(&engine, config).await;
    assert_eq!(engine.get_pipeline(&again).await.unwrap().0.latest, VersionNumber(2));
    let run = start(&engine, &again).await;
    assert_eq!(run.run.0, 2, "INV-14");
    assert_eq!(engine.get_pipeline(&again).await.unwrap().0.next_run, 3);
    end(&engine, &run).await;
}

#[tokio::test(start_paused = true)]
async fn a_long_deletion_lets_other_changes_in() {
    let world = World::new();
    let engine = world.open().await;
    let old = register(&engine, pipeline("old", vec![task("t", "print=x", &[])])).await;
    let run = start(&engine, &old).await;
    end(&engine, &run).await;
    let order = std::sync::Mutex::new(Vec::new());
    let delete = async {
        engine.delete_pipeline(&ada(), &old).await.unwrap();
        order.lock().unwrap().push("deleted");
    };
    let change = async {
        register(&engine, pipeline("new", vec![task("t", "exit=0", &[])])).await;
        order.lock().unwrap().push("registered");
    };
    tokio::join!(delete, change);
    assert_eq!(*order.lock().unwrap(), ["registered", "deleted"]);
    assert!(matches!(engine.get_run(&run).await.unwrap_err(), EngineError::PipelineNotFound { .. }));
}

#[tokio::test(start_paused = true)]
async fn variables_are_checked_against_the_version() {
    let world = World::new();
    let engine = world.open().await;
    let mut config = pipeline("p", vec![task("t", "exit=0", &[])]);
    let variable = Variable {
        kind: VariableType::String,
        default: Some("main".to_owned()),
        allowed: Vec::new(),
        description: String::new(),
        sensitive: false,
    };
    config.variables.insert(VariableName::new("rev").unwrap(), variable);
    let pipeline = register(&engine, config).await;
    let run = engine.start_run(&ada(), wish(&pipeline)).await.unwrap().run;
    assert_eq!(run.variables.values().collect::<Vec<_>>(), ["main"]);
    let mut unknown = wish(&pipeline);
    unknown.variables.insert("revv".to_owned(), "x".to_owned());
    let refused = engine.start_run(&ada(), unknown).await.unwrap_err();
    assert!(matches!(refused, EngineError::InvalidVariables(_)));
    let mut huge = wish(&pipeline);
    huge.variables.insert("rev".to_owned(), "x".repeat(100_000));
    let refused = engine.start_run(&ada(), huge).await.unwrap_err();
    assert!(matches!(refused, EngineError::VariablesTooLarge { .. }));
    end(&engine, &run.id).await;
}

#[tokio::test(start_paused = true)]
async fn selectors_find_the_newest_run_and_the_newest_failed_one() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline_id = pipeline_ref("p");
    register(&engine, pipeline("p", vec![task("t", "exit=1", &[])])).await;
    let none = engine.resolve_run(&pipeline_id, RunSelector::Latest).await.unwrap_err();
    assert!(matches!(none, EngineError::NoSuchRun { .. }));
    let failed = start(&engine, &pipeline_id).await;
    end(&engine, &failed).await;
    register(&engine, pipeline("p", vec![task("t", "exit=0", &[])])).await;
    let good = start(&engine, &pipeline_id).await;
    end(&engine, &good).await;
    assert_eq!(engine.resolve_run(&pipeline_id, RunSelector::Latest).await.unwrap(), good);
    assert_eq!(engine.resolve_run(&pipeline_id, RunSelector::LatestFailed).await.unwrap(), failed);
    let filter = RunFilter {
        pipeline: PipelineId::new("p").ok(),
        states: vec![RunState::Failed],
        ..RunFilter::default()
    };
    let found = engine.list_runs(filter, Page::default()).await.unwrap().items;
    assert_eq!(found.into_iter().map(|run| run.id).collect::<Vec<_>>(), [failed]);
    let missing = engine.get_task_run(&good.task(task_id("tt"))).await.unwrap_err();
    assert!(matches!(missing, EngineError::TaskNotFound { suggestion: Some(meant), .. } if meant == "t"));
    assert_eq!(state_of(&engine, &good, "t").await.state, TaskState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_was_shut_down_takes_no_more_calls() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "exit=0", &[])])).await;
    engine.shutdown().await;
    let refused = engine.start_run(&ada(), wish(&pipeline)).await.unwrap_err();
    assert!(matches!(refused, EngineError::ShuttingDown));
}
