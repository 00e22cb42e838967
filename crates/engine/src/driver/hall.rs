//! The hall where runs and tasks wait: who may run now, and in which order the others follow.
//!
//! Plain counting under one short lock, never held across I/O. It is rebuilt from records at start; it decides nothing
//! that a record does not tell.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gofer_types::{AttemptId, PipelineRef, RunRef, Timestamp};
use tokio::sync::Notify;

use super::seat::{Entry, Phase, RunHandle, Seat};
use crate::error::{EngineError, Result};

/// The limits that the operator set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Tasks that may run at once.
    pub(crate) tasks: usize,
    /// Runs that may run at once.
    pub(crate) runs: usize,
    /// Runs that may wait.
    pub(crate) queued: usize,
}

/// Whether a run may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It may.
    Admitted,
    /// This limit holds it back.
    Held(String),
}

/// Who runs and who waits.
#[derive(Debug)]
pub(crate) struct Hall {
    limits: Limits,
    state: Mutex<State>,
    /// Wakes who waits for a start to be over or for a run to be put away.
    pub(crate) calmer: Notify,
}

/// What the lock guards.
#[derive(Debug, Default)]
pub(crate) struct State {
    order: u64,
    running_tasks: usize,
    waiting_tasks: BTreeMap<u64, (Arc<RunHandle>, u32)>,
    places: HashMap<(u64, u32), u64>,
    pub(super) pipelines: HashMap<PipelineRef, Entry>,
    /// The first waiting run of every pipeline whose own limit allows one more.
    heads: BTreeMap<u64, PipelineRef>,
    running_runs: usize,
    queued_runs: usize,
    seats: HashMap<RunRef, Seat>,
    listed: BTreeSet<(Reverse<Timestamp>, RunRef)>,
    in_hand: HashSet<AttemptId>,
    set_aside: BTreeMap<RunRef, String>,
    /// The idempotency keys of starts that are on their way.
    pub(super) keys: HashSet<(PipelineRef, String)>,
    /// Grows when pipelines are forgotten.
    pub(super) generation: u64,
}

impl Hall {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default(), calmer: Notify::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seats a new run, or one from the records whose phase is known. A new one is refused when too many wait.
    pub(crate) fn seat(&self, handle: &Arc<RunHandle>, parallelism: u32) -> Result<Admission> {
        let mut state = self.lock();
        let admission = state.admission(&self.limits, &handle.run.pipeline, parallelism);
        if matches!(admission, Admission::Held(_)) && state.queued_runs >= self.limits.queued {
            return Err(EngineError::TooManyQueued { limit: self.limits.queued });
        }
        let phase = match admission {
            Admission::Admitted => Phase::Running,
            Admission::Held(_) => Phase::Queued(0),
        };
        state.sit_down(handle, phase, parallelism);
        Ok(admission)
    }

    /// Seats a run from the records.
    pub(crate) fn seat_again(&self, handle: &Arc<RunHandle>, phase: Phase, parallelism: u32) {
        self.lock().sit_down(handle, phase, parallelism);
    }

    /// Lets in what the limits allow: after runs were seated from the records.
    pub(crate) fn open_doors(&self) {
        let mut state = self.lock();
        state.admit(&self.limits);
        state.grant(&self.limits);
    }

    /// The run has ended. Its seat stays until it is put away.
    pub(crate) fn run_ended(&self, handle: &RunHandle) {
        let mut state = self.lock();
        state.end(handle);
        state.admit(&self.limits);
    }

    /// Nothing is left to do for the run. Slots that it was granted and never looked at are given back.
    pub(crate) fn put_away(&self, handle: &RunHandle) {
        let mut state = self.lock();
        state.end(handle);
        state.running_tasks = state.running_tasks.saturating_sub(handle.take_granted().tasks.len());
        state.grant(&self.limits);
        state.seats.remove(&handle.run);
        if let Some(entry) = state.pipelines.get_mut(&handle.run.pipeline) {
            entry.seated -= 1;
        }
        state.admit(&self.limits);
        drop(state);
        handle.complete();
        self.calmer.notify_waiters();
    }

    /// Asks for a slot. `spare` says that the asking run has one to give back in the same transaction.
    pub(crate) fn ask_slot(&self, handle: &Arc<RunHandle>, task: u32, spare: bool) -> Slot {
        let mut state = self.lock();
        if state.waiting_tasks.is_empty() {
            if state.running_tasks < self.limits.tasks {
                state.running_tasks += 1;
                return Slot::Granted;
            }
            if spare {
                return Slot::Spare;
            }
        }
        state.wait_for_slot(handle, task);
        Slot::Wait(format!("the server's limit of {} running tasks", self.limits.tasks))
    }

