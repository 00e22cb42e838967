//! Section 3: the queue.

use std::time::Duration;

use futures_util::future::join_all;
use gofer_engine::queue::{Bounds, Limits, Refused};
use gofer_engine::{Engine, EngineError, Page, Registration};
use gofer_storage::Storage;
use gofer_types::pipeline::QueuePolicy;
use gofer_types::{
    Cause, Namespace, Pipeline, PipelineRef, RunRecord, RunRef, RunState, Span, Task, TaskState,
};

use super::help::*;
use crate::support::*;

fn queued(parallelism: u32, queue: QueuePolicy, task: Task) -> Pipeline {
    Pipeline { parallelism, queue, ..pipeline("p", vec![task]) }
}

async fn record(engine: &Engine, run: &RunRef) -> RunRecord {
    engine.get_run(run).await.unwrap()
}

/// Asserts that no more runs ran at once than may, and that as many did.
fn overlap(runs: &[RunRecord], most: usize) {
    let most_at_once = runs.iter().map(|run| {
        let at = run.started.unwrap();
        let runs = runs.iter().filter(|other| other.started.unwrap() <= at && other.ended.unwrap() > at);
        runs.count()
    });
    assert_eq!(most_at_once.max(), Some(most), "INV-32");
}

/// How a run that is in the way of another one ends.
type Out = (&'static str, &'static str, Option<bool>);

/// `parallelism` counts runs provably alive: whoever has ended, however, makes room, and nobody before it has ended.
#[tokio::test(start_paused = true)]
async fn a_run_holds_its_place_until_it_has_ended_and_no_longer() {
    let cases: [Out; 8] = [
        // what it is, what its task does, whether it is cancelled and by force
        ("succeeded", "run=20s", None),
        ("failed", "run=20s,exit=1", None),
        ("lost", "run=20s,vanish", None),
        ("errored", "no_program", None),
        ("late", "ignore_term,hang", None),
        ("cancelled", "hang", Some(false)),
        ("cancelled, and takes its grace", "ignore_term,hang", Some(false)),
        ("killed", "ignore_term,hang", Some(true)),
    ];
    for (what, script, cancel) in cases {
        for restart in [false, true] {
            let world = World::new();
            let mut engine = world.open().await;
            let first = limited(task("t", script, &[]), 60);
            let id = register(&engine, queued(1, QueuePolicy::Wait, first)).await;
            let first = start(&engine, &id).await;
            let id = register(&engine, queued(1, QueuePolicy::Wait, task("t", "exit=0", &[]))).await;
            let second = start(&engine, &id).await;
            pass(&world, 5).await;
            if let Some(force) = cancel {
                engine.cancel_run(&bob(), &first, String::new(), force).await.unwrap();
            }
            if restart {
                world.crash(engine).await;
                engine = world.open().await;
            }
            let first = end(&engine, &first).await;
            let second = end(&engine, &second).await;
            assert!(
                second.started.unwrap() >= first.ended.unwrap(),
                "{what} {restart}: not before it has ended"
            );
            let gap = second.started.unwrap().since(first.ended.unwrap());
            assert!(gap <= Duration::from_secs(6), "{what} {restart}: {gap:?}");
        }
    }
}

/// How the records of a run are damaged.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Run,
    Task,
    NoRun,
}

async fn damage(world: &World, run: &RunRef, how: Damage) {
    let storage = gofer_storage::fake::FakeStorage::open(&world.disk, "vandal").unwrap();
    let mut batch = gofer_storage::Batch::default();
    match how {
        Damage::Run => batch.put(gofer_records::keys::run(run), vec![1_u8, 255, 255]),
        Damage::Task => batch.put(gofer_records::keys::task(run, 0), vec![77_u8, 0]),
        Damage::NoRun => batch.delete(gofer_records::keys::run(run)),
    };
    storage.commit(batch).await.unwrap();
    drop(storage);
    world.disk.cut_power(0);
}

