//! The right to start a run, and the turn of an idempotency key: both are counted in the hall and end with their guard.

use std::collections::HashSet;
use std::sync::Arc;

use gofer_types::{PipelineRecord, PipelineRef};

use crate::hall::{Hall, State};
use crate::seat::Entry;

/// How many pipelines without anything under way are remembered.
const REMEMBERED: usize = 10_000;

/// What a change of a pipeline holds in place of an idempotency key; no start has an empty one.
const CHANGE: &str = "";

/// The right to start a run. While one is out, nobody forbids starts of its pipeline.
#[derive(Debug)]
pub struct StartTicket {
    hall: Arc<Hall>,
    pipeline: PipelineRef,
}

/// What comes of asking for a start.
#[derive(Debug)]
pub enum Start {
    /// It may begin: the right to it, and the record of the pipeline.
    Allowed(StartTicket, Box<PipelineRecord>),
    /// There is no such pipeline.
    Missing,
    /// The pipeline takes no starts.
    Disabled,
}

impl StartTicket {
    /// The pipeline.
    pub fn pipeline(&self) -> &PipelineRef {
        &self.pipeline
    }

    /// The next run's number. It is used up, whatever becomes of the start.
    pub fn next_number(&self) -> u64 {
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
pub struct KeyTurn {
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
    /// The right to start a run of a pipeline; `None` if the pipeline must be read first.
    pub fn take_start(self: &Arc<Self>, id: &PipelineRef) -> Option<Start> {
        let mut state = self.lock();
        let entry = state.pipelines.get_mut(id).filter(|entry| entry.known)?;
        let Some(record) = entry.record.clone() else { return Some(Start::Missing) };
        if !record.enabled {
            return Some(Start::Disabled);
        }
        entry.starting += 1;
        let ticket = StartTicket { hall: Arc::clone(self), pipeline: id.clone() };
        Some(Start::Allowed(ticket, Box::new(record)))
    }

    /// What [`Hall::learn_at`] must be told if a pipeline has to be read; `None` if it is known.
    pub fn generation_if_unknown(&self, id: &PipelineRef) -> Option<u64> {
        let state = self.lock();
        let known = state.pipelines.get(id).is_some_and(|entry| entry.known);
        (!known).then_some(state.generation)
    }

    /// Takes in what was read of a pipeline: its record, be it that there is none, and the number of its next run. Answers
    /// `false` if something was forgotten since that generation: then it must be read again.
    pub fn learn_at(&self, id: &PipelineRef, generation: u64, read: (Option<PipelineRecord>, u64)) -> bool {
        let mut state = self.lock();
        if state.generation != generation {
            return false;
        }
        if state.pipelines.len() > REMEMBERED {
            state.forget_idle();
        }
        let (record, next_run) = read;
        let entry = state.pipelines.entry(id.clone()).or_default();
        if !entry.known {
            *entry = Entry { known: true, record, next_run, ..std::mem::take(entry) };
        }
        true
    }

    /// Waits until no other start with this key is on its way.
    pub async fn key_turn(self: &Arc<Self>, id: &PipelineRef, key: &str) -> KeyTurn {
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
    pub async fn change_turn(self: &Arc<Self>, id: &PipelineRef) -> KeyTurn {
        self.key_turn(id, CHANGE).await
    }

    /// Asks something of a pipeline's entry.
    pub fn entry<T>(&self, id: &PipelineRef, ask: impl FnOnce(&Entry) -> T) -> T {
        ask(self.lock().pipelines.entry(id.clone()).or_default())
    }

    /// Whether nothing of a pipeline is under way.
    pub fn is_idle(&self, id: &PipelineRef) -> bool {
        let mut state = self.lock();
        state.pipelines.entry(id.clone()).or_default();
        state.pipelines.get(id).is_none_or(|entry| state.is_idle(id, entry))
    }

    /// Changes what starts of runs see of a pipeline that was read before.
    pub fn learn(&self, id: &PipelineRef, record: Option<PipelineRecord>) {
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
        let idle = |id: &PipelineRef| self.pipelines.get(id).is_some_and(|entry| self.is_idle(id, entry));
        let idle: HashSet<PipelineRef> =
            self.pipelines.keys().filter(|id| idle(id) && !changing.contains(id)).cloned().collect();
        self.pipelines.retain(|id, _| !idle.contains(id));
        self.generation += 1;
    }
}

#[cfg(test)]
mod tests {
    use gofer_types::{Namespace, PipelineId};

    use super::*;
    use crate::hall::tests::hall;

    fn pipeline(id: &str) -> PipelineRef {
        PipelineRef { namespace: Namespace::default_name(), pipeline: PipelineId::new(id).unwrap() }
    }

    #[tokio::test]
    async fn what_is_being_changed_is_not_forgotten() {
        let hall = Arc::new(hall(gofer_queue::Bounds::NONE));
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