    /// Counts a slot that an attempt from the records holds already.
    pub(crate) fn hold_slot(&self) {
        self.lock().running_tasks += 1;
    }

    /// Puts a task from the records back into the line.
    pub(crate) fn wait_for_slot(&self, handle: &Arc<RunHandle>, task: u32) {
        self.lock().wait_for_slot(handle, task);
    }

    /// Gives slots back.
    pub(crate) fn free_slots(&self, count: usize) {
        if count > 0 {
            let mut state = self.lock();
            state.running_tasks = state.running_tasks.saturating_sub(count);
            state.grant(&self.limits);
        }
    }

    /// Takes a task out of the line.
    pub(crate) fn forget(&self, handle: &RunHandle, task: u32) {
        let mut state = self.lock();
        if let Some(place) = state.places.remove(&(handle.serial, task)) {
            state.waiting_tasks.remove(&place);
        }
    }

    /// Takes an attempt into the engine's hands, or lets go of it.
    pub(crate) fn in_hand(&self, id: &AttemptId, is: bool) {
        let mut state = self.lock();
        if is {
            state.in_hand.insert(id.clone());
        } else {
            state.in_hand.remove(id);
        }
    }

    /// Whether an attempt is in the engine's hands.
    pub(crate) fn is_in_hand(&self, id: &AttemptId) -> bool {
        self.lock().in_hand.contains(id)
    }

    /// The run with that address, while it is seated.
    pub(crate) fn find(&self, run: &RunRef) -> Option<Arc<RunHandle>> {
        self.lock().seats.get(run).map(|seat| Arc::clone(&seat.handle))
    }

    /// The runs that have not ended, newest first, behind one of them.
    pub(crate) fn listed(
        &self,
        after: Option<(Timestamp, RunRef)>,
        wanted: impl Fn(&RunRef) -> bool,
        limit: usize,
    ) -> Vec<(Timestamp, RunRef)> {
        let state = self.lock();
        let start = after.map_or(std::ops::Bound::Unbounded, |(created, run)| {
            std::ops::Bound::Excluded((Reverse(created), run))
        });
        let behind = state.listed.range((start, std::ops::Bound::Unbounded)).filter(|(_, run)| wanted(run));
        behind.take(limit).map(|(created, run)| (created.0, run.clone())).collect()
    }

    /// Runs that wait, runs that run, tasks that hold a slot.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let state = self.lock();
        (state.queued_runs, state.running_runs, state.running_tasks)
    }

    /// Notes that a run was set aside.
    pub(crate) fn set_aside(&self, run: RunRef, reason: String) {
        self.lock().set_aside.insert(run, reason);
    }

    /// Why a run was set aside, if it was.
    pub(crate) fn why_set_aside(&self, run: &RunRef) -> Option<String> {
        self.lock().set_aside.get(run).cloned()
    }

    /// How many runs were set aside.
    pub(crate) fn count_set_aside(&self) -> usize {
        self.lock().set_aside.len()
    }
}

/// The answer to who asks for a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Here is one.
    Granted,
    /// The one that is given back anyway.
    Spare,
    /// Not now: this limit is reached. The task is in the line.
    Wait(String),
}

impl State {
    fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    fn admission(&self, limits: &Limits, pipeline: &PipelineRef, parallelism: u32) -> Admission {
        let entry = self.pipelines.get(pipeline);
        let (running, waiting) = entry.map_or((0, false), |entry| (entry.running, !entry.queue.is_empty()));
        if parallelism > 0 && (running >= parallelism || waiting) {
            return Admission::Held(format!("the pipeline's parallelism of {parallelism}"));
        }
        if waiting {
            return Admission::Held("earlier runs of the pipeline".to_owned());
        }
        if self.running_runs >= limits.runs || !self.heads.is_empty() {
            return Admission::Held(format!("the server's limit of {} running runs", limits.runs));
        }
        Admission::Admitted
    }

