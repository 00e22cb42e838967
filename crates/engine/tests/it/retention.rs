//! What is kept and what is deleted.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gofer_backend::{BackendInfo, Owner, Result};
use gofer_engine::{
    Engine, EngineError, EngineParts, EventFilter, EventRange, Keep, LogQuery, Page, RunFilter, Schedulers,
};
use gofer_logs::{LogOptions, LogStore};
use gofer_objects::Objects;
use gofer_records::{LowMark, Records, keys};
use gofer_storage::fake::{FakeStorage, Gate};
use gofer_storage::{Batch, Capabilities, KeyRange, Revision, Row, Storage, WatchStream};
use gofer_testkit::wait_for;
use gofer_types::{
    Actor, EventKind, PipelineRef, RunNumber, RunRef, RunState, SchedulerName, Span, TaskState,
};

use crate::support::*;

async fn is_deleted(engine: &Engine, run: &RunRef) -> bool {
    engine.get_run(run).await.unwrap().logs_deleted.is_some()
}

async fn until_deleted(engine: &Engine, run: &RunRef) {
    wait_for("the output to be deleted", || async {
        if is_deleted(engine, run).await { Ok(()) } else { Err("it is there".to_owned()) }
    })
    .await;
}

async fn until_gone(engine: &Engine, run: &RunRef) {
    wait_for("the run to be deleted", || async {
        match engine.get_run(run).await {
            Err(EngineError::RunNotFound { .. }) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

async fn runs(engine: &Engine, pipeline: &PipelineRef, count: usize) -> Vec<RunRef> {
    let mut runs = Vec::new();
    for _ in 0..count {
        let run = start(engine, pipeline).await;
        end(engine, &run).await;
        output(engine, &run, true).await;
        runs.push(run);
    }
    runs
}

/// Runs side by side that have ended.
async fn many(engine: &Engine, pipeline: &PipelineRef, count: usize) -> Vec<RunRef> {
    let mut runs = Vec::new();
    for _ in 0..count {
        runs.push(start(engine, pipeline).await);
    }
    for run in &runs {
        end(engine, run).await;
    }
    runs
}

#[tokio::test(start_paused = true)]
async fn the_output_of_old_runs_is_deleted_and_the_answer_says_by_whom() {
    let mut world = World::new();
    world.options.retention.logs.runs = 2;
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "print=x", &[])])).await;
    let all = runs(&engine, &pipeline, 5).await;
    until_deleted(&engine, &all[2]).await;
    for run in &all[..3] {
        assert!(is_deleted(&engine, run).await);
        let refused = engine.read_logs(run, LogQuery::default()).await.map(drop);
        let Err(EngineError::LogsDeleted { deleted, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(deleted.actor, Actor::System);
        let folder = world.logs.path().join("default/p").join(run.run.to_string());
        // the record says so first
        wait_for("the folder to be deleted", || async {
            if folder.try_exists().unwrap() { Err("it is there".to_owned()) } else { Ok(()) }
        })
        .await;
    }
    assert_eq!(output(&engine, &all[3], true).await, ["t: x"]);
    let filter = EventFilter { types: vec!["logs_deleted".to_owned()], ..EventFilter::default() };
    let events = engine.list_events(filter, EventRange::default(), Page::default()).await.unwrap().items;
    assert_eq!(events.len(), 3);
    // what an earlier life had no time for is deleted by a later one
    world.crash(engine).await;
    world.options.retention.logs.runs = 1;
    let engine = world.open().await;
    until_deleted(&engine, &all[3]).await;
    assert_eq!(output(&engine, &all[4], true).await, ["t: x"]);
}

#[tokio::test(start_paused = true)]
async fn old_runs_are_deleted_whole_and_their_numbers_are_not_used_again() {
    let mut world = World::new();
    world.options.retention.runs.runs = 2;
    let engine = world.open().await;
    let pipeline =
        register(&engine, pipeline("p", vec![task("t", "print=x", &[]), task("u", "exit=0", &[])])).await;
    let keyed = gofer_engine::StartRun { idempotency_key: Some("k".to_owned()), ..wish(&pipeline) };
    let first = engine.start_run(&ada(), keyed.clone()).await.unwrap().run.id;
    end(&engine, &first).await;
    runs(&engine, &pipeline, 3).await;
    until_gone(&engine, &first).await;
    until_gone(&engine, &pipeline.run(RunNumber(2))).await;
    let listed = engine.list_runs(RunFilter::default(), Page::default()).await.unwrap().items;
    let numbers: Vec<u64> = listed.iter().map(|run| run.id.run.0).collect();
    assert_eq!(numbers, [4, 3]);
    let again = engine.start_run(&ada(), keyed).await.unwrap();
    assert_eq!(
        (again.run.id.run, again.existing),
        (RunNumber(5), false),
        "INV-14; the key went with its run"
    );
    end(&engine, &again.run.id).await;
    let filter = EventFilter { types: vec!["run_deleted".to_owned()], ..EventFilter::default() };
    let events = engine.list_events(filter, EventRange::default(), Page::default()).await.unwrap().items;
    assert!(events.iter().any(|event| matches!(&event.kind, EventKind::RunDeleted { run } if *run == first)));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_has_not_ended_keeps_everything_however_old_it_is() {
    let mut world = World::new();
    world.options.retention.runs = Keep { runs: 1, ..Keep::default() };
    world.options.retention.logs = Keep { runs: 1, ..Keep::default() };
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "print=x,gate=go", &[])])).await;
    let old = start(&engine, &pipeline).await;
    until(&engine, &old, "t", TaskState::Running).await;
    let other = register(&engine, crate::support::pipeline("p", vec![task("t", "print=y", &[])])).await;
    let newer = runs(&engine, &other, 3).await;
    until_gone(&engine, &newer[1]).await;
    assert_eq!(engine.get_run(&old).await.unwrap().state, RunState::Running, "INV-63");
    world.backend.open_gate("go");
    assert_eq!(end(&engine, &old).await.state, RunState::Succeeded);
    until_gone(&engine, &old).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_does_not_end_holds_up_none_of_those_behind_it() {
    let mut world = World::new();
    world.options.retention.logs.runs = 20;
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "print=x,gate=go", &[])])).await;
    let old = start(&engine, &pipeline).await;
    until(&engine, &old, "t", TaskState::Running).await;
    register(&engine, crate::support::pipeline("p", vec![task("t", "print=y", &[])])).await;
    let newer = many(&engine, &pipeline, 300).await;
    until_deleted(&engine, &newer[279]).await;
    assert!(!is_deleted(&engine, &newer[280]).await, "it is one of the newest");
    assert!(!is_deleted(&engine, &old).await, "INV-63");
    world.backend.open_gate("go");
    end(&engine, &old).await;
    until_deleted(&engine, &old).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_set_aside_keeps_everything_and_holds_no_mark() {
    let mut world = World::new();
    world.options.retention.runs.runs = 1;
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "gate=never", &[])])).await;
    let aside = start(&engine, &pipeline).await;
    until(&engine, &aside, "t", TaskState::Running).await;
    world.crash(engine).await;
    let storage = FakeStorage::open(&world.disk, "vandal").unwrap();
    let mut batch = Batch::default();
    batch.put(keys::task(&aside, 0), vec![77_u8, 0]);
    storage.commit(batch).await.unwrap();
    drop(storage);
    world.disk.cut_power(0);
    let (engine, records) = Hold::default().open(&world).await;
    assert_eq!(engine.status(false).await.unwrap().quarantined_runs, 1);
    register(&engine, crate::support::pipeline("p", vec![task("t", "print=y", &[])])).await;
    let newer = runs(&engine, &pipeline, 3).await;
    until_gone(&engine, &newer[1]).await;
    assert_eq!(engine.get_run(&aside).await.unwrap().state, RunState::Running);
    wait_for("the mark to move on", || async {
        match records.low_mark(&pipeline, LowMark::Runs).await.unwrap() {
            RunNumber(4) => Ok(()),
            other => Err(format!("{other}")),
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_deleted_once_in_a_while() {
    let mut world = World::new();
    world.options.retention.logs.age = Some(Span::from_secs(7200));
    world.options.retention.event_age = Some(Span::from_secs(7200));
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "print=x", &[])])).await;
    let run = runs(&engine, &pipeline, 1).await.remove(0);
    // sleeps: virtual time: until nothing is old enough yet
    tokio::time::sleep(std::time::Duration::from_secs(3700)).await;
    assert!(!is_deleted(&engine, &run).await);
    // sleeps: virtual time: until it is
    tokio::time::sleep(std::time::Duration::from_secs(7200)).await;
    until_deleted(&engine, &run).await;
    wait_for("old events to be deleted", || async {
        let events =
            engine.list_events(EventFilter::default(), EventRange::default(), Page::default()).await.unwrap();
        match events.items.first() {
            Some(event) if event.seq == 1 => Err("the first is there".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn output_beyond_its_size_is_deleted_from_the_oldest_on() {
    let mut world = World::new();
    world.options.retention.logs.bytes = Some(250_000);
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "line=100000", &[])])).await;
    let all = runs(&engine, &pipeline, 4).await;
    until_deleted(&engine, &all[1]).await;
    assert!(!is_deleted(&engine, &all[3]).await && !is_deleted(&engine, &all[2]).await);
}

