//! Section 3: starting a run, and what it stands on from then on.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use gofer_backend::ErrorKind;
use gofer_engine::{Engine, EngineError, RetryRun, Scope, Selection, StartRun};
use gofer_storage::fake::{Fault, FaultPlan, Gate, Operation};
use gofer_types::pipeline::{Variable, VariableType};
use gofer_types::{
    Cause, Condition, LabelKey, Pipeline, PipelineRef, RunNumber, RunRef, RunState, Span, Task, TaskState,
    VariableName, VersionNumber,
};

use super::help::*;
use crate::support::*;

fn variable(default: Option<&str>) -> Variable {
    Variable {
        kind: VariableType::String,
        default: default.map(str::to_owned),
        allowed: Vec::new(),
        description: String::new(),
        sensitive: false,
    }
}

fn with_variable(config: Pipeline, name: &str, default: Option<&str>) -> Pipeline {
    let mut config = config;
    config.variables.insert(VariableName::new(name).unwrap(), variable(default));
    config
}

/// What a run may be asked for beside its pipeline.
fn wishes(pipeline: &PipelineRef) -> Vec<StartRun> {
    let labels = BTreeMap::from([(LabelKey::new("team").unwrap(), "core".to_owned())]);
    let only = Selection { only: vec![task_id("t")], ..Selection::default() };
    vec![
        wish(pipeline),
        StartRun { idempotency_key: Some("k".to_owned()), ..wish(pipeline) },
        StartRun { variables: BTreeMap::from([("rev".to_owned(), "next".to_owned())]), ..wish(pipeline) },
        StartRun { images: BTreeMap::from([(task_id("t"), "other:2".to_owned())]), ..wish(pipeline) },
        StartRun { labels, priority: 3, trigger: "cron nightly".to_owned(), ..wish(pipeline) },
        StartRun { selection: only, ..wish(pipeline) },
    ]
}

fn config() -> Pipeline {
    let tasks = vec![task("t", "witness=t", &[]), task("u", "exit=0", &[])];
    with_variable(pipeline("p", tasks), "rev", Some("main"))
}

/// Start answers after the run is durable: a crash right behind the answer loses nothing of it.
#[tokio::test(start_paused = true)]
async fn a_run_that_was_answered_is_there_after_a_crash() {
    for number in 0..wishes(&pipeline_ref("p")).len() {
        let world = World::new();
        let engine = world.open().await;
        let pipeline = register(&engine, config()).await;
        let wish = wishes(&pipeline).swap_remove(number);
        let answered = engine.start_run(&ada(), wish).await.unwrap().run;
        world.crash(engine).await;
        let engine = world.open().await;
        let found = engine.get_run(&answered.id).await.unwrap();
        let of = |run: &gofer_types::RunRecord| {
            (run.id.clone(), run.version, run.variables.clone(), run.images.clone(), run.labels.clone())
        };
        assert_eq!(of(&found), of(&answered), "INV-22");
        assert_eq!((found.chosen, found.trigger), (answered.chosen, answered.trigger));
        assert_eq!(end(&engine, &answered.id).await.state, RunState::Succeeded);
        assert_eq!(world.backend.witnesses("t"), 1);
    }
}

/// Start answers after the run is durable: not before the sync, and not at all if there is none.
#[tokio::test(start_paused = true)]
async fn a_start_is_not_answered_and_nothing_runs_before_the_run_is_on_disk() {
    let world = World::new();
    let plan = FaultPlan::none();
    let engine = world.open_with(plan.clone()).await.unwrap();
    let pipeline = register(&engine, config()).await;
    let gate = Gate::default();
    plan.next(Operation::Sync, Fault::Wait(gate.clone()));
    let actor = ada();
    let mut answer = Box::pin(engine.start_run(&actor, wish(&pipeline)));
    assert!((&mut answer).now_or_never().is_none());
    gate.reached().await;
    pass(&world, 60).await;
    assert!((&mut answer).now_or_never().is_none(), "the disk has not answered");
    assert_eq!(world.backend.tasks(), 0, "INV-17");
    gate.open();
    let run = answer.await.unwrap().run.id;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    for kind in [ErrorKind::Exhausted, ErrorKind::Unavailable] {
        plan.next(Operation::Commit, Fault::Error(kind));
        let refused = engine.start_run(&ada(), wish(&pipeline)).await;
        assert!(refused.is_err(), "{kind:?}");
    }
    world.crash(engine).await;
    let engine = world.open().await;
    let run = start(&engine, &pipeline).await;
    end(&engine, &run).await;
    assert_eq!(world.backend.witnesses("t"), 2, "what was not answered never ran");
}

