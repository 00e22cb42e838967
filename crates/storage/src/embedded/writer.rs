//! The one thread that writes.
//!
//! It takes whatever waits, up to a limit, decides which batches hold, writes them as one, and answers all of them after the one
//! sync. A lone commit goes at once; what arrives during a sync is the next group. While nobody commits, it sleeps; it wakes by
//! itself once at most, to let the engine settle.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use gofer_backend::{BackendError, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::engine::{Engine, Group, WriteFailure};
use super::home::Home;
use super::plan::Plan;
use crate::watchers::Watchers;
use crate::{Batch, MAX_BATCH, Revision};

/// How many batches one group may hold.
pub(super) const GROUP_BATCHES: usize = 1024;
/// How many bytes of batches one group may hold, not counting the batch that goes over it.
const GROUP_BYTES: usize = MAX_BATCH / 4;

/// What is shared between the writer and everybody else.
#[derive(Debug)]
pub(super) struct Shared<E> {
    pub(super) engine: E,
    pub(super) watchers: Watchers,
    /// Set for good by the first failed sync.
    pub(super) broken: OnceLock<BackendError>,
}

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Request {
    Commit(Batch),
    /// A durable write without an effect.
    Probe,
}

/// A request with the way to answer it, and its share of the memory that waiting requests may take.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) request: Request,
    pub(super) answer: oneshot::Sender<Result<Revision>>,
    pub(super) _permit: OwnedSemaphorePermit,
}

/// The state of the writer thread.
#[derive(Debug)]
pub(super) struct Writer<E: Engine> {
    pub(super) shared: Arc<Shared<E>>,
    /// Without a limit of its own: every job in it holds a permit, and these are counted.
    pub(super) queue: Receiver<Job>,
    pub(super) revision: Revision,
    /// Whether a write was tried since the engine was last told that it is idle.
    pub(super) unsettled: bool,
    pub(super) home: Option<Home>,
    pub(super) done: watch::Sender<bool>,
}

impl<E: Engine> Writer<E> {
    /// Works until the queue is closed and empty. Letting go of files and lock is part of being dropped, so that it also
    /// happens if the engine panics.
    pub(super) fn run(mut self) {
        while let Some(first) = self.next() {
            let jobs = self.collect(first);
            self.serve(jobs);
        }
    }

    /// The next job. Lets the engine settle if none comes for as long as the engine says; from then on waits without limit.
    fn next(&mut self) -> Option<Job> {
        if self.unsettled
            && self.shared.broken.get().is_none()
            && let Some(delay) = self.shared.engine.idle_after()
        {
            match self.queue.recv_timeout(delay) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.settle(),
            }
        }
        self.queue.recv().ok()
    }

    fn settle(&mut self) {
        // also if it is refused: with a full disk the next try is due after the next write
        self.unsettled = false;
        // nobody waits for it; what was acknowledged does not depend on it, and a broken engine is told to the next caller
        let _ = self.outcome(self.shared.engine.idle());
    }

    fn collect(&mut self, first: Job) -> Vec<Job> {
        let mut bytes = first.size();
        let mut jobs = vec![first];
        while jobs.len() < GROUP_BATCHES && bytes < GROUP_BYTES {
            let Ok(job) = self.queue.try_recv() else { break };
            bytes += job.size();
            jobs.push(job);
        }
        jobs
    }

    fn serve(&mut self, jobs: Vec<Job>) {
        if let Some(error) = self.shared.broken.get() {
            return answer_all(jobs, error);
        }
        let probed = jobs.iter().any(|job| matches!(job.request, Request::Probe));
        let mut plan = Plan::new(&self.shared.engine, self.revision);
        let admit = |job: &Job| match &job.request {
            Request::Commit(batch) => plan.admit(batch),
            Request::Probe => Ok(Revision::default()),
        };
        let outcomes: Vec<Result<Revision>> = jobs.iter().map(admit).collect();
        let writes = plan.writes();
        let (group, revision, touched) = plan.finish();
        if (writes || probed)
            && let Err(error) = self.write(&group, revision, &touched)
        {
            // also those whose check failed: it may have failed because of a batch that is not there now
            return answer_all(jobs, &error);
        }
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            // a caller that has gone away leaves the outcome unknown to itself
            let _ = job.answer.send(outcome);
        }
    }

    fn write(
        &mut self,
        group: &Group,
        revision: Revision,
        touched: &BTreeMap<Bytes, Revision>,
    ) -> Result<()> {
        // also if it fails: a refused write may leave the engine to be settled anew
        self.unsettled = true;
        self.outcome(self.shared.engine.write(group))?;
        self.revision = revision;
        self.shared.watchers.signal(touched);
        Ok(())
    }

    /// Remembers for good that the engine is broken.
    fn outcome(&self, written: std::result::Result<(), WriteFailure>) -> Result<()> {
        match written {
            Ok(()) => Ok(()),
            Err(WriteFailure::Refused(error)) => Err(error),
            Err(WriteFailure::Broken(cause)) => {
                let text = "a write failed and its outcome is unknown; nothing is acknowledged until the server is restarted";
                let error = BackendError::new(ErrorKind::Unavailable, text).source(cause.chain());
                Err(repeat(self.shared.broken.get_or_init(|| error)))
            }
        }
    }
}

impl<E: Engine> Drop for Writer<E> {
    fn drop(&mut self) {
        self.shared.engine.close();
        self.shared.watchers.close();
        self.home = None;
        self.done.send_replace(true);
    }
}

impl Job {
    fn size(&self) -> usize {
        match &self.request {
            Request::Commit(batch) => batch.size(),
            Request::Probe => 0,
        }
    }
}

fn answer_all(jobs: Vec<Job>, error: &BackendError) {
    for job in jobs {
        let _ = job.answer.send(Err(repeat(error)));
    }
}

/// The same error for one more caller.
pub(super) fn repeat(error: &BackendError) -> BackendError {
    let mut copy = BackendError::new(error.kind(), error.message()).retry(error.advice());
    for (name, value) in error.facts() {
        copy = copy.with(name, value);
    }
    match std::error::Error::source(error) {
        Some(source) => copy.source(source.to_string()),
        None => copy,
    }
}
