//! The figures of the engine: what a run costs when tasks cost nothing.
//!
//! `cargo bench -p gofer-engine [-- DIRECTORY]`: the storages live below the directory, a temporary one by default. The
//! scheduler is the fake one, so that everything measured is the engine, its storage and its logs.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench prints, reads the real clock, and stops where something is wrong"
)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gofer_backend::{BackendInfo, Clock, Owner};
use gofer_engine::queue::{Bounds, Limits};
use gofer_engine::{
    Caller, Engine, EngineOptions, EngineParts, Registration, RunFilter, Schedulers, StartRun,
};
use gofer_logs::{LogOptions, LogStore};
use gofer_scheduler::fake::FakeBackend;
use gofer_storage::{
    Batch, Capabilities, KeyRange, Precondition, Revision, Row, Storage, WatchStream, Write,
};
use gofer_types::pipeline::{Action, QueuePolicy};
use gofer_types::{
    Actor, Condition, Namespace, Pipeline, PipelineId, PipelineRef, RunRef, SchedulerName, Task, TaskId,
    Timestamp,
};

#[derive(Debug)]
struct RealClock(Instant);

#[async_trait]
impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep_until(&self, deadline: Duration) {
        tokio::time::sleep_until((self.0 + deadline).into()).await;
    }
}

/// A storage that costs nothing: the engine alone is left.
#[derive(Debug, Default)]
struct Memory(std::sync::RwLock<(Rows, u64)>);

type Rows = BTreeMap<Bytes, (Bytes, Revision)>;

#[async_trait]
impl Storage for Memory {
    fn info(&self) -> BackendInfo {
        BackendInfo { kind: "memory", name: "memory".to_owned(), target: String::new() }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn check(&self) -> gofer_backend::Result<()> {
        Ok(())
    }

    async fn get(&self, key: &[u8]) -> gofer_backend::Result<Option<Row>> {
        let state = self.0.read().unwrap();
        let row = |(key, (value, revision)): (&Bytes, &(Bytes, Revision))| Row {
            key: key.clone(),
            value: value.clone(),
            revision: *revision,
        };
        Ok(state.0.get_key_value(key).map(row))
    }

    async fn scan(&self, range: KeyRange, limit: usize) -> gofer_backend::Result<Vec<Row>> {
        let state = self.0.read().unwrap();
        let rows = state.0.range((range.start, range.end)).map(|(key, (value, revision))| Row {
            key: key.clone(),
            value: value.clone(),
            revision: *revision,
        });
        Ok(if range.reverse { rows.rev().take(limit).collect() } else { rows.take(limit).collect() })
    }

    async fn commit(&self, batch: Batch) -> gofer_backend::Result<Revision> {
        let mut state = self.0.write().unwrap();
        for check in &batch.checks {
            let found = state.0.get(&check.key).map(|(_, revision)| *revision);
            let wanted = match check.precondition {
                Precondition::Absent => None,
                Precondition::At(revision) => Some(revision),
            };
            assert_eq!(found, wanted);
        }
        state.1 += 1;
        let revision = Revision(state.1);
        for write in batch.writes {
            match write {
                Write::Put { key, value } => drop(state.0.insert(key, (value, revision))),
                Write::Delete { key } => drop(state.0.remove(&key)),
            }
        }
        Ok(revision)
    }

    fn watch(&self, _prefix: &[u8]) -> WatchStream {
        stream::pending().boxed()
    }

    async fn close(&self) -> gofer_backend::Result<()> {
        Ok(())
    }
}

/// Where an engine lives.
struct Home {
    storage: Arc<dyn Storage>,
    backend: FakeBackend,
    clock: Arc<dyn Clock>,
    logs: tempfile::TempDir,
}

impl Home {
    fn new(storage: Arc<dyn Storage>, dir: &Path) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(RealClock(Instant::now()));
        let backend = FakeBackend::new(Arc::clone(&clock));
        Self { storage, backend, clock, logs: tempfile::tempdir_in(dir).unwrap() }
    }

    async fn open(&self) -> Engine {
        let ids = AtomicU64::new(u64::from(std::process::id()) << 32);
        let scheduler = self.backend.connect(&Owner("bench".to_owned()));
        let options = EngineOptions {
            queue: Limits { server: Bounds { queued_runs: 100_000, ..Bounds::NONE }, ..Limits::default() },
            ..Default::default()
        };
        Engine::open(EngineParts {
            storage: Arc::clone(&self.storage),
            logs: LogStore::open(LogOptions::new(self.logs.path())).await.unwrap(),
            objects: gofer_objects::Objects::in_memory(Arc::clone(&self.clock)),
            schedulers: Schedulers::one(SchedulerName::new("fake").unwrap(), Arc::new(scheduler)),
            clock: Arc::clone(&self.clock),
            new_id: Arc::new(move || u128::from(ids.fetch_add(1, Ordering::Relaxed))),
            options,
        })
        .await
        .unwrap()
    }
}

fn caller() -> Caller {
    Caller { actor: Actor::User("bench".to_owned()) }
}

fn task(id: &str, script: &str, parent: Option<&str>) -> Task {
    let command = vec![format!("fake:{script}").as_str().into()];
    let mut task = Task::new(TaskId::new(id).unwrap(), Action::Command(command));
    task.depends_on.extend(parent.map(|parent| (TaskId::new(parent).unwrap(), Condition::Successful)));
    task
}