/// When the second start comes.
#[derive(Debug, Clone, Copy)]
enum Again {
    AtOnce,
    AtTheSameTime,
    AfterTheEnd,
    AfterACrash,
    AfterAnotherVersion,
}

/// An idempotency key makes a repeated start return the same run.
#[tokio::test(start_paused = true)]
async fn a_start_that_is_repeated_under_its_key_is_the_same_run() {
    use Again::{AfterACrash, AfterAnotherVersion, AfterTheEnd, AtOnce, AtTheSameTime};
    for again in [AtOnce, AtTheSameTime, AfterTheEnd, AfterACrash, AfterAnotherVersion] {
        let world = World::new();
        let mut engine = world.open().await;
        let pipeline = register(&engine, config()).await;
        let keyed = || StartRun { idempotency_key: Some("k".to_owned()), ..wish(&pipeline) };
        let actor = ada();
        let first = engine.start_run(&actor, keyed());
        let (first, second) = match again {
            AtTheSameTime => {
                let (first, second) =
                    futures_util::future::join(first, engine.start_run(&actor, keyed())).await;
                (first.unwrap(), second.unwrap())
            }
            _ => {
                let first = first.await.unwrap();
                match again {
                    AfterTheEnd => drop(end(&engine, &first.run.id).await),
                    AfterACrash => {
                        world.crash(engine).await;
                        engine = world.open().await;
                    }
                    AfterAnotherVersion => {
                        let other = Pipeline { description: "another".to_owned(), ..config() };
                        register(&engine, other).await;
                    }
                    AtOnce | AtTheSameTime => {}
                }
                let second = engine.start_run(&ada(), keyed()).await.unwrap();
                (first, second)
            }
        };
        assert_eq!(first.run.id, second.run.id, "{again:?}");
        assert_eq!([first.existing, second.existing].iter().filter(|is| **is).count(), 1, "{again:?}");
        end(&engine, &first.run.id).await;
        assert_eq!(world.backend.witnesses("t"), 1, "{again:?}");
        assert!(engine.get_run(&pipeline.run(RunNumber(2))).await.is_err(), "{again:?}: one run");
    }
}

/// The key stands for one start of one pipeline: other arguments are refused, another pipeline has its own keys.
#[tokio::test(start_paused = true)]
async fn a_key_stands_for_its_arguments_and_its_pipeline() {
    let world = World::new();
    let engine = world.open().await;
    let one = register(&engine, config()).await;
    let other = register(&engine, Pipeline { id: "q".parse().unwrap(), ..config() }).await;
    let keyed = |wish: StartRun| StartRun { idempotency_key: Some("k".to_owned()), ..wish };
    let first = engine.start_run(&ada(), keyed(wish(&one))).await.unwrap();
    for different in wishes(&one).into_iter().skip(2) {
        let refused = engine.start_run(&ada(), keyed(different.clone())).await;
        assert!(
            matches!(&refused, Err(EngineError::IdempotencyMismatch { run }) if *run == first.run.id),
            "{different:?}: {refused:?}"
        );
    }
    let elsewhere = engine.start_run(&ada(), keyed(wish(&other))).await.unwrap();
    assert!(!elsewhere.existing && elsewhere.run.id.pipeline == other);
}

/// A run records its version, variables, overrides, actor and cause.
#[tokio::test(start_paused = true)]
async fn a_run_records_what_it_was_asked_for_and_by_whom() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, config()).await;
    register(&engine, Pipeline { description: "second".to_owned(), ..config() }).await;
    let version = |number: Option<u64>| StartRun { version: number.map(VersionNumber), ..wish(&pipeline) };
    for (number, expected) in [(None, 2), (Some(2), 2), (Some(1), 1)] {
        let run = engine.start_run(&ada(), version(number)).await.unwrap().run;
        assert_eq!(run.version, VersionNumber(expected));
    }
    let rev = VariableName::new("rev").unwrap();
    for (wish, value) in wishes(&pipeline).into_iter().zip(["main", "main", "next", "main", "main", "main"]) {
        let run = engine.start_run(&bob(), wish.clone()).await.unwrap().run;
        assert_eq!((&run.actor, &run.trigger), (&bob().actor, &wish.trigger));
        assert_eq!(run.variables[&rev], value, "given, or the default of the version");
        assert_eq!((&run.images, run.priority), (&wish.images, wish.priority));
        assert_eq!(run.chosen.is_some(), !wish.selection.is_all());
        assert_eq!((run.idempotency_key, run.labels), (wish.idempotency_key, wish.labels));
        assert_eq!((run.state, run.cause), (RunState::Running, Cause::UnderWay));
    }
}