#[tokio::test(start_paused = true)]
async fn the_bound_of_bytes_holds_for_any_number_of_small_runs() {
    let mut world = World::new();
    world.options.retention.logs.runs = 0;
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "print=x", &[])])).await;
    let all = many(&engine, &pipeline, 300).await;
    world.empty().await;
    world.crash(engine).await;
    let logs = LogStore::open(LogOptions::new(world.logs.path())).await.unwrap();
    let mut bytes = logs.run_bytes(&all[0]).await.unwrap() / 2;
    for run in &all[10..] {
        bytes += logs.run_bytes(run).await.unwrap();
    }
    drop(logs);
    world.options.retention.logs.bytes = Some(bytes);
    let engine = world.open().await;
    until_deleted(&engine, &all[9]).await;
    // each new one costs the oldest its place, without a new life
    let newer = runs(&engine, &pipeline, 2).await;
    until_deleted(&engine, &all[11]).await;
    assert!(!is_deleted(&engine, &all[12]).await, "as much as may be is kept");
    // what a user deletes makes room
    world.empty().await;
    engine.delete_logs(&ada(), &all[40]).await.unwrap();
    engine.delete_logs(&ada(), &all[200]).await.unwrap();
    let newest = runs(&engine, &pipeline, 3).await;
    until_deleted(&engine, &all[12]).await;
    assert!(!is_deleted(&engine, &all[13]).await);
    for run in newer.iter().chain(&newest) {
        assert!(!is_deleted(&engine, run).await);
    }
}

