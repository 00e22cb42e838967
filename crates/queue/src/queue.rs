//! The queue as its owner sees it: runs and slots behind one face. It decides nothing itself.

use std::collections::BTreeMap;
use std::time::Duration;

use gofer_types::{Namespace, PipelineRef, RunRef};

use crate::hold::Hold;
use crate::item::{Arrival, Item, Phase, Refused, Slot, SlotId};
use crate::limits::Limits;
use crate::runs::Runs;
use crate::slots::Slots;

/// How many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Runs that wait.
    pub queued_runs: usize,
    /// Runs that run.
    pub running_runs: usize,
    /// Tasks that wait for a slot.
    pub waiting_tasks: usize,
    /// Tasks that hold a slot.
    pub running_tasks: usize,
}

/// The lines of runs and of tasks.
///
/// Every `now` is a time on one monotonic clock of the owner; one that lies before an earlier one is taken for that.
/// What one does not know of is no error anywhere: nothing happens.
#[derive(Debug)]
pub struct Queue {
    pub(crate) runs: Runs,
    pub(crate) slots: Slots,
}

impl Queue {
    /// An empty queue with these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { slots: Slots::new(limits.clone()), runs: Runs::new(limits) }
    }

    /// Takes in a run that was just asked for, and lets it in if it is its turn. A run that is known already stays where
    /// it is, and the answer says where. A run that it replaces does not start any more: it keeps its place, and those
    /// behind it wait, until it is told that it has ended.
    pub fn arrive(&mut self, item: Item, now: Duration) -> Result<Arrival, Refused> {
        self.runs.arrive(item, now)
    }

    /// Seats a run from the records, in the order in which the runs arrived; it is not refused, whatever the limits.
    /// Answers the runs that it replaces: for each run that waits, those among the runs seated before it, be it that they
    /// were named in an earlier life. Seating a run that is known changes nothing. What may start is let in by the next
    /// [`Queue::admit`].
    pub fn restore(&mut self, item: Item, phase: Phase) -> Vec<RunRef> {
        self.runs.restore(item, phase)
    }

    /// Lets in all runs that may start now, in their order: to be called after runs have ended, were forgotten or were
    /// restored, and when the time of [`Queue::next_start`] has come. They count as running from here on.
    pub fn admit(&mut self, now: Duration) -> Vec<RunRef> {
        self.runs.admit(now)
    }

    /// When the next run may start, if nothing but the rate of starts holds it back.
    #[must_use]
    pub fn next_start(&self, now: Duration) -> Option<Duration> {
        self.runs.next_start(now)
    }

    /// The run has ended, or is out of the queue's hands: it leaves its line, be it running or waiting, and so do its
    /// tasks that wait for a slot. Slots that they hold are released apart from this. Its seat stays.
    pub fn end(&mut self, run: &RunRef) {
        self.runs.end(run);
        self.slots.withdraw_all(run);
    }

    /// The run is not replaced after all: whoever was to replace it did not come to be. It goes on as if it had not been
    /// named; to be followed by [`Queue::admit`].
    pub fn spare(&mut self, run: &RunRef) {
        self.runs.spare(run);
    }

    /// Nothing is left of the run: it ends if it has not, and its seat is removed.
    pub fn forget(&mut self, run: &RunRef) {
        self.runs.forget(run);
        self.slots.withdraw_all(run);
    }

    /// How far a run is, if it is seated.
    #[must_use]
    pub fn phase(&self, run: &RunRef) -> Option<Phase> {
        self.runs.seats.get(run).map(|seat| seat.phase)
    }

    /// Why a run waits, and at which place. `None` for one that does not wait, and for one that nothing holds back: the
    /// next [`Queue::admit`] reaches it. With a rate of starts it is the rate that is named then. Walks along the line of
    /// that limit.
    #[must_use]
    pub fn held(&self, run: &RunRef) -> Option<Hold> {
        self.runs.held(run)
    }

    /// Asks for a slot. `spare` says that the asking run has one to give back in the same transaction; it is handed on
    /// where the task would get a slot if that one were given back first. A task that waits already keeps its place.
    pub fn ask(&mut self, slot: SlotId, spare: bool) -> Slot {
        self.slots.ask(slot, spare)
    }

    /// Counts a slot that an attempt from the records holds already, whatever the limits.
    pub fn hold(&mut self, namespace: &Namespace) {
        self.slots.hold(namespace);
    }

    /// Takes slots back, no more than the namespace holds. Whom they go to is told by the next [`Queue::grant`].
    pub fn release(&mut self, namespace: &Namespace, count: usize) {
        self.slots.release(namespace, count);
    }

    /// Takes a task out of the line.
    pub fn withdraw(&mut self, slot: &SlotId) {
        self.slots.withdraw(slot);
    }

    /// Gives slots to all tasks that may have one now, in their order: to be called after slots were released and tasks
    /// withdrawn.
    pub fn grant(&mut self) -> Vec<SlotId> {
        self.slots.grant()
    }

    /// Why tasks of a run wait for slots, and at which places. None of those that do not wait, and of those that nothing
    /// holds back: the next [`Queue::grant`] reaches them. Walks along the line of that limit, once.
    #[must_use]
    pub fn slots_held(&self, run: &RunRef) -> BTreeMap<u32, Hold> {
        self.slots.held(run)
    }

    /// How many there are in all.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let (waiting_tasks, running_tasks) = self.slots.counts();
        let (queued_runs, running_runs) = (self.runs.queued, self.runs.running);
        Counts { queued_runs, running_runs, waiting_tasks, running_tasks }
    }

    /// How many there are in a namespace.
    #[must_use]
    pub fn counts_of(&self, namespace: &Namespace) -> Counts {
        let (waiting_tasks, running_tasks) = self.slots.counts_of(namespace);
        let space = self.runs.spaces.get(namespace);
        let (queued_runs, running_runs) =
            space.map_or((0, 0), |space| (space.line.len() + space.parts, space.running));
        Counts { queued_runs, running_runs, waiting_tasks, running_tasks }
    }

    /// How many runs of a pipeline run or wait.
    #[must_use]
    pub fn active(&self, pipeline: &PipelineRef) -> usize {
        self.runs.lanes.get(pipeline).map_or(0, |lane| lane.active.len())
    }

    /// How many runs of a pipeline are seated: those that run, wait, or have ended and were not forgotten.
    #[must_use]
    pub fn seated(&self, pipeline: &PipelineRef) -> usize {
        self.runs.lanes.get(pipeline).map_or(0, |lane| lane.seated)
    }
}
