//! One transaction: typed writes and the events that tell of them, to become durable together.

use bytes::Bytes;
use gofer_storage::MAX_VALUE;
use gofer_types::{
    Actor, AttemptId, AttemptRecord, Event, EventKind, NamespaceRecord, PipelineRecord, PipelineRef,
    RunNumber, RunRecord, RunRef, TaskRunRecord, Timestamp, VersionRecord,
};

use crate::codec::{ActiveRecord, IdempotencyRecord, Stored, check_size, encode, encode_version};
use crate::error::{RecordError, Result};
use crate::indexes;
use crate::keys::{self, Counter, LowMark};

/// What a write costs in a batch beside its bytes.
const ENTRY_COST: usize = 64;

/// How long the record of a new run may be. What is added later is a wish that it ends, why it ended, and who deleted its output.
const LONGEST_NEW_RUN: usize = MAX_VALUE - 8 * 1024;

/// Writes and events, collected. It is handed over whole; nothing of it takes effect before.
#[derive(Debug, Default)]
pub struct Tx {
    writes: Vec<(Bytes, Option<Bytes>)>,
    events: Vec<Event>,
    size: usize,
    problem: Option<RecordError>,
}

impl Tx {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.events.is_empty() && self.problem.is_none()
    }

    /// About how many bytes it adds to a batch.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The events that it tells of. Their numbers are given when it is committed.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Fails if one of the records cannot be written.
    pub fn finished(mut self) -> Result<Self> {
        match self.problem.take() {
            Some(problem) => Err(problem),
            None => Ok(self),
        }
    }

    /// The writes, in the order in which they were added.
    pub(crate) fn writes(&self) -> &[(Bytes, Option<Bytes>)] {
        &self.writes
    }

    fn raw(&mut self, key: Bytes, value: Option<Bytes>) -> &mut Self {
        self.size += key.len() + value.as_ref().map_or(0, Bytes::len) + ENTRY_COST;
        self.writes.push((key, value));
        self
    }

    /// Sets a row that is its key alone.
    pub(crate) fn set(&mut self, key: Bytes) -> &mut Self {
        self.raw(key, Some(Bytes::new()))
    }

    fn put<T: Stored>(&mut self, key: Bytes, record: &T) -> &mut Self {
        match encode(record) {
            Ok(value) => {
                self.raw(key, Some(value));
            }
            Err(problem) => {
                self.problem.get_or_insert(problem);
            }
        }
        self
    }

    /// Tells that something happened.
    pub fn event(&mut self, at: Timestamp, actor: Actor, kind: EventKind) -> &mut Self {
        let event = Event { seq: 0, at, actor, kind };
        match encode(&event) {
            Ok(value) => {
                self.size += value.len() + 32 + ENTRY_COST;
                self.events.push(event);
            }
            Err(problem) => {
                self.problem.get_or_insert(problem);
            }
        }
        self
    }

    /// Sets a namespace.
    pub fn put_namespace(&mut self, record: &NamespaceRecord) -> &mut Self {
        self.put(keys::namespace(&record.name), record)
    }

    /// Removes a namespace.
    pub fn delete_namespace(&mut self, record: &NamespaceRecord) -> &mut Self {
        self.raw(keys::namespace(&record.name), None)
    }

    /// Sets a pipeline.
    pub fn put_pipeline(&mut self, record: &PipelineRecord) -> &mut Self {
        self.put(keys::pipeline(&record.id), record)
    }

    /// Removes a pipeline, and leaves the mark that its history is to follow.
    pub fn delete_pipeline(&mut self, id: &PipelineRef) -> &mut Self {
        self.raw(keys::pipeline(id), None).put(keys::deleting(id), &0_u64)
    }

    /// Removes the mark of a pipeline whose history is gone.
    pub fn finish_deletion(&mut self, id: &PipelineRef) -> &mut Self {
        self.raw(keys::deleting(id), None)
    }

    /// Sets a version, in as many rows as it needs.
    pub fn put_version(&mut self, record: &VersionRecord) -> &mut Self {
        match encode_version(record) {
            Ok(rows) => {
                for (chunk, row) in (0_u32..).zip(rows) {
                    self.raw(keys::version(&record.pipeline, record.version, chunk), Some(row));
                }
            }
            Err(problem) => {
                self.problem.get_or_insert(problem);
            }
        }
        self
    }

    /// Sets the next number of what is counted in a pipeline.
    pub fn put_counter(&mut self, id: &PipelineRef, of: Counter, next: u64) -> &mut Self {
        self.put(keys::counter(id, of), &next)
    }

    /// Says which run an attempt of a task has started.
    pub fn put_child(&mut self, attempt: &AttemptId, run: &RunRef) -> &mut Self {
        self.put(keys::child(attempt), run)
    }

    /// Forgets which run an attempt has started.
    pub fn delete_child(&mut self, attempt: &AttemptId) -> &mut Self {
        self.raw(keys::child(attempt), None)
    }

    /// Sets the first run of a pipeline that still has something.
    pub fn put_low_mark(&mut self, id: &PipelineRef, of: LowMark, run: RunNumber) -> &mut Self {
        self.put(keys::low_mark(id, of), &run.0)
    }

    /// Sets a new run: the run itself, its places in the lists and indexes, and the entry that somebody must look after it.
    ///
    /// It must be shorter than others: something is added to it until it has ended.
    pub fn create_run(&mut self, record: &RunRecord) -> &mut Self {
        if let Err(problem) =
            encode(record).and_then(|value| check_size::<RunRecord>(&value, LONGEST_NEW_RUN))
        {
            self.problem.get_or_insert(problem);
        }
        indexes::add_new(self, record);
        self.set(keys::recent(record.created, &record.id))
            .set(keys::recent_of(record.created, &record.id))
            .look_after(&record.id, record.created)
            .put_run(record)
    }

    /// Says that somebody must look after the run.
    pub fn look_after(&mut self, id: &RunRef, created: Timestamp) -> &mut Self {
        self.put(keys::active(id), &ActiveRecord { created, set_aside: false })
    }

    /// Marks a run as set aside because its records cannot be used.
    pub fn set_run_aside(&mut self, id: &RunRef, created: Timestamp) -> &mut Self {
        self.put(keys::active(id), &ActiveRecord { created, set_aside: true })
    }

    /// Sets a run that is there already.
    pub fn put_run(&mut self, record: &RunRecord) -> &mut Self {
        indexes::add_failed(self, record);
        self.put(keys::run(&record.id), record)
    }

    /// Says that nobody needs to look after the run any more.
    pub fn release_run(&mut self, id: &RunRef) -> &mut Self {
        self.raw(keys::active(id), None)
    }

    /// Sets the task run at that place of the pipeline file.
    pub fn put_task(&mut self, index: u32, record: &TaskRunRecord) -> &mut Self {
        self.put(keys::task(&record.id.run, index), record)
    }

    /// Sets an attempt of the task run at that place of the pipeline file.
    pub fn put_attempt(&mut self, index: u32, record: &AttemptRecord) -> &mut Self {
        self.put(keys::attempt(&record.task.run, index, record.number), record)
    }

    /// Says which run an idempotency key stands for.
    pub fn put_idempotency(&mut self, id: &PipelineRef, key: &str, record: &IdempotencyRecord) -> &mut Self {
        self.put(keys::idempotency(id, key), record)
    }

    /// Removes rows of a history, and the places in the lists of the runs among them.
    pub(crate) fn delete_rows(&mut self, rows: &[Bytes]) -> &mut Self {
        for key in rows {
            self.raw(key.clone(), None);
        }
        self
    }

    /// Removes the places of a run in the lists and indexes.
    pub(crate) fn delete_listings(&mut self, record: &RunRecord) -> &mut Self {
        self.delete_rows(&indexes::entries(record))
            .raw(keys::recent(record.created, &record.id), None)
            .raw(keys::recent_of(record.created, &record.id), None)
    }
}