/// `parallelism` counts runs provably alive: one whose records cannot be used is set aside and holds no place, in no limit.
#[tokio::test(start_paused = true)]
async fn a_run_that_was_set_aside_holds_no_place() {
    type Limit = fn(&mut Limits);
    let limits: [(&str, u32, Limit); 4] = [
        ("the pipeline's", 1, |_| {}),
        ("the namespace's", 0, |limits| limits.namespace.running_runs = 1),
        ("the server's", 0, |limits| limits.server.running_runs = 1),
        ("that of tasks", 0, |limits| limits.server.running_tasks = 1),
    ];
    for (what, parallelism, limit) in limits {
        for how in [Damage::Run, Damage::Task, Damage::NoRun] {
            let mut world = World::new();
            limit(&mut world.options.queue);
            let engine = world.open().await;
            let waits = task("t", "gate=never", &[]);
            let id = register(&engine, queued(parallelism, QueuePolicy::Wait, waits)).await;
            let aside = start(&engine, &id).await;
            until(&engine, &aside, "t", TaskState::Running).await;
            let config = queued(parallelism, QueuePolicy::Wait, task("t", "exit=0", &[]));
            let id = register(&engine, config).await;
            let behind = start(&engine, &id).await;
            world.crash(engine).await;
            damage(&world, &aside, how).await;
            let engine = world.open().await;
            assert_eq!(engine.status(false).await.unwrap().quarantined_runs, 1, "{what} {how:?}");
            assert_eq!(end(&engine, &behind).await.state, RunState::Succeeded, "{what} {how:?}");
            let newer = start(&engine, &id).await;
            assert_eq!(end(&engine, &newer).await.state, RunState::Succeeded, "{what} {how:?}");
        }
    }
}

/// `wait` keeps order.
#[tokio::test(start_paused = true)]
async fn runs_that_wait_keep_their_order() {
    for parallelism in [1, 2, 3, 0] {
        for restart in [false, true] {
            let world = World::new();
            let mut engine = world.open().await;
            let config = queued(parallelism, QueuePolicy::Wait, task("t", "run=5s", &[]));
            let id = register(&engine, config).await;
            let mut ids = Vec::new();
            for _ in 0..7 {
                ids.push(start(&engine, &id).await);
            }
            if restart {
                world.crash(engine).await;
                engine = world.open().await;
            }
            let mut runs = Vec::new();
            for run in &ids {
                runs.push(end(&engine, run).await);
            }
            assert!(runs.is_sorted_by_key(|run| run.started), "INV-33: {parallelism} {restart}");
            overlap(&runs, if parallelism == 0 { 7 } else { parallelism as usize });
        }
    }
}

/// `replace` cancels the older; `refuse` answers a typed error; `wait` does neither.
#[tokio::test(start_paused = true)]
async fn a_run_that_finds_no_place_waits_replaces_or_is_refused() {
    use RunState::{Cancelled, Succeeded};
    let cases: [(QueuePolicy, u32, [Option<RunState>; 4]); 6] = [
        // what becomes of four runs; nothing for one that was refused
        (QueuePolicy::Wait, 1, [Some(Succeeded); 4]),
        (QueuePolicy::Wait, 2, [Some(Succeeded); 4]),
        (QueuePolicy::Replace, 1, [Some(Cancelled), Some(Cancelled), Some(Cancelled), Some(Succeeded)]),
        (QueuePolicy::Replace, 2, [Some(Cancelled), Some(Cancelled), Some(Succeeded), Some(Succeeded)]),
        (QueuePolicy::Refuse, 1, [Some(Succeeded), None, None, None]),
        (QueuePolicy::Refuse, 3, [Some(Succeeded), Some(Succeeded), Some(Succeeded), None]),
    ];
    for (policy, parallelism, expected) in cases {
        let world = World::new();
        let engine = world.open().await;
        let id = register(&engine, queued(parallelism, policy, task("t", "gate=go", &[]))).await;
        let mut runs = Vec::new();
        for expected in expected {
            let started = engine.start_run(&ada(), wish(&id)).await;
            match (started, expected) {
                (Ok(accepted), Some(_)) => runs.push(accepted.run.id),
                (Err(EngineError::Queue { id: of, refused }), None) => {
                    let Refused::PipelineBusy { parallelism: reached, runs: busy } = refused else {
                        panic!("{refused:?}")
                    };
                    assert_eq!((of, reached, busy), (id.clone(), parallelism, runs.clone()));
                }
                (other, expected) => panic!("{policy:?} {parallelism}: {other:?}, not {expected:?}"),
            }
            pass(&world, 1).await;
        }
        world.backend.open_gate("go");
        for (run, expected) in runs.iter().zip(expected.into_iter().flatten()) {
            let record = end(&engine, run).await;
            assert_eq!(record.state, expected, "{policy:?} {parallelism}: {run}");
            if let Cause::Cancelled(reason) = record.cause {
                assert!(reason.starts_with("replaced by run"), "{reason}");
            }
        }
    }
}

