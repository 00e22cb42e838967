//! A world for engines: a disk, a backend, a folder for logs and a virtual clock that outlive them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use gofer_backend::{Clock, Owner};
use gofer_engine::{
    Caller, Engine, EngineError, EngineOptions, EngineParts, LogQuery, Page, Registration, RunUpdate,
    Schedulers, StartRun,
};
use gofer_logs::{LogOptions, LogStore};
use gofer_object_store::fake::{FakeDisk as ObjectDisk, FakeObjectStore};
use gofer_objects::Objects;
use gofer_scheduler::Scheduler;
use gofer_scheduler::fake::FakeBackend;
use gofer_storage::fake::{Defect, FakeDisk, FakeStorage, FaultPlan};
use gofer_testkit::wait_for;
use gofer_types::pipeline::{Action, QueuePolicy};
use gofer_types::{
    Actor, BootTime, Condition, Namespace, Pipeline, PipelineId, PipelineRef, RunRecord, RunRef,
    SchedulerName, Task, TaskId, TaskRunRecord, TaskState, Timestamp,
};
use tempfile::TempDir;

/// Virtual time: tokio's paused clock, with a wall that can jump.
#[derive(Debug)]
pub struct TestClock {
    origin: tokio::time::Instant,
    jump: AtomicI64,
    sleeps: AtomicU64,
    boots: AtomicU64,
}

impl TestClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock: time is paused and belongs to the test"
    )]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            origin: tokio::time::Instant::now(),
            jump: AtomicI64::new(0),
            sleeps: AtomicU64::new(0),
            boots: AtomicU64::new(1),
        })
    }

    /// How often somebody has begun to wait for a time.
    pub fn sleeps(&self) -> u64 {
        self.sleeps.load(Ordering::SeqCst)
    }

    /// The machine starts anew.
    pub fn boot(&self) {
        self.boots.fetch_add(1, Ordering::SeqCst);
    }

    /// Moves the wall, and not the time that passes.
    pub fn jump(&self, seconds: i64) {
        self.jump.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.origin.elapsed().as_micros()).unwrap();
        Timestamp::from_micros(1_800_000_000_000_000 + passed + self.jump.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    fn since_boot(&self) -> Option<BootTime> {
        Some(BootTime::new(self.boots.load(Ordering::SeqCst), self.origin.elapsed()))
    }

    async fn sleep_until(&self, deadline: Duration) {
        self.sleeps.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep_until(self.origin + deadline).await;
    }
}

/// What outlives an engine.
pub struct World {
    pub disk: FakeDisk,
    pub backend: FakeBackend,
    pub clock: Arc<TestClock>,
    pub logs: TempDir,
    pub objects: Arc<FakeObjectStore>,
    pub object_limits: gofer_objects::Limits,
    pub options: EngineOptions,
    ids: Arc<AtomicU64>,
}

pub fn ada() -> Caller {
    Caller { actor: Actor::User("ada".to_owned()) }
}

impl World {
    pub fn new() -> Self {
        let clock = TestClock::new();
        Self {
            disk: FakeDisk::new(),
            backend: FakeBackend::new(Arc::clone(&clock) as Arc<dyn Clock>),
            clock,
            logs: tempfile::tempdir().unwrap(),
            objects: Arc::new(FakeObjectStore::open(&ObjectDisk::new(), "objects").unwrap()),
            object_limits: gofer_objects::Limits { ring: 2, ..Default::default() },
            options: EngineOptions {
                stop_grace: gofer_types::Span::from_secs(10),
                ..EngineOptions::default()
            },
            ids: Arc::default(),
        }
    }

    pub async fn open(&self) -> Engine {
        self.open_with(FaultPlan::none()).await.unwrap()
    }

    pub async fn open_with(&self, plan: FaultPlan) -> Result<Engine, EngineError> {
        let scheduler = self.backend.connect(&Owner("test".to_owned()));
        self.open_on(plan, Arc::new(scheduler)).await
    }

    pub async fn open_on(
        &self,
        plan: FaultPlan,
        scheduler: Arc<dyn Scheduler>,
    ) -> Result<Engine, EngineError> {
        let storage = FakeStorage::open_with(&self.disk, "test", plan, Defect::None).unwrap();
        let ids = Arc::clone(&self.ids);
        let parts = EngineParts {
            storage: Arc::new(storage),
            logs: LogStore::open(LogOptions::new(self.logs.path())).await.unwrap(),
            objects: Objects::new(
                Arc::clone(&self.objects) as Arc<dyn gofer_object_store::ObjectStore>,
                self.object_limits.clone(),
                Arc::clone(&self.clock) as Arc<dyn Clock>,
            ),
            schedulers: Schedulers::one(SchedulerName::new("fake").unwrap(), scheduler),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            new_id: Arc::new(move || u128::from(ids.fetch_add(1, Ordering::SeqCst))),
            options: self.options.clone(),
        };
        Engine::open(parts).await
    }

