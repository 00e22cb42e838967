//! What the queue means for whole runs: policies, priorities, shares, rates, and what a restart makes of them.

use std::collections::BTreeMap;
use std::time::Duration;

use gofer_engine::queue::{Bounds, Rate, Refused};
use gofer_engine::{Engine, EngineError, StartRun};
use gofer_types::pipeline::QueuePolicy;
use gofer_types::{Cause, Namespace, Pipeline, PipelineRef, RunRef, RunState};

use crate::support::*;

fn queued(id: &str, parallelism: u32, queue: QueuePolicy, script: &str) -> Pipeline {
    Pipeline { parallelism, queue, ..pipeline(id, vec![task("t", script, &[])]) }
}

async fn state(engine: &Engine, run: &RunRef) -> RunState {
    engine.get_run(run).await.unwrap().state
}

#[tokio::test(start_paused = true)]
async fn a_newer_run_replaces_the_older_ones_of_a_pipeline_that_says_so() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, queued("p", 1, QueuePolicy::Replace, "gate=go")).await;
    let first = start(&engine, &pipeline).await;
    let second = start(&engine, &pipeline).await;
    let third = start(&engine, &pipeline).await;
    for old in [&first, &second] {
        let ended = end(&engine, old).await;
        assert_eq!(ended.state, RunState::Cancelled);
        let Cause::Cancelled(reason) = ended.cause else { panic!("{:?}", ended.cause) };
        assert!(reason.starts_with("replaced by run p/"), "{reason}");
    }
    world.backend.open_gate("go");
    assert_eq!(end(&engine, &third).await.state, RunState::Succeeded);
    world.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_is_refused_with_the_runs_in_its_way_where_the_pipeline_lets_none_wait() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, queued("p", 1, QueuePolicy::Refuse, "gate=go")).await;
    let first = start(&engine, &pipeline).await;
    let refused = engine.start_run(&ada(), wish(&pipeline)).await;
    let Err(EngineError::Queue { refused: Refused::PipelineBusy { parallelism, runs }, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((parallelism, runs), (1, vec![first.clone()]));
    world.backend.open_gate("go");
    end(&engine, &first).await;
    assert_eq!(end(&engine, &start(&engine, &pipeline).await).await.state, RunState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_more_urgent_run_comes_before_those_that_wait() {
    let mut world = World::new();
    world.options.queue.server.running_runs = 1;
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "gate=go,run=1s", &[])])).await;
    let first = start(&engine, &pipeline).await;
    let usual = start(&engine, &pipeline).await;
    let urgent = StartRun { priority: 5, ..wish(&pipeline) };
    let urgent = engine.start_run(&ada(), urgent).await.unwrap().run.id;
    world.backend.open_gate("go");
    for run in [&first, &usual, &urgent] {
        end(&engine, run).await;
    }
    let began = |run: RunRef| {
        let engine = engine.clone();
        async move { engine.get_run(&run).await.unwrap().started.unwrap() }
    };
    assert!(began(urgent.clone()).await < began(usual.clone()).await);
    let wrong = engine.start_run(&ada(), StartRun { priority: 11, ..wish(&pipeline) }).await;
    assert!(matches!(wrong, Err(EngineError::InvalidStart(_))));
}

async fn pipeline_in(engine: &Engine, namespace: &str, config: Pipeline) -> PipelineRef {
    let namespace = Namespace::new(namespace).unwrap();
    let _ = engine.create_namespace(&ada(), namespace.clone(), String::new()).await;
    let id = PipelineRef { namespace, pipeline: config.id.clone() };
    let wish = gofer_engine::Registration { pipeline: id.clone(), config, expected: None };
    engine.register_pipeline(&ada(), wish).await.unwrap();
    id
}

