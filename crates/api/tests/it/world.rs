//! An engine on fakes, and clients of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::StreamExt;
use gofer_api::{InProcess, Limits, ServeOptions, serve_in_process};
use gofer_backend::{Clock, Owner};
use gofer_client::{Client, ClientOptions, Followed, v1};
use gofer_engine::{Engine, EngineOptions, EngineParts, Schedulers};
use gofer_logs::{LogOptions, LogStore};
use gofer_scheduler::fake::FakeBackend;
use gofer_storage::fake::{Defect, FakeDisk, FakeStorage, FaultPlan};
use gofer_types::{SchedulerName, Timestamp};
use tempfile::TempDir;

/// The machine's monotonic clock, and a wall time that starts at a known point.
#[derive(Debug)]
pub(crate) struct TestClock(Instant);

impl TestClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that is handed in")]
    fn new() -> Self {
        Self(Instant::now())
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000).plus(self.0.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep_until(&self, deadline: Duration) {
        tokio::time::sleep_until((self.0 + deadline).into()).await;
    }
}

/// A whole server without a socket.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) scheduler: FakeBackend,
    pub(crate) server: InProcess,
    pub(crate) client: Client,
    pub(crate) faults: FaultPlan,
    _logs: TempDir,
}

async fn engine_on(faults: FaultPlan, scheduler: &FakeBackend, logs: &TempDir) -> Engine {
    let name = SchedulerName::new("local").unwrap();
    let schedulers = Schedulers::one(name, Arc::new(scheduler.connect(&Owner("test".to_owned()))));
    let parts = EngineParts {
        storage: Arc::new(FakeStorage::open_with(&FakeDisk::new(), "state", faults, Defect::None).unwrap()),
        logs: LogStore::open(LogOptions::new(logs.path())).await.unwrap(),
        objects: gofer_objects::Objects::in_memory(Arc::new(TestClock::new())),
        schedulers,
        clock: Arc::new(TestClock::new()),
        new_id: Arc::new(|| uuid::Uuid::now_v7().as_u128()),
        options: {
            let mut options = EngineOptions::default();
            options.queue.server.queued_runs = 3;
            options
        },
    };
    Engine::open(parts).await.unwrap()
}

pub(crate) fn options() -> ServeOptions {
    let limits = Limits { drain: Duration::from_secs(2), ..Limits::default() };
    ServeOptions { limits, ..ServeOptions::new("0.0.0-test", "/data", Arc::new(TestClock::new())) }
}

pub(crate) fn client_options() -> ClientOptions {
    ClientOptions {
        actor: Some("ana".to_owned()),
        resume_for: Duration::from_secs(10),
        ..ClientOptions::default()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(options()).await
    }

    pub(crate) async fn with(options: ServeOptions) -> Self {
        let (faults, logs) = (FaultPlan::none(), TempDir::new().unwrap());
        let scheduler = FakeBackend::new(Arc::new(TestClock::new()));
        let engine = engine_on(faults.clone(), &scheduler, &logs).await;
        let server = serve_in_process(engine.clone(), options);
        let client = Client::in_process(server.dialer(), client_options()).await.unwrap();
        Self { engine, scheduler, server, client, faults, _logs: logs }
    }

    /// Registers a pipeline whose only task does what the script says.
    pub(crate) async fn pipeline(&self, id: &str, script: &str) -> v1::RegisterPipelineResponse {
        let text =
            format!("id = \"{id}\"\ntask \"work\" \"image\" {{\n  command = [\"fake:{script}\"]\n}}\n");
        self.client.register_pipeline(register(&text)).await.unwrap()
    }

    /// Starts a run of a pipeline.
    pub(crate) async fn start(&self, id: &str) -> v1::Run {
        let request = v1::StartRunRequest { pipeline: Some(pipeline(id)), ..Default::default() };
        self.client.start_run(request).await.unwrap().run.unwrap()
    }

    /// Waits for the end of a run, and answers it.
    pub(crate) async fn ended(&self, id: &str, number: u64) -> v1::Run {
        let request = v1::WatchRunRequest { run: Some(run(id, number)) };
        let updates: Vec<_> =
            self.client.watch_run(request).await.unwrap().map(Result::unwrap).collect().await;
        let mut runs = updates
            .into_iter()
            .filter_map(|told| if let Followed::Item(update) = told { update.run } else { None });
        runs.next_back().unwrap()
    }
}

pub(crate) fn pipeline(id: &str) -> v1::PipelineRef {
    v1::PipelineRef { namespace: String::new(), pipeline: id.to_owned() }
}

pub(crate) fn run(id: &str, number: u64) -> v1::RunRef {
    let selector = Some(v1::run_ref::Selector::Number(number));
    v1::RunRef { namespace: String::new(), pipeline: id.to_owned(), selector }
}

pub(crate) fn latest(id: &str, place: v1::Latest) -> v1::RunRef {
    let selector = Some(v1::run_ref::Selector::Latest(place.into()));
    v1::RunRef { selector, ..run(id, 1) }
}

pub(crate) fn source(text: &str) -> v1::SourceFile {
    v1::SourceFile { name: "pipeline.hcl".to_owned(), content: text.to_owned() }
}

pub(crate) fn register(text: &str) -> v1::RegisterPipelineRequest {
    v1::RegisterPipelineRequest { source: Some(source(text)), ..Default::default() }
}