    /// Starts something as this owner that no record names.
    pub async fn stray(&self, owner: &str) {
        let spec = gofer_scheduler::TaskSpec { command: vec!["fake:hang".to_owned()], ..Default::default() };
        let stray = gofer_types::AttemptId::new(format!("stray-of-{owner}")).unwrap();
        self.backend.connect(&Owner(owner.to_owned())).start(&stray, &spec).await.unwrap();
    }

    /// How many things of this owner there are.
    pub async fn strays(&self, owner: &str) -> usize {
        self.backend.connect(&Owner(owner.to_owned())).list().await.unwrap().len()
    }

    /// Ends an engine as a killed process ends: what was not synced is lost.
    pub async fn crash(&self, engine: Engine) {
        engine.shutdown().await;
        drop(engine);
        self.disk.cut_power(0);
    }

    /// Waits until nothing is left at the scheduler.
    pub async fn empty(&self) {
        wait_for("an empty scheduler", || async {
            match self.backend.tasks() {
                0 => Ok(()),
                left => Err(format!("{left} tasks are left")),
            }
        })
        .await;
    }
}

pub fn pipeline_ref(id: &str) -> PipelineRef {
    PipelineRef { namespace: Namespace::default_name(), pipeline: PipelineId::new(id).unwrap() }
}

pub fn task_id(id: &str) -> TaskId {
    TaskId::new(id).unwrap()
}

/// A task with a script for the fake, and the parents that it waits for.
pub fn task(id: &str, script: &str, parents: &[(&str, Condition)]) -> Task {
    let command = vec![format!("fake:{script}").as_str().into()];
    let mut task = Task::new(task_id(id), Action::Command(command));
    task.depends_on = parents.iter().map(|(parent, condition)| (task_id(parent), *condition)).collect();
    task
}

pub fn pipeline(id: &str, tasks: Vec<Task>) -> Pipeline {
    Pipeline {
        id: PipelineId::new(id).unwrap(),
        name: id.to_owned(),
        description: String::new(),
        namespace: None,
        labels: BTreeMap::new(),
        parallelism: 0,
        queue: QueuePolicy::Wait,
        timeout: None,
        logging: true,
        exec: false,
        variables: BTreeMap::new(),
        triggers: Vec::new(),
        notifiers: Vec::new(),
        tasks,
    }
}

pub async fn register(engine: &Engine, config: Pipeline) -> PipelineRef {
    let pipeline = pipeline_ref(config.id.as_str());
    let wish = Registration { pipeline: pipeline.clone(), config, expected: None };
    engine.register_pipeline(&ada(), wish).await.unwrap();
    pipeline
}

pub fn wish(pipeline: &PipelineRef) -> StartRun {
    StartRun::new(pipeline.clone())
}

pub async fn start(engine: &Engine, pipeline: &PipelineRef) -> RunRef {
    engine.start_run(&ada(), wish(pipeline)).await.unwrap().run.id
}

/// Watches a run to its end; the updates.
pub async fn watch(engine: &Engine, run: &RunRef) -> Result<Vec<RunUpdate>, EngineError> {
    let updates: Vec<_> = engine.watch_run(run).await?.collect().await;
    updates.into_iter().collect()
}

/// Waits for the end of a run.
pub async fn end(engine: &Engine, run: &RunRef) -> RunRecord {
    watch(engine, run).await.unwrap();
    let record = engine.get_run(run).await.unwrap();
    assert!(record.state.is_terminal());
    record
}

/// Waits until a task is in a state.
pub async fn until(engine: &Engine, run: &RunRef, task: &str, state: TaskState) {
    let mut updates = engine.watch_run(run).await.unwrap();
    while let Some(update) = updates.next().await {
        let there = |record: &TaskRunRecord| record.id.task.as_str() == task && record.state == state;
        if update.unwrap().tasks.iter().any(there) {
            return;
        }
    }
    panic!("{task} never was {state}");
}

pub async fn tasks(engine: &Engine, run: &RunRef) -> Vec<TaskRunRecord> {
    engine.list_task_runs(run, Page { size: 1000, token: None }).await.unwrap().items
}

pub async fn states(engine: &Engine, run: &RunRef) -> Vec<(String, TaskState)> {
    let tasks = tasks(engine, run).await;
    tasks.into_iter().map(|task| (task.id.task.to_string(), task.state)).collect()
}

pub async fn state_of(engine: &Engine, run: &RunRef, task: &str) -> TaskRunRecord {
    engine.get_task_run(&run.task(task_id(task))).await.unwrap().0
}

/// The output of a run as text, a line each with the task before it.
pub async fn output(engine: &Engine, run: &RunRef, follow: bool) -> Vec<String> {
    let query = LogQuery { follow, ..LogQuery::default() };
    let pages: Vec<_> = engine.read_logs(run, query).await.unwrap().collect().await;
    let line = |entry: gofer_logs::LogEntry| match entry.gap {
        Some(gap) => format!("{}: gap of {:?}", entry.task, gap.bytes),
        None => format!("{}: {}", entry.task, String::from_utf8_lossy(&entry.data)),
    };
    pages.into_iter().flat_map(|page| page.unwrap().entries).map(line).collect()
}