#[tokio::test(start_paused = true)]
async fn a_namespace_with_many_runs_does_not_hold_up_one_with_few() {
    let mut world = World::new();
    world.options.queue.server.running_runs = 1;
    let engine = world.open().await;
    let config = || pipeline("p", vec![task("t", "run=1s", &[])]);
    let busy = pipeline_in(&engine, "busy", config()).await;
    let quiet = pipeline_in(&engine, "quiet", config()).await;
    let mut many = Vec::new();
    for _ in 0..20 {
        many.push(start(&engine, &busy).await);
    }
    let few = start(&engine, &quiet).await;
    end(&engine, &few).await;
    let mut ended = 0;
    for run in &many {
        ended += u32::from(state(&engine, run).await.is_terminal());
    }
    assert!(ended <= 2, "INV-34: {ended} runs came before the only one of the other namespace");
    for run in &many {
        end(&engine, run).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_tasks_of_one_namespace_do_not_use_up_the_slots_of_the_server() {
    let mut world = World::new();
    world.options.queue.namespace = Bounds { running_tasks: 2, ..Bounds::NONE };
    let engine = world.open().await;
    let wide = |id: &str| {
        let tasks = ["a", "b", "c"].map(|name| task(name, "gate=go", &[])).to_vec();
        pipeline(id, tasks)
    };
    let one = start(&engine, &pipeline_in(&engine, "one", wide("p")).await).await;
    let other = start(&engine, &pipeline_in(&engine, "other", wide("p")).await).await;
    gofer_testkit::wait_for("four running tasks", || async {
        match engine.status(false).await.unwrap().running_tasks {
            4 => Ok(()),
            running => Err(format!("{running} run")),
        }
    })
    .await;
    let waits = tasks(&engine, &one).await.into_iter().find_map(|task| match task.cause {
        Cause::WaitingForSlot(limit) => Some(limit),
        _ => None,
    });
    assert_eq!(waits.as_deref(), Some("the namespace's limit of 2 running tasks"));
    world.backend.open_gate("go");
    end(&engine, &one).await;
    end(&engine, &other).await;
    assert_eq!(engine.status(false).await.unwrap().running_tasks, 0);
}

#[tokio::test(start_paused = true)]
async fn no_more_runs_start_within_a_span_than_the_rate_allows() {
    let mut world = World::new();
    world.options.queue.starts = Some(Rate::new(2, Duration::from_secs(60)).unwrap());
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "exit=0", &[])])).await;
    let mut runs = Vec::new();
    for _ in 0..6 {
        runs.push(start(&engine, &pipeline).await);
    }
    let held = engine.get_run(&runs[5]).await.unwrap();
    assert_eq!(held.cause, Cause::WaitingForSlot("the server's rate of 2 starts per 1m".to_owned()));
    let mut began = Vec::new();
    for run in &runs {
        began.push(end(&engine, run).await.started.unwrap());
    }
    for pair in began.windows(4) {
        let span = pair[3].since(pair[0]);
        assert!(span >= Duration::from_secs(59), "four starts within {span:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_keeps_the_order_the_priorities_and_what_is_to_be_replaced() {
    let mut world = World::new();
    world.options.queue.server.running_runs = 1;
    let engine = world.open().await;
    let blocker = register(&engine, queued("blocker", 0, QueuePolicy::Wait, "gate=go,run=1s")).await;
    let other = register(&engine, queued("other", 1, QueuePolicy::Replace, "exit=0")).await;
    let first = start(&engine, &blocker).await;
    let second = start(&engine, &blocker).await;
    let urgent = StartRun { priority: 9, ..wish(&blocker) };
    let urgent = engine.start_run(&ada(), urgent).await.unwrap().run.id;
    let old = start(&engine, &other).await;
    let new = start(&engine, &other).await;
    world.crash(engine).await;
    let engine = world.open().await;
    assert_eq!(end(&engine, &old).await.state, RunState::Cancelled);
    world.backend.open_gate("go");
    for run in [&first, &second, &urgent, &new] {
        assert_eq!(end(&engine, run).await.state, RunState::Succeeded);
    }
    let started = |run: &RunRef| {
        let (engine, run) = (engine.clone(), run.clone());
        async move { engine.get_run(&run).await.unwrap().started.unwrap() }
    };
    assert!(started(&urgent).await < started(&second).await);
}

#[tokio::test(start_paused = true)]
async fn runs_are_found_by_their_labels() {
    let world = World::new();
    let engine = world.open().await;
    let label = |text: &str| gofer_types::LabelKey::new(text).unwrap();
    let labelled = Pipeline {
        labels: BTreeMap::from([(label("team"), "core".to_owned()), (label("tier"), "1".to_owned())]),
        ..pipeline("p", vec![task("t", "exit=0", &[])])
    };
    let pipeline = register(&engine, labelled).await;
    let own = BTreeMap::from([(label("tier"), "2".to_owned()), (label("why"), "test".to_owned())]);
    let first = start(&engine, &pipeline).await;
    let second = engine.start_run(&ada(), StartRun { labels: own, ..wish(&pipeline) }).await.unwrap().run.id;
    let found = |key: &str, value: &str| {
        let (engine, labels) = (engine.clone(), BTreeMap::from([(label(key), value.to_owned())]));
        async move {
            let filter = gofer_engine::RunFilter { labels, ..Default::default() };
            let runs = engine.list_runs(filter, Default::default()).await.unwrap().items;
            runs.into_iter().map(|run| run.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(found("team", "core").await, [second.clone(), first.clone()]);
    assert_eq!(found("tier", "1").await, [first]);
    assert_eq!(found("why", "test").await, [second]);
    assert!(found("why", "other").await.is_empty());
}