/// A change of the configuration that no run may see that began before it.
type Change = (&'static str, fn(&mut Pipeline));

fn t(config: &mut Pipeline) -> &mut Task {
    config.tasks.iter_mut().find(|task| task.id.as_str() == "t").unwrap()
}

fn changes() -> [Change; 9] {
    [
        ("script", |config| t(config).action = task("t", "exit=9", &[]).action),
        ("image", |config| t(config).image = "fake:missing".to_owned()),
        ("time limit of the task", |config| t(config).timeout = Some(Span::from_secs(1))),
        ("time limit of the run", |config| config.timeout = Some(Span::from_secs(1))),
        ("logging", |config| config.logging = false),
        ("environment", |config| t(config).env_vars = BTreeMap::from([("FAKE".to_owned(), "exit=9".into())])),
        ("graph", |config| drop(config.tasks.pop())),
        ("condition", |config| {
            *t(config).depends_on.get_mut(&task_id("gate")).unwrap() = Condition::Failure;
        }),
        ("default of a variable", |config| *config = with_variable(config.clone(), "rev", Some("x"))),
    ]
}

/// A run never reads today's configuration again: neither while it runs, nor after a restart, nor when it is retried.
#[tokio::test(start_paused = true)]
async fn a_run_never_reads_todays_configuration_again() {
    for restart in [false, true] {
        for (what, change) in changes() {
            let world = World::new();
            let mut engine = world.open().await;
            let tasks = vec![
                task("gate", "gate=go", &[]),
                task("t", "print=said,run=5s", &[("gate", Condition::Successful)]),
                task("last", "witness=last,env", &[("t", Condition::Successful)]),
            ];
            let config = with_variable(pipeline("p", tasks), "rev", Some("main"));
            let id = register(&engine, config.clone()).await;
            let run = start(&engine, &id).await;
            until(&engine, &run, "gate", TaskState::Running).await;
            let mut today = config.clone();
            change(&mut today);
            register(&engine, today).await;
            if restart {
                world.crash(engine).await;
                engine = world.open().await;
            }
            world.backend.open_gate("go");
            looks_as_before(&engine, &run, what).await;
            let again = RetryRun {
                run: run.clone(),
                scope: Scope::All,
                idempotency_key: None,
                trigger: "manual".to_owned(),
            };
            let again = engine.retry_run(&ada(), again).await.unwrap().run;
            looks_as_before(&engine, &again.id, what).await;
            assert_eq!(world.backend.witnesses("last"), 2, "{what}");
        }
    }
}

async fn looks_as_before(engine: &Engine, run: &RunRef, what: &str) {
    let record = end(engine, run).await;
    assert_eq!((record.state, record.version), (RunState::Succeeded, VersionNumber(1)), "{what}");
    let lines = output(engine, run, true).await;
    for line in ["t: said", "last: rev=main", "last: GOFER_PIPELINE_VERSION=1"] {
        assert!(lines.contains(&line.to_owned()), "{what}: {lines:?}");
    }
}

fn ids(names: &[&str]) -> Vec<gofer_types::TaskId> {
    names.iter().map(|name| task_id(name)).collect()
}

/// only / from: a subset is run; refused before anything starts if a chosen task needs one that is not chosen (`--with-parents`
/// adds them).
#[tokio::test(start_paused = true)]
async fn a_subset_is_run_or_refused_before_anything_starts() {
    type Wanted = Result<&'static [&'static str], &'static str>;
    // a -> b -> c, a -> d; e alone
    let cases: [(&[&str], &[&str], bool, Wanted); 12] = [
        (&["a"], &[], false, Ok(&["a"])),
        (&["a", "b"], &[], false, Ok(&["a", "b"])),
        (&["e"], &[], false, Ok(&["e"])),
        (&["b"], &[], false, Err("task `b` needs `a`, which is not chosen")),
        (&["a", "c"], &[], false, Err("task `c` needs `b`, which is not chosen")),
        (&["c"], &[], true, Ok(&["a", "b", "c"])),
        (&[], &["a"], false, Ok(&["a", "b", "c", "d"])),
        (&[], &["b"], false, Err("task `b` needs `a`, which is not chosen")),
        (&[], &["b"], true, Ok(&["a", "b", "c"])),
        (&["a", "e"], &["b"], false, Ok(&["a", "b", "c", "e"])),
        (&["x"], &[], false, Err("the pipeline has no task `x`")),
        (&[], &["x"], true, Err("the pipeline has no task `x`")),
    ];
    let all = ["a", "b", "c", "d", "e"];
    for (only, from, with_parents, expected) in cases {
        let world = World::new();
        let engine = world.open().await;
        let after = |parent| vec![(parent, Condition::Successful)];
        let parents = [vec![], after("a"), after("b"), after("a"), vec![]];
        let one = |(name, parents): (&str, Vec<_>)| task(name, &format!("witness={name}"), &parents);
        let tasks = all.into_iter().zip(parents).map(one).collect();
        let id = register(&engine, pipeline("p", tasks)).await;
        let selection = Selection { only: ids(only), from: ids(from), with_parents };
        let started = engine.start_run(&ada(), StartRun { selection, ..wish(&id) }).await;
        match (started, expected) {
            (Ok(accepted), Ok(chosen)) => {
                assert_eq!(end(&engine, &accepted.run.id).await.state, RunState::Succeeded);
                let ran: Vec<&str> =
                    all.into_iter().filter(|name| world.backend.witnesses(name) == 1).collect();
                assert_eq!(ran, chosen, "{only:?} {from:?} {with_parents}");
            }
            (Err(EngineError::InvalidStart(problems)), Err(rule)) => {
                assert_eq!((problems.len(), problems[0].rule.as_str()), (1, rule));
                assert_eq!(world.backend.tasks(), 0);
                assert_eq!(start(&engine, &id).await.run, RunNumber(1), "it took no number");
            }
            (other, _) => panic!("{only:?} {from:?} {with_parents}: {other:?}"),
        }
    }
}

