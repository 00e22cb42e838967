//! The engine alone: real storage on a real disk, and a scheduler whose tasks end at once.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use gofer_backend::{Clock, Owner};
use gofer_engine::{Caller, Engine, EngineOptions, EngineParts, Registration, Schedulers, StartRun};
use gofer_logs::{LogOptions, LogStore};
use gofer_pipeline::{Limits, Source};
use gofer_scheduler::fake::FakeBackend;
use gofer_server::SystemClock;
use gofer_types::{Actor, Namespace, PipelineRef, SchedulerName};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::latency::THREE;
use crate::measure::{millis, now, percentile};
use crate::table::Row;

const ROUNDS: usize = 500;
const MANY: usize = 5_000;
const AT_ONCE: usize = 64;

/// Three tasks in sequence: one run after the other, then many at once.
pub(crate) async fn three_in_sequence() -> Vec<Row> {
    let world = tempfile::tempdir().expect("a directory can be made");
    let engine = engine(world.path()).await;
    let pipeline = register(&engine).await;
    let mut spans: Vec<Duration> = Vec::new();
    for _ in 0..ROUNDS {
        spans.push(one_run(&engine, &pipeline).await);
    }
    let begin = now();
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut runs = tokio::task::JoinSet::new();
    for _ in 0..MANY {
        let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is open");
        let (engine, pipeline) = (engine.clone(), pipeline.clone());
        runs.spawn(async move {
            one_run(&engine, &pipeline).await;
            drop(slot);
        });
    }
    runs.join_all().await;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand runs")]
    let rate = MANY as f64 / (now() - begin).as_secs_f64();
    engine.shutdown().await;
    vec![
        Row::at_most(
            "three tasks in sequence, engine only, p50",
            millis(percentile(&mut spans, 0.5)),
            "ms",
            3.0,
        ),
        Row::plain("three tasks in sequence, engine only, p99", millis(percentile(&mut spans, 0.99)), "ms"),
        Row::at_least("three tasks in sequence, engine only, 64 at once", rate, "runs/s", 1_000.0),
    ]
}

async fn engine(dir: &Path) -> Engine {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let config = gofer_storage_redb::Config::default();
    let name = SchedulerName::new("fake").expect("a name");
    let scheduler = FakeBackend::new(Arc::clone(&clock)).connect(&Owner("bench".to_owned()));
    let parts = EngineParts {
        storage: gofer_storage_redb::open("redb", &config, dir).expect("the storage opens"),
        logs: LogStore::open(LogOptions::new(dir.join("logs"))).await.expect("the log store opens"),
        schedulers: Schedulers::one(name, Arc::new(scheduler)),
        clock,
        new_id: Arc::new(|| Uuid::now_v7().as_u128()),
        options: EngineOptions::default(),
    };
    Engine::open(parts).await.expect("the engine opens")
}

fn caller() -> Caller {
    Caller { actor: Actor::User("bench".to_owned()) }
}

async fn register(engine: &Engine) -> PipelineRef {
    let source = Source::new("pipeline.hcl", THREE);
    let config = gofer_pipeline::parse(&source, &Limits::default()).into_result().expect("a valid pipeline");
    let pipeline = PipelineRef { namespace: Namespace::default_name(), pipeline: config.id.clone() };
    let registration = Registration { pipeline: pipeline.clone(), config, expected: None };
    engine.register_pipeline(&caller(), registration).await.expect("the pipeline is registered");
    pipeline
}

/// From the call to the end of the run.
async fn one_run(engine: &Engine, pipeline: &PipelineRef) -> Duration {
    let begin = now();
    let start = StartRun {
        pipeline: pipeline.clone(),
        version: None,
        variables: std::collections::BTreeMap::new(),
        idempotency_key: None,
        trigger: "manual".to_owned(),
    };
    let run = engine.start_run(&caller(), start).await.expect("the run starts").run;
    let mut updates = engine.watch_run(&run.id).await.expect("the run is watched");
    while let Some(update) = updates.next().await {
        update.expect("the watch goes on");
    }
    now() - begin
}
