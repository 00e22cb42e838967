//! What is remembered from one look at a pipeline to the next. It may all be lost: then it is found out anew.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gofer_types::PipelineRef;
use tokio::sync::Notify;

use crate::look::Found;
use crate::sum::Sum;
use crate::walk::Walk;

/// The ways through the runs of a pipeline.
#[derive(Debug, Clone)]
pub(crate) struct Walks {
    /// For whole runs.
    pub(crate) runs: Walk,
    /// For their output.
    pub(crate) logs: Walk,
}

impl Walks {
    /// The first run whose output no walk has come to.
    pub(crate) fn next(&self) -> u64 {
        self.runs.next().max(self.logs.next())
    }
}

/// The pipelines that are to be looked at, and how far it was come with them. Bounded by their number.
#[derive(Debug, Default)]
pub struct Household {
    state: Mutex<State>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct State {
    dirty: BTreeSet<PipelineRef>,
    walks: HashMap<PipelineRef, Walks>,
    /// `None` while one is worked on.
    sums: HashMap<PipelineRef, Option<Sum>>,
}

impl Household {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something of this pipeline has ended, or there is more to look at.
    pub fn touch(&self, pipeline: &PipelineRef) {
        self.lock().dirty.insert(pipeline.clone());
        self.bell.notify_one();
    }

    /// Waits until a pipeline is touched.
    pub async fn touched(&self) {
        self.bell.notified().await;
    }

    /// Takes the pipelines that are to be looked at.
    pub fn take_dirty(&self) -> BTreeSet<PipelineRef> {
        std::mem::take(&mut self.lock().dirty)
    }

    /// Where the walks through a pipeline stand, if that was kept.
    pub(crate) fn walks(&self, pipeline: &PipelineRef) -> Option<Walks> {
        self.lock().walks.get(pipeline).cloned()
    }

    /// Learns how far a look has come, now that what it found is deleted. Answers whether there may be more.
    pub fn learn(&self, pipeline: &PipelineRef, found: Found) -> bool {
        self.keep_walks(pipeline, found.walks);
        if let Some(sum) = found.sum {
            self.give_back(pipeline, sum);
        }
        found.more
    }

    /// Keeps where the walks stand, if that is more than their marks say.
    pub(crate) fn keep_walks(&self, pipeline: &PipelineRef, walks: Walks) {
        let at_rest = [&walks.runs, &walks.logs].iter().all(|walk| walk.mark() == walk.next());
        let mut state = self.lock();
        if at_rest {
            state.walks.remove(pipeline);
        } else {
            state.walks.insert(pipeline.clone(), walks);
        }
    }

    /// Takes the sum of a pipeline, to work on it.
    pub(crate) fn take_sum(&self, pipeline: &PipelineRef) -> Option<Sum> {
        self.lock().sums.insert(pipeline.clone(), None).flatten()
    }

    /// Gives a sum back. It is dropped if it was forgotten meanwhile.
    pub(crate) fn give_back(&self, pipeline: &PipelineRef, sum: Sum) {
        if let Some(place) = self.lock().sums.get_mut(pipeline) {
            *place = Some(sum);
        }
    }

    /// Forgets the sum of a pipeline: output was deleted that is in it.
    pub fn forget_sum(&self, pipeline: &PipelineRef) {
        self.lock().sums.remove(pipeline);
    }

    /// Forgets a pipeline that is gone.
    pub fn forget(&self, pipeline: &PipelineRef) {
        let mut state = self.lock();
        state.dirty.remove(pipeline);
        state.walks.remove(pipeline);
        state.sums.remove(pipeline);
    }
}
