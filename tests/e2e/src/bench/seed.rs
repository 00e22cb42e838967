//! A history of a million runs, written below the engine.
//!
//! The records are those that the engine leaves of a run that has ended, put into the storage by the same typed writes: the
//! run, its places in the lists, its one task and its one attempt. A thousand runs share a batch and its sync, where the
//! engine would take its time for each. There are no events and no output: nothing that lists runs reads them.

use std::collections::BTreeMap;
use std::path::Path;

use gofer_records::{Counter, Group, LowMark, Records, Tx};
use gofer_types::{
    Actor, AttemptId, AttemptRecord, Cause, Deletion, LabelKey, Namespace, PipelineId, PipelineRef,
    RunNumber, RunRecord, RunRef, RunState, SchedulerName, TaskId, TaskRef, TaskRunRecord, TaskState,
    Timestamp,
};

/// How many runs share a batch.
const BATCH: usize = 1_000;

/// How many of the newest runs of a pipeline have kept their output, as retention has it by default.
const LOGS: usize = 20;

/// The first microsecond of the history.
const EPOCH: i64 = 1_700_000_000_000_000;

/// A pipeline and how many runs it has.
#[derive(Clone)]
pub(crate) struct History {
    pub(crate) pipeline: PipelineRef,
    pub(crate) runs: usize,
    /// Every so many runs one fails, the first one too.
    pub(crate) failing: usize,
}

impl History {
    pub(crate) fn new(namespace: &str, pipeline: &str, runs: usize, failing: usize) -> Self {
        let namespace = Namespace::new(namespace).expect("a name");
        let pipeline = PipelineRef { namespace, pipeline: PipelineId::new(pipeline).expect("an id") };
        Self { pipeline, runs, failing }
    }
}

/// Fills the storage in this directory. The pipelines are registered already, and no server runs.
pub(crate) async fn fill(dir: &Path, histories: &[History]) {
    let config = gofer_storage_redb::Config::default();
    let storage = gofer_storage_redb::open("redb", &config, dir).expect("the storage opens");
    let records = Records::new(std::sync::Arc::clone(&storage));
    let owner = records.take_ownership().await.expect("nobody else writes");
    let (mut group, mut pending) = (Group::new(owner), 0);
    for (history, number) in in_time(histories) {
        group.add(&run(history, number)).expect("a run can be written");
        pending += 1;
        if pending == BATCH {
            let full = std::mem::replace(&mut group, Group::new(owner));
            storage.commit(full.into_batch().0).await.expect("the batch is written");
            pending = 0;
        }
    }
    for History { pipeline, runs, .. } in histories {
        let mut tx = Tx::default();
        tx.put_counter(pipeline, Counter::Runs, *runs as u64 + 1);
        tx.put_low_mark(pipeline, LowMark::Logs, RunNumber(runs.saturating_sub(LOGS) as u64 + 1));
        group.add(&tx).expect("a counter can be written");
    }
    storage.commit(group.into_batch().0).await.expect("the batch is written");
}

/// All runs, mixed as they would have come: a pipeline with more of them has them more often.
fn in_time(histories: &[History]) -> impl Iterator<Item = (&History, usize)> {
    let most = histories.iter().map(|history| history.runs).max().unwrap_or_default();
    (0..most).flat_map(move |tick| {
        histories.iter().filter_map(move |history| {
            let (before, after) = (tick * history.runs / most, (tick + 1) * history.runs / most);
            (after > before).then_some((history, after))
        })
    })
}

/// When a run of that number was asked for: the histories end at about the same time.
fn moment(history: &History, number: usize) -> Timestamp {
    // ten thousand seconds, whatever the number of runs is
    let place = number as u64 * 10_000_000_000 / history.runs as u64;
    Timestamp::from_micros(EPOCH + i64::try_from(place).expect("a small number"))
}

fn run(history: &History, number: usize) -> Tx {
    let failed = number % history.failing == 1;
    let created = moment(history, number);
    let at = |millis: u64| Some(created.plus(std::time::Duration::from_millis(millis)));
    let id = history.pipeline.run(RunNumber(number as u64));
    let label = |key: &str, value: String| (LabelKey::new(key).expect("a key"), value);
    let system = || Deletion { actor: Actor::System, at: created };
    let record = RunRecord {
        state: if failed { RunState::Failed } else { RunState::Succeeded },
        cause: if failed { Cause::Tasks(vec![task_id()]) } else { Cause::Completed },
        actor: Actor::User("bench".to_owned()),
        started: at(1),
        ended: at(60),
        deadline: at(604_800_000),
        labels: BTreeMap::from([
            label("team", format!("t{}", number % 10)),
            label("commit", format!("c{number}")),
        ]),
        logs_deleted: (number + LOGS <= history.runs).then(system),
        ..RunRecord::new(id.clone(), created)
    };
    let mut tx = Tx::default();
    tx.create_run(&record).release_run(&id);
    put_task(&mut tx, &record, failed);
    tx
}

fn task_id() -> TaskId {
    TaskId::new("t").expect("an id")
}

fn put_task(tx: &mut Tx, run: &RunRecord, failed: bool) {
    let task = TaskRef { run: run.id.clone(), task: task_id() };
    let attempt = AttemptId::from_u128(unique(&run.id, run.created));
    let code = i32::from(failed);
    tx.put_task(
        0,
        &TaskRunRecord {
            id: task.clone(),
            state: if failed { TaskState::Failed } else { TaskState::Succeeded },
            cause: Cause::ExitCode(code),
            attempts: vec![attempt.clone()],
            changed: run.ended.unwrap_or(run.created),
            started: run.started,
            ended: run.ended,
            exit_code: Some(code),
            fan_out: None,
            due: None,
        },
    );
    let record = AttemptRecord {
        id: attempt,
        task,
        number: 1,
        scheduler: SchedulerName::new("process").expect("a name"),
        digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".to_owned(),
        created: run.created,
        started: run.started,
        ended: run.ended,
        deadline: run.deadline,
        exit: Some(Cause::ExitCode(code)),
        handle: Some(format!("{}", run.id.run.0 % 4_000_000)),
        removed: true,
        image: None,
        collected: true,
        due: None,
    };
    tx.put_attempt(0, &record);
}

/// Only alike in the same run.
fn unique(id: &RunRef, created: Timestamp) -> u128 {
    (u128::from(created.as_micros().cast_unsigned()) << 64) | u128::from(id.run.0)
}
