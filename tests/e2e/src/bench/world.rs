//! An engine in this very process: real storage on a real disk, and a scheduler whose tasks end at once.

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
use gofer_types::{Actor, Namespace, PipelineRef, RunRef, SchedulerName};
use uuid::Uuid;

use crate::measure::now;

/// The engine, and what its tasks run on.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) backend: FakeBackend,
}

impl World {
    /// Opens an engine on the state in this directory.
    pub(crate) async fn open(dir: &Path, options: EngineOptions) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let config = gofer_storage_redb::Config::default();
        let name = SchedulerName::new("fake").expect("a name");
        let backend = FakeBackend::new(Arc::clone(&clock));
        let scheduler = backend.connect(&Owner("bench".to_owned()));
        let parts = EngineParts {
            storage: gofer_storage_redb::open("redb", &config, dir).expect("the storage opens"),
            logs: LogStore::open(LogOptions::new(dir.join("logs"))).await.expect("the log store opens"),
            objects: gofer_objects::Objects::in_memory(Arc::clone(&clock)),
            schedulers: Schedulers::one(name, Arc::new(scheduler)),
            clock,
            new_id: Arc::new(|| Uuid::now_v7().as_u128()),
            options,
        };
        Self { engine: Engine::open(parts).await.expect("the engine opens"), backend }
    }

    /// Registers a pipeline file, which may have as many tasks as an operator can allow.
    pub(crate) async fn register(&self, text: &str) -> PipelineRef {
        let source = Source::new("pipeline.hcl", text);
        let limits = Limits { tasks: 10_000, ..Limits::default() };
        let config = gofer_pipeline::parse(&source, &limits).into_result().expect("a valid pipeline");
        let pipeline = PipelineRef { namespace: Namespace::default_name(), pipeline: config.id.clone() };
        let registration = Registration { pipeline: pipeline.clone(), config, expected: None };
        self.engine.register_pipeline(&caller(), registration).await.expect("the pipeline is registered");
        pipeline
    }

    /// Starts a run; it is durable.
    pub(crate) async fn start(&self, pipeline: &PipelineRef) -> RunRef {
        let start = StartRun::new(pipeline.clone());
        self.engine.start_run(&caller(), start).await.expect("the run starts").run.id
    }

    /// Waits for the end of a run.
    pub(crate) async fn wait(&self, run: &RunRef) {
        let mut updates = self.engine.watch_run(run).await.expect("the run is watched");
        while let Some(update) = updates.next().await {
            update.expect("the watch goes on");
        }
    }

    /// From the call to the end of the run.
    pub(crate) async fn one_run(&self, pipeline: &PipelineRef) -> Duration {
        let begin = now();
        let run = self.start(pipeline).await;
        self.wait(&run).await;
        now() - begin
    }
}

fn caller() -> Caller {
    Caller { actor: Actor::User("bench".to_owned()) }
}
