//! What is on disk, as records: kept by what was committed, and never by what the server says.

use std::collections::BTreeMap;

use bytes::Bytes;
use gofer_records::codec::decode;
use gofer_records::keys::{self, family};
use gofer_storage::{Batch, Write};
use gofer_types::{
    AttemptId, AttemptRecord, Event, Pipeline, PipelineRecord, PipelineRef, RunRecord, RunRef, TaskRunRecord,
};

/// A run with what belongs to it.
#[derive(Debug, Clone)]
pub struct RunView {
    /// The run.
    pub record: RunRecord,
    /// Its tasks, by their places.
    pub tasks: BTreeMap<u32, TaskRunRecord>,
    /// Its attempts, by the places of their tasks and their numbers.
    pub attempts: BTreeMap<(u32, u32), AttemptRecord>,
}

/// A change that a commit made.
#[derive(Debug, Clone)]
pub enum Change {
    /// Of a run.
    Run(Option<Box<RunRecord>>, Box<RunRecord>),
    /// Of a task at a place.
    Task(RunRef, u32, Option<Box<TaskRunRecord>>, Box<TaskRunRecord>),
    /// Of an attempt of the task at a place.
    Attempt(RunRef, u32, Option<Box<AttemptRecord>>, Box<AttemptRecord>),
    /// An event.
    Event(Box<Event>),
    /// A run was deleted.
    Gone(Box<RunRecord>),
}

#[derive(Debug, Clone)]
enum Named {
    Run(RunRef),
    Task(RunRef, u32),
    Attempt(RunRef, (u32, u32)),
    Pipeline(PipelineRef),
}

/// What is on disk.
#[derive(Debug, Default)]
pub struct Ledger {
    rows: BTreeMap<Bytes, Bytes>,
    names: BTreeMap<Bytes, Named>,
    /// The runs.
    pub runs: BTreeMap<RunRef, RunView>,
    /// The pipelines.
    pub pipelines: BTreeMap<PipelineRef, PipelineRecord>,
    /// The configurations, as they were when they were first looked at.
    pub configs: BTreeMap<(PipelineRef, u64), Pipeline>,
    /// The newest event.
    pub newest_event: u64,
    /// The commits so far.
    pub commits: u64,
}

impl Ledger {
    /// An attempt by its name.
    pub fn attempt(&self, id: &AttemptId) -> Option<&AttemptRecord> {
        self.runs.values().flat_map(|view| view.attempts.values()).find(|one| one.id == *id)
    }

    /// Takes a batch in, and answers what it changed.
    pub fn apply(&mut self, batch: &Batch) -> Vec<Change> {
        self.commits += 1;
        // a run before what belongs to it, whatever the order within the batch
        let is_run = |write: &&Write| write.key().starts_with(family::RUN.as_bytes());
        let (mut runs, rest): (Vec<_>, Vec<_>) = batch.writes.iter().partition(is_run);
        // newer runs have smaller keys
        runs.sort_by(|a, b| b.key().cmp(a.key()));
        runs.into_iter().chain(rest).filter_map(|write| self.write(write)).collect()
    }

    fn write(&mut self, write: &Write) -> Option<Change> {
        match write {
            Write::Put { key, value } => {
                self.rows.insert(key.clone(), value.clone());
                self.put(key, value)
            }
            Write::Delete { key } => {
                self.rows.remove(key);
                self.delete(key)
            }
        }
    }

    fn put(&mut self, key: &Bytes, value: &Bytes) -> Option<Change> {
        if key.starts_with(family::RUN.as_bytes()) {
            self.put_run(key, decode(key, value).ok()?)
        } else if key.starts_with(family::TASK.as_bytes()) {
            self.put_task(key, decode(key, value).ok()?)
        } else if key.starts_with(family::ATTEMPT.as_bytes()) {
            self.put_attempt(key, decode(key, value).ok()?)
        } else if key.starts_with(family::EVENT.as_bytes()) {
            let event: Event = decode(key, value).ok()?;
            Some(Change::Event(Box::new(event)))
        } else if key.starts_with(family::PIPELINE.as_bytes()) {
            let record: PipelineRecord = decode(key, value).ok()?;
            self.names.insert(key.clone(), Named::Pipeline(record.id.clone()));
            self.pipelines.insert(record.id.clone(), record);
            None
        } else {
            None
        }
    }

    fn put_run(&mut self, key: &Bytes, record: RunRecord) -> Option<Change> {
        self.names.insert(key.clone(), Named::Run(record.id.clone()));
        let old = match self.runs.get_mut(&record.id) {
            Some(view) => Some(std::mem::replace(&mut view.record, record.clone())),
            None => {
                let (tasks, attempts) = (BTreeMap::new(), BTreeMap::new());
                let view = RunView { record: record.clone(), tasks, attempts };
                self.runs.insert(record.id.clone(), view);
                None
            }
        };
        Some(Change::Run(old.map(Box::new), Box::new(record)))
    }

    fn put_task(&mut self, key: &Bytes, record: TaskRunRecord) -> Option<Change> {
        let run = record.id.run.clone();
        let place = keys::task_index(&run, key)?;
        self.names.insert(key.clone(), Named::Task(run.clone(), place));
        let old = self.runs.get_mut(&run)?.tasks.insert(place, record.clone());
        Some(Change::Task(run, place, old.map(Box::new), Box::new(record)))
    }

    fn put_attempt(&mut self, key: &Bytes, record: AttemptRecord) -> Option<Change> {
        let run = record.task.run.clone();
        let place = keys::attempt_place(&run, key)?;
        self.names.insert(key.clone(), Named::Attempt(run.clone(), place));
        let old = self.runs.get_mut(&run)?.attempts.insert(place, record.clone());
        Some(Change::Attempt(run, place.0, old.map(Box::new), Box::new(record)))
    }

    fn delete(&mut self, key: &Bytes) -> Option<Change> {
        match self.names.remove(key)? {
            Named::Run(run) => self.runs.remove(&run).map(|view| Change::Gone(Box::new(view.record))),
            Named::Task(run, place) => {
                self.runs.get_mut(&run)?.tasks.remove(&place);
                None
            }
            Named::Attempt(run, place) => {
                self.runs.get_mut(&run)?.attempts.remove(&place);
                None
            }
            Named::Pipeline(id) => {
                self.pipelines.remove(&id);
                None
            }
        }
    }

    /// What must be written so that this ledger is what is on disk.
    pub fn difference(&self, disk: &BTreeMap<Bytes, Bytes>) -> Batch {
        let mut batch = Batch::default();
        for (key, value) in disk {
            if self.rows.get(key) != Some(value) {
                batch.put(key.clone(), value.clone());
            }
        }
        for key in self.rows.keys().filter(|key| !disk.contains_key(*key)) {
            batch.delete(key.clone());
        }
        batch
    }

    /// The configuration that a run executes.
    pub fn config(&self, run: &RunRecord) -> Option<&Pipeline> {
        self.configs.get(&(run.id.pipeline.clone(), run.version.0))
    }

    /// The versions that runs name and that were not looked at yet.
    pub fn unknown_versions(&self) -> Vec<(PipelineRef, u64)> {
        let named = self.runs.values().map(|view| (view.record.id.pipeline.clone(), view.record.version.0));
        let mut unknown: Vec<_> = named.filter(|version| !self.configs.contains_key(version)).collect();
        unknown.sort();
        unknown.dedup();
        unknown
    }
}