async fn pipeline_in(engine: &Engine, namespace: &str, config: Pipeline) -> PipelineRef {
    let namespace = Namespace::new(namespace).unwrap();
    let _ = engine.create_namespace(&ada(), namespace.clone(), String::new()).await;
    let pipeline = PipelineRef { namespace, pipeline: config.id.clone() };
    let registration = Registration { pipeline: pipeline.clone(), config, expected: None };
    engine.register_pipeline(&ada(), registration).await.unwrap();
    pipeline
}

/// The limits of a server on running runs, or tasks, in these scopes.
fn limits(of_tasks: bool, server: usize, namespace: usize) -> Limits {
    let bounds = |most| {
        if of_tasks {
            Bounds { running_tasks: most, ..Bounds::NONE }
        } else {
            Bounds { running_runs: most, ..Bounds::NONE }
        }
    };
    Limits { server: bounds(server), namespace: bounds(namespace), ..Limits::default() }
}

const ANY: usize = usize::MAX;

/// Limits per pipeline, namespace and server: no more runs than that at once in each of them, and the cause names the limit.
#[tokio::test(start_paused = true)]
async fn no_more_runs_run_than_the_pipeline_the_namespace_and_the_server_allow() {
    let cases = [
        // parallelism, limit of a namespace, of the server; runs at once in one namespace, and in both; the limit
        (2, ANY, ANY, 4, 8, "the pipeline's parallelism of 2"),
        (0, 3, ANY, 3, 6, "the namespace's limit of 3 running runs"),
        (0, ANY, 5, 5, 5, "the server's limit of 5 running runs"),
        (0, 1, 9, 1, 2, "the namespace's limit of 1 running runs"),
        (0, 3, 4, 3, 4, "the server's limit of 4 running runs"),
    ];
    for (parallelism, namespace, server, in_one, in_all, limit) in cases {
        let mut world = World::new();
        world.options.queue = limits(false, server, namespace);
        let engine = world.open().await;
        let mut pipelines = Vec::new();
        for (namespace, id) in [("one", "p"), ("one", "q"), ("two", "p"), ("two", "q")] {
            let config = Pipeline { parallelism, ..pipeline(id, vec![task("t", "run=5s", &[])]) };
            pipelines.push(pipeline_in(&engine, namespace, config).await);
        }
        let mut ids = Vec::new();
        for _ in 0..5 {
            ids.extend(join_all(pipelines.iter().map(|pipeline| start(&engine, pipeline))).await);
        }
        let last = record(&engine, ids.last().unwrap()).await;
        assert!(
            matches!(&last.cause, Cause::WaitingForSlot(text) if text == limit),
            "{limit}: {:?}",
            last.cause
        );
        let mut runs = Vec::new();
        for run in &ids {
            runs.push(end(&engine, run).await);
        }
        overlap(&runs, in_all);
        runs.retain(|run| run.id.pipeline.namespace.as_str() == "one");
        let most = runs.iter().map(|run| {
            let at = run.started.unwrap();
            runs.iter().filter(|other| other.started.unwrap() <= at && other.ended.unwrap() > at).count()
        });
        assert!(most.max().unwrap() <= in_one, "{limit}");
    }
}

/// A task that waits says for what and in which place; the places are those in which they start.
#[tokio::test(start_paused = true)]
async fn a_task_that_waits_says_for_what_and_in_which_place() {
    for (namespace, server, limit) in [
        (2, ANY, "the namespace's limit of 2 running tasks"),
        (ANY, 2, "the server's limit of 2 running tasks"),
        (ANY, 1, "the server's limit of 1 running tasks"),
    ] {
        let mut world = World::new();
        world.options.queue = limits(true, server, namespace);
        let engine = world.open().await;
        let names = ["a", "b", "c", "d", "e"];
        let tasks = names.map(|name| task(name, &format!("gate={name}"), &[])).to_vec();
        let run = start(&engine, &register(&engine, pipeline("p", tasks)).await).await;
        let most = namespace.min(server);
        for ended in 0..names.len() - most {
            until(&engine, &run, names[ended + most - 1], TaskState::Running).await;
            let line = &names[ended + most..];
            for (before, name) in line.iter().enumerate() {
                let told = engine.explain_run(&run, Some(&task_id(name)), Page::default()).await.unwrap();
                let (task, told) = &told.tasks[0];
                assert_eq!(task.cause, Cause::WaitingForSlot(limit.to_owned()), "{name}");
                let hold = told.hold.unwrap();
                assert_eq!((hold.place, hold.of), (before + 1, line.len()), "{name} {limit}");
                assert!(told.text.contains(limit) && told.text.contains("place"), "{}", told.text);
            }
            assert_eq!(engine.status(false).await.unwrap().running_tasks, most as u64, "INV-32");
            world.backend.open_gate(names[ended]);
            end_of(&engine, &run, names[ended]).await;
        }
        names.into_iter().for_each(|name| world.backend.open_gate(name));
        assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
        assert_eq!(engine.status(false).await.unwrap().running_tasks, 0, "INV-27");
    }
}