/// image override per task at start: recorded beside the original, repeated by retry; the next run has the configured image.
#[tokio::test(start_paused = true)]
async fn an_image_override_is_recorded_repeated_by_a_retry_and_gone_with_the_next_run() {
    let cases = [("other:2", Ok(RunState::Failed)), ("fake:missing", Ok(RunState::Errored)), ("", Err(()))];
    for (image, expected) in cases {
        let world = World::new();
        let engine = world.open().await;
        let configured = |name: &str| Task { image: "alpine:3".to_owned(), ..task(name, "env,exit=1", &[]) };
        let id = register(&engine, pipeline("p", vec![configured("t"), configured("u")])).await;
        let images = BTreeMap::from([(task_id("t"), image.to_owned())]);
        let wanted = StartRun { images: images.clone(), ..wish(&id) };
        let started = engine.start_run(&ada(), wanted).await;
        let Ok(state) = expected else {
            assert!(matches!(started, Err(EngineError::InvalidStart(_))), "{started:?}");
            continue;
        };
        let first = started.unwrap().run;
        let again = RetryRun {
            run: first.id.clone(),
            scope: Scope::FromFailed,
            idempotency_key: None,
            trigger: "manual".to_owned(),
        };
        end(&engine, &first.id).await;
        let second = engine.retry_run(&ada(), again).await.unwrap().run;
        end(&engine, &second.id).await;
        for run in [&first, &second] {
            assert_eq!(run.images, images);
            let t = state_of(&engine, &run.id, "t").await;
            let ended = if state == RunState::Errored { TaskState::Errored } else { TaskState::Failed };
            assert_eq!(t.state, ended);
            let lines = output(&engine, &run.id, true).await;
            let told = lines.contains(&format!("t: GOFER_TASK_IMAGE={image}"));
            assert_eq!(told, state == RunState::Failed);
            assert!(lines.contains(&"u: GOFER_TASK_IMAGE=alpine:3".to_owned()), "{lines:?}");
        }
        let original = engine.get_version(&id, Some(first.version)).await.unwrap();
        assert!(original.config.tasks.iter().all(|task| task.image == "alpine:3"), "beside the original");
        let next = start(&engine, &id).await;
        assert_eq!(end(&engine, &next).await.state, RunState::Failed);
        let lines = output(&engine, &next, true).await;
        assert!(lines.contains(&"t: GOFER_TASK_IMAGE=alpine:3".to_owned()), "{lines:?}");
        assert!(engine.get_run(&next).await.unwrap().images.is_empty());
    }
}
