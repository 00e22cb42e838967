//! The right to start a run, and the turn of an idempotency key: both are counted in the hall and end with their guard.

use std::collections::HashSet;
use std::sync::Arc;

use gofer_records::Counter;
use gofer_types::{PipelineRecord, PipelineRef};

use super::Inner;
use super::hall::{Hall, State};
use super::seat::Entry;
use crate::error::{EngineError, Result};

/// How many pipelines without anything under way are remembered.
const REMEMBERED: usize = 10_000;

/// What a change of a pipeline holds in place of an idempotency key; no start has an empty one.
const CHANGE: &str = "";

/// The right to start a run. While one is out, nobody forbids starts of its pipeline.
#[derive(Debug)]
pub(crate) struct StartTicket {
    hall: Arc<Hall>,
    pipeline: PipelineRef,
}

impl StartTicket {
    /// The right to start a run of a pipeline, with its record; `None` if the pipeline must be read first.
    pub(crate) fn take(inner: &Inner, id: &PipelineRef) -> Option<Result<(Self, PipelineRecord)>> {
        let mut state = inner.hall.lock();
        let entry = state.pipelines.get_mut(id).filter(|entry| entry.known)?;
        let Some(record) = entry.record.clone() else {
            return Some(Err(EngineError::PipelineNotFound { id: id.clone(), suggestion: None }));
        };
        if !record.enabled {
            return Some(Err(EngineError::PipelineDisabled { id: id.clone() }));
        }
        entry.starting += 1;
        drop(state);
        Some(Ok((Self { hall: Arc::clone(&inner.hall), pipeline: id.clone() }, record)))
    }

    /// The pipeline.
    pub(crate) fn pipeline(&self) -> &PipelineRef {
        &self.pipeline
    }

    /// The next run's number. It is used up, whatever becomes of the start.
    pub(crate) fn next_number(&self) -> u64 {
        let mut state = self.hall.lock();
        let entry = state.pipelines.entry(self.pipeline.clone()).or_default();
        let number = entry.next_run;
        entry.next_run += 1;
        number
    }
}

impl Drop for StartTicket {
    fn drop(&mut self) {
        let mut state = self.hall.lock();
        if let Some(entry) = state.pipelines.get_mut(&self.pipeline) {
            entry.starting -= 1;
        }
        drop(state);
        self.hall.calmer.notify_waiters();
    }
}

/// The turn of one idempotency key.
#[derive(Debug)]
pub(crate) struct KeyTurn {
    hall: Arc<Hall>,
    key: (PipelineRef, String),
}

impl Drop for KeyTurn {
    fn drop(&mut self) {
        self.hall.lock().keys.remove(&self.key);
        self.hall.calmer.notify_waiters();
    }
}

impl Hall {
    /// Waits until no other start with this key is on its way.
    pub(crate) async fn key_turn(self: &Arc<Self>, id: &PipelineRef, key: &str) -> KeyTurn {
        let key = (id.clone(), key.to_owned());
        loop {
            let calmer = self.calmer.notified();
            if self.lock().keys.insert(key.clone()) {
                return KeyTurn { hall: Arc::clone(self), key };
            }
            calmer.await;
        }
    }

    /// Waits until no other change of the pipeline is on its way. What starts see of it is not forgotten while this is held.
    pub(crate) async fn change_turn(self: &Arc<Self>, id: &PipelineRef) -> KeyTurn {
        self.key_turn(id, CHANGE).await
    }

    /// Asks something of a pipeline's entry.
    pub(crate) fn entry<T>(&self, id: &PipelineRef, ask: impl FnOnce(&Entry) -> T) -> T {
        ask(self.lock().pipelines.entry(id.clone()).or_default())
    }

    /// Changes what starts of runs see of a pipeline that was read before.
    pub(crate) fn learn(&self, id: &PipelineRef, record: Option<PipelineRecord>) {
        let mut state = self.lock();
        if let Some(entry) = state.pipelines.get_mut(id).filter(|entry| entry.known) {
            entry.record = record;
        }
    }
}

impl State {
    /// Forgets the pipelines of which nothing is under way, neither a run nor a change.
    fn forget_idle(&mut self) {
        let changing: HashSet<&PipelineRef> = self.keys.iter().map(|(id, _)| id).collect();
        self.pipelines.retain(|id, entry| !entry.is_idle() || changing.contains(id));
        self.generation += 1;
    }
}

impl Inner {
    /// Sees to it that the hall knows a pipeline, be it that there is none.
    pub(crate) async fn learn_pipeline(&self, id: &PipelineRef) -> Result<()> {
        loop {
            let generation = {
                let state = self.hall.lock();
                if state.pipelines.get(id).is_some_and(|entry| entry.known) {
                    return Ok(());
                }
                state.generation
            };
            let record = self.records.pipeline(id).await?;
            let next_run = self.records.counter(id, Counter::Runs).await?;
            let mut state = self.hall.lock();
            if state.generation != generation {
                continue;
            }
            if state.pipelines.len() > REMEMBERED {
                state.forget_idle();
            }
            let entry = state.pipelines.entry(id.clone()).or_default();
            if !entry.known {
                *entry = Entry { known: true, record, next_run, ..std::mem::take(entry) };
            }
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use gofer_types::{Namespace, PipelineId};

    use super::*;
    use crate::driver::hall::Limits;

    fn pipeline(id: &str) -> PipelineRef {
        PipelineRef { namespace: Namespace::default_name(), pipeline: PipelineId::new(id).unwrap() }
    }

    #[tokio::test]
    async fn what_is_being_changed_is_not_forgotten() {
        let hall = Arc::new(Hall::new(Limits { runs: 1, tasks: 1, queued: 1 }));
        let (changed, idle) = (pipeline("changed"), pipeline("idle"));
        let turn = hall.change_turn(&changed).await;
        for id in [&changed, &idle] {
            hall.lock().pipelines.entry(id.clone()).or_default().known = true;
        }
        hall.lock().forget_idle();
        assert!(hall.entry(&changed, |entry| entry.known), "the mark of a change holds");
        assert!(!hall.entry(&idle, |entry| entry.known));
        drop(turn);
        hall.lock().forget_idle();
        assert!(!hall.entry(&changed, |entry| entry.known));
    }
}