async fn end_of(engine: &Engine, run: &RunRef, name: &str) {
    until_task(engine, run, name, |state, _| state.is_terminal()).await;
}

/// A run that waits says for what and in which place.
#[tokio::test(start_paused = true)]
async fn a_run_that_waits_says_for_what_and_in_which_place() {
    for (parallelism, namespace, server, limit) in [
        (1, ANY, ANY, "the pipeline's parallelism of 1"),
        (0, 1, ANY, "the namespace's limit of 1 running runs"),
        (0, ANY, 1, "the server's limit of 1 running runs"),
    ] {
        for restart in [false, true] {
            let mut world = World::new();
            world.options.queue = limits(false, server, namespace);
            let mut engine = world.open().await;
            let config = queued(parallelism, QueuePolicy::Wait, task("t", "gate=never", &[]));
            let id = register(&engine, config).await;
            let mut line = Vec::new();
            for _ in 0..4 {
                line.push(start(&engine, &id).await);
            }
            if restart {
                world.crash(engine).await;
                engine = world.open().await;
            }
            while line.len() > 1 {
                for (place, run) in line.iter().enumerate().skip(1) {
                    let told = engine.explain_run(run, None, Page::default()).await.unwrap();
                    let text = format!("it waits for {limit}: place {place} of {}", line.len() - 1);
                    assert_eq!(told.about.text, text, "{restart}");
                }
                let first = line.remove(0);
                engine.cancel_run(&bob(), &first, String::new(), true).await.unwrap();
                end(&engine, &first).await;
            }
        }
    }
}

/// More runs than may wait are refused with the limit, of the server and of the namespace; whoever need not wait is not.
#[tokio::test(start_paused = true)]
async fn a_run_for_which_there_is_no_room_to_wait_is_refused() {
    let of_server =
        Limits { server: Bounds { running_runs: 2, queued_runs: 1, ..Bounds::NONE }, ..Limits::default() };
    let of_namespace =
        Limits { namespace: Bounds { running_runs: 2, queued_runs: 1, ..Bounds::NONE }, ..Limits::default() };
    for (limits, whole_server) in [(of_server, true), (of_namespace, false)] {
        let mut world = World::new();
        world.options.queue = limits;
        let engine = world.open().await;
        let config = || Pipeline {
            timeout: Some(Span::from_secs(600)),
            ..pipeline("p", vec![task("t", "gate=go", &[])])
        };
        let id = pipeline_in(&engine, "one", config()).await;
        let other = pipeline_in(&engine, "two", config()).await;
        let mut runs = Vec::new();
        for _ in 0..3 {
            runs.push(start(&engine, &id).await);
        }
        let refused = engine.start_run(&ada(), wish(&id)).await;
        let Err(EngineError::Queue { refused, .. }) = refused else { panic!("{refused:?}") };
        let right = match refused {
            Refused::ServerFull { limit } => whole_server && limit == 1,
            Refused::NamespaceFull { limit, .. } => !whole_server && limit == 1,
            Refused::PipelineBusy { .. } => false,
        };
        assert!(right, "{refused:?}");
        assert_eq!(engine.start_run(&ada(), wish(&other)).await.is_err(), whole_server);
        world.backend.open_gate("go");
        for run in &runs {
            assert_eq!(end(&engine, run).await.state, RunState::Succeeded);
        }
        let next = start(&engine, &id).await;
        assert_eq!(end(&engine, &next).await.state, RunState::Succeeded);
    }
}