async fn register(engine: &Engine, id: &str, tasks: Vec<Task>) -> PipelineRef {
    let pipeline =
        PipelineRef { namespace: Namespace::default_name(), pipeline: PipelineId::new(id).unwrap() };
    let config = Pipeline {
        id: pipeline.pipeline.clone(),
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
    };
    let wish = Registration { pipeline: pipeline.clone(), config, expected: None };
    engine.register_pipeline(&caller(), wish).await.unwrap();
    pipeline
}

async fn start(engine: &Engine, pipeline: &PipelineRef) -> RunRef {
    engine.start_run(&caller(), StartRun::new(pipeline.clone())).await.unwrap().run.id
}

async fn finish(engine: &Engine, run: &RunRef) {
    let mut updates = engine.watch_run(run).await.unwrap();
    while updates.next().await.is_some() {}
}

fn at(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() - 1) * percent / 100].as_secs_f64() * 1000.0
}

/// What one sync of the disk costs now. Durable figures mean nothing without it: the disk of a virtual machine may be ten
/// times as fast in one minute as in the next.
fn sync_cost(dir: &Path) {
    let mut file = tempfile::tempfile_in(dir).unwrap();
    let mut times = Vec::new();
    for _ in 0..100 {
        let began = Instant::now();
        file.write_all(&[0; 4096]).unwrap();
        file.sync_data().unwrap();
        times.push(began.elapsed());
    }
    times.sort();
    println!("  disk:         p50 {:.2} ms, p99 {:.2} ms for a sync now", at(&times, 50), at(&times, 99));
}

/// One run after the other: how long from the request to the end.
async fn one_by_one(engine: &Engine, pipeline: &PipelineRef, count: usize) {
    let mut times = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        let run = start(engine, pipeline).await;
        finish(engine, &run).await;
        times.push(began.elapsed());
    }
    times.sort();
    println!("  one by one:   p50 {:.2} ms, p99 {:.2} ms ({count} runs)", at(&times, 50), at(&times, 99));
}

/// Many at once: how many reach their end in a second.
async fn many_at_once(engine: &Engine, pipeline: &PipelineRef, count: usize) {
    let began = Instant::now();
    stream::iter(0..count)
        .for_each_concurrent(128, |_| async {
            let run = start(engine, pipeline).await;
            finish(engine, &run).await;
        })
        .await;
    let took = began.elapsed();
    println!("  many at once: {:.0} runs/s ({count} runs, 128 at a time)", count as f64 / took.as_secs_f64());
}

/// Ten thousand unfinished runs: how long until the engine serves again.
async fn recovery(home: &Home, engine: Engine) {
    let pipeline = register(&engine, "hang", vec![task("t", "hang", None)]).await;
    let runs = 10_000;
    stream::iter(0..runs)
        .for_each_concurrent(256, |_| async {
            start(&engine, &pipeline).await;
        })
        .await;
    engine.shutdown().await;
    drop(engine);
    let began = Instant::now();
    let engine = home.open().await;
    let took = began.elapsed();
    let status = engine.status(false).await.unwrap();
    assert_eq!(status.running_runs, runs);
    println!("  recovery:     {:.2} s for {runs} unfinished runs", took.as_secs_f64());
    let began = Instant::now();
    let filter = RunFilter { active: true, ..RunFilter::default() };
    engine.list_runs(filter, gofer_engine::Page::default()).await.unwrap();
    println!("  active runs:  {:.2} ms for a page among them", began.elapsed().as_secs_f64() * 1000.0);
    engine.shutdown().await;
}

/// A run of ten thousand tasks: how long until it is durable.
async fn wide(engine: &Engine) {
    let mut tasks = vec![task("first", "hang", None)];
    tasks.extend((0..9_999).map(|n| task(&format!("t{n}"), "exit=0", Some("first"))));
    let pipeline = register(engine, "wide", tasks).await;
    let began = Instant::now();
    let run = start(engine, &pipeline).await;
    println!("  10,000 tasks: {:.2} ms to start the run", began.elapsed().as_secs_f64() * 1000.0);
    engine.cancel_run(&caller(), &run, String::new(), true).await.unwrap();
    finish(engine, &run).await;
    println!(
        "                {:.2} ms from the start to its cancelled end",
        began.elapsed().as_secs_f64() * 1000.0
    );
}

async fn figures(name: &str, storage: Arc<dyn Storage>, dir: &Path, (few, many): (usize, usize)) {
    println!("{name}");
    let home = Home::new(storage, dir);
    let engine = home.open().await;
    let tasks =
        vec![task("a", "exit=0", None), task("b", "exit=0", Some("a")), task("c", "exit=0", Some("b"))];
    let pipeline = register(&engine, "three", tasks).await;
    sync_cost(dir);
    one_by_one(&engine, &pipeline, few).await;
    sync_cost(dir);
    many_at_once(&engine, &pipeline, many).await;
    sync_cost(dir);
    wide(&engine).await;
    recovery(&home, engine).await;
}

#[tokio::main]
async fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let dir = match wanted {
        Some(path) => tempfile::tempdir_in(path).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    figures(
        "three tasks in sequence, storage in memory",
        Arc::new(Memory::default()),
        dir.path(),
        (500, 10_000),
    )
    .await;
    let storage =
        gofer_storage_redb::open("bench", &gofer_storage_redb::Config::default(), dir.path()).unwrap();
    figures("three tasks in sequence, redb", storage, dir.path(), (200, 4_000)).await;
}