/// The key whose answer is held back, how many answers go before, and what it waits for.
type Place = Option<(Vec<u8>, usize, Gate)>;

/// A storage that keeps the answer of one read back until a gate opens.
#[derive(Debug)]
struct Held {
    inner: FakeStorage,
    hold: Arc<Mutex<Place>>,
}

#[async_trait]
impl Storage for Held {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Row>> {
        let row = self.inner.get(key).await;
        let held = self.hold.lock().unwrap().take_if(|(held, before, _)| {
            let due = held == key && *before == 0;
            *before -= usize::from(held == key && !due);
            due
        });
        if let Some((.., gate)) = held {
            gate.pass().await;
        }
        row
    }

    async fn scan(&self, range: KeyRange, limit: usize) -> Result<Vec<Row>> {
        self.inner.scan(range, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<Revision> {
        self.inner.commit(batch).await
    }

    fn watch(&self, prefix: &[u8]) -> WatchStream {
        self.inner.watch(prefix)
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

/// Where the answer about a run is held back once.
#[derive(Default)]
struct Hold(Arc<Mutex<Place>>);

impl Hold {
    /// Holds the next answer about a run, behind so many others.
    fn answer(&self, run: &RunRef, before: usize) -> Gate {
        let gate = Gate::default();
        *self.0.lock().unwrap() = Some((keys::run(run).to_vec(), before, gate.clone()));
        gate
    }

    async fn open(&self, world: &World) -> (Engine, Records) {
        let inner = FakeStorage::open(&world.disk, "held").unwrap();
        let clock = || Arc::clone(&world.clock) as Arc<dyn gofer_backend::Clock>;
        let objects = Arc::clone(&world.objects) as Arc<dyn gofer_object_store::ObjectStore>;
        let ids = std::sync::atomic::AtomicU64::new(1_000_000);
        let scheduler = Arc::new(world.backend.connect(&Owner("test".to_owned())));
        let storage: Arc<dyn Storage> = Arc::new(Held { inner, hold: Arc::clone(&self.0) });
        let records = Records::new(Arc::clone(&storage));
        let parts = EngineParts {
            storage,
            logs: LogStore::open(LogOptions::new(world.logs.path())).await.unwrap(),
            objects: Objects::new(objects, world.object_limits.clone(), clock()),
            schedulers: Schedulers::one(SchedulerName::new("fake").unwrap(), scheduler),
            clock: clock(),
            new_id: Arc::new(move || u128::from(ids.fetch_add(1, std::sync::atomic::Ordering::SeqCst))),
            options: world.options.clone(),
        };
        (Engine::open(parts).await.unwrap(), records)
    }
}

#[tokio::test(start_paused = true)]
async fn deleting_output_does_not_bring_a_deleted_run_back() {
    let world = World::new();
    let hold = Hold::default();
    let (engine, _) = hold.open(&world).await;
    let config = pipeline("p", vec![task("t", "print=x", &[])]);
    let pipeline = register(&engine, config.clone()).await;
    let run = runs(&engine, &pipeline, 1).await.remove(0);
    let gate = hold.answer(&run, 0);
    let user = ada();
    let late = async {
        let answer = engine.delete_logs(&user, &run).await;
        assert!(matches!(answer, Err(EngineError::PipelineNotFound { .. })), "{answer:?}");
    };
    let first = async {
        gate.reached().await;
        engine.delete_pipeline(&user, &pipeline).await.unwrap();
        gate.open();
    };
    tokio::join!(late, first);
    register(&engine, config).await;
    let back = engine.get_run(&run).await;
    assert!(matches!(back, Err(EngineError::RunNotFound { .. })), "{back:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_is_not_deleted_while_it_is_written_that_output_is() {
    let world = World::new();
    let hold = Hold::default();
    let (engine, _) = hold.open(&world).await;
    let config = pipeline("p", vec![task("t", "print=x", &[])]);
    let pipeline = register(&engine, config.clone()).await;
    let run = runs(&engine, &pipeline, 1).await.remove(0);
    let user = ada();
    wait_for("the run to be put away", || async {
        // read once for the answer, and once more for the record that is written
        let gate = hold.answer(&run, 1);
        let delete_logs = engine.delete_logs(&user, &run);
        let delete_pipeline = async {
            gate.reached().await;
            engine.delete_pipeline(&user, &pipeline).await
        };
        let open = async {
            gate.reached().await;
            // the deletion has come as far as it can
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            gate.open();
        };
        tokio::select! {
            Err(error @ EngineError::RunNotEnded { .. }) = delete_logs => Err(error.to_string()),
            (deleted, ()) = async { tokio::join!(delete_pipeline, open) } => {
                deleted.unwrap();
                Ok(())
            }
        }
    })
    .await;
    register(&engine, config).await;
    let back = engine.get_run(&run).await;
    assert!(matches!(back, Err(EngineError::RunNotFound { .. })), "{back:?}");
}

#[tokio::test(start_paused = true)]
async fn deleting_output_does_not_bring_an_old_run_back_that_is_deleted_meanwhile() {
    let mut world = World::new();
    world.options.retention.runs.runs = 1;
    let hold = Hold::default();
    let (engine, _) = hold.open(&world).await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "print=x", &[])])).await;
    let run = runs(&engine, &pipeline, 1).await.remove(0);
    let gate = hold.answer(&run, 0);
    let user = ada();
    let late = async {
        let answer = engine.delete_logs(&user, &run).await;
        assert!(matches!(answer, Err(EngineError::RunNotFound { .. })), "{answer:?}");
    };
    let first = async {
        gate.reached().await;
        runs(&engine, &pipeline, 1).await;
        until_gone(&engine, &run).await;
        gate.open();
    };
    tokio::join!(late, first);
    let listed = engine.list_runs(RunFilter::default(), Page::default()).await.unwrap().items;
    assert_eq!(listed.iter().map(|run| run.id.run.0).collect::<Vec<_>>(), [2]);
}

#[tokio::test(start_paused = true)]
async fn housekeeping_does_not_bring_a_deleted_run_back() {
    let mut world = World::new();
    world.options.retention.logs.runs = 0;
    let engine = world.open().await;
    let config = pipeline("p", vec![task("t", "print=x", &[])]);
    let pipeline = register(&engine, config.clone()).await;
    let all = runs(&engine, &pipeline, 3).await;
    world.empty().await;
    world.crash(engine).await;
    world.options.retention.logs.runs = 1;
    let hold = Hold::default();
    // the first run is read by then, and meant to lose its output
    let gate = hold.answer(&all[1], 0);
    let (engine, _) = hold.open(&world).await;
    gate.reached().await;
    engine.delete_pipeline(&ada(), &pipeline).await.unwrap();
    gate.open();
    register(&engine, config).await;
    let newer = runs(&engine, &pipeline, 3).await;
    until_deleted(&engine, &newer[1]).await;
    for run in &all {
        let back = engine.get_run(run).await;
        assert!(matches!(back, Err(EngineError::RunNotFound { .. })), "{back:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn deleting_output_is_an_act_with_an_actor() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "print=x,gate=go", &[])])).await;
    let run = start(&engine, &pipeline).await;
    let early = engine.delete_logs(&ada(), &run).await;
    assert!(matches!(early, Err(EngineError::RunNotEnded { .. })), "{early:?}");
    world.backend.open_gate("go");
    end(&engine, &run).await;
    output(&engine, &run, true).await;
    world.empty().await;
    wait_for("the run to be put away", || async {
        match engine.delete_logs(&ada(), &run).await {
            Ok(run) => {
                assert_eq!(run.logs_deleted.unwrap().actor, ada().actor);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
    engine.delete_logs(&ada(), &run).await.unwrap();
    let filter = EventFilter { types: vec!["logs_deleted".to_owned()], ..EventFilter::default() };
    let events = engine.list_events(filter, EventRange::default(), Page::default()).await.unwrap().items;
    assert_eq!((events.len(), &events[0].actor), (1, &ada().actor), "repeated, it changes nothing");
}