    fn sit_down(&mut self, handle: &Arc<RunHandle>, phase: Phase, parallelism: u32) {
        let order = self.next_order();
        let pipeline = handle.run.pipeline.clone();
        let entry = self.pipelines.entry(pipeline.clone()).or_default();
        entry.seated += 1;
        let phase = match phase {
            Phase::Queued(_) => {
                entry.queue.insert(order, (Arc::clone(handle), parallelism));
                self.queued_runs += 1;
                Phase::Queued(order)
            }
            Phase::Running => {
                entry.running += 1;
                self.running_runs += 1;
                Phase::Running
            }
            Phase::Ended => Phase::Ended,
        };
        if phase != Phase::Ended {
            entry.active += 1;
            self.listed.insert((Reverse(handle.created), handle.run.clone()));
        }
        self.seats.insert(handle.run.clone(), Seat { handle: Arc::clone(handle), phase });
        self.refresh(&pipeline);
    }

    /// Puts the pipeline's first waiting run among the heads if its own limit allows, else takes it away.
    fn refresh(&mut self, pipeline: &PipelineRef) {
        let Some(entry) = self.pipelines.get_mut(pipeline) else { return };
        if let Some(old) = entry.head.take() {
            self.heads.remove(&old);
        }
        if let Some((order, (_, parallelism))) = entry.queue.first_key_value()
            && (*parallelism == 0 || entry.running < *parallelism)
        {
            entry.head = Some(*order);
            self.heads.insert(*order, pipeline.clone());
        }
    }

    fn admit(&mut self, limits: &Limits) {
        while self.running_runs < limits.runs {
            let Some((order, pipeline)) = self.heads.first_key_value() else { return };
            let (order, pipeline) = (*order, pipeline.clone());
            self.heads.remove(&order);
            let Some(entry) = self.pipelines.get_mut(&pipeline) else { continue };
            entry.head = None;
            if let Some((handle, _)) = entry.queue.remove(&order) {
                entry.running += 1;
                self.running_runs += 1;
                self.queued_runs -= 1;
                if let Some(seat) = self.seats.get_mut(&handle.run) {
                    seat.phase = Phase::Running;
                }
                handle.admit();
            }
            self.refresh(&pipeline);
        }
    }

    fn end(&mut self, handle: &RunHandle) {
        let Some(seat) = self.seats.get_mut(&handle.run) else { return };
        let phase = std::mem::replace(&mut seat.phase, Phase::Ended);
        let Some(entry) = self.pipelines.get_mut(&handle.run.pipeline) else { return };
        match phase {
            Phase::Queued(order) => {
                entry.queue.remove(&order);
                self.queued_runs -= 1;
            }
            Phase::Running => {
                entry.running -= 1;
                self.running_runs -= 1;
            }
            Phase::Ended => return,
        }
        entry.active -= 1;
        self.listed.remove(&(Reverse(handle.created), handle.run.clone()));
        self.refresh(&handle.run.pipeline);
    }

    fn wait_for_slot(&mut self, handle: &Arc<RunHandle>, task: u32) {
        let place = self.next_order();
        self.places.insert((handle.serial, task), place);
        self.waiting_tasks.insert(place, (Arc::clone(handle), task));
    }

    fn grant(&mut self, limits: &Limits) {
        while self.running_tasks < limits.tasks {
            let Some((_, (handle, task))) = self.waiting_tasks.pop_first() else { return };
            self.places.remove(&(handle.serial, task));
            self.running_tasks += 1;
            handle.grant(task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gofer_types::{Namespace, PipelineId, RunNumber};

    fn seated(hall: &Hall, number: u64) -> Arc<RunHandle> {
        let pipeline =
            PipelineRef { namespace: Namespace::default_name(), pipeline: PipelineId::new("p").unwrap() };
        let (handle, _) = RunHandle::new(pipeline.run(RunNumber(number)), number, Timestamp::default());
        hall.seat(&handle, 0).unwrap();
        handle
    }

    #[test]
    fn a_slot_that_was_granted_to_a_run_at_its_end_goes_to_the_next() {
        let hall = Hall::new(Limits { tasks: 1, runs: 10, queued: 10 });
        let [first, last, next] = [1, 2, 3].map(|number| seated(&hall, number));
        assert_eq!(hall.ask_slot(&first, 0, false), Slot::Granted);
        assert!(matches!(hall.ask_slot(&last, 0, false), Slot::Wait(_)));
        hall.free_slots(1);
        assert!(matches!(hall.ask_slot(&next, 0, false), Slot::Wait(_)));
        hall.put_away(&last);
        assert_eq!((next.take_granted().tasks, hall.counts().2), (vec![0], 1));
        hall.free_slots(1);
        assert_eq!(hall.counts().2, 0);
    }
}
