//! What one step changes: records, events and effects, committed whole before any of its effects is performed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gofer_attempt::Sequel;
use gofer_scheduler::{Scheduler, TaskSpec};
use gofer_types::{
    Actor, AttemptRecord, BootTime, EventKind, Moment, RunRecord, SchedulerName, TaskRunRecord, TaskState,
    Timestamp,
};
use tokio::sync::oneshot;

/// A task that can be started.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The name of the scheduler.
    pub name: SchedulerName,
    /// The scheduler.
    pub scheduler: Arc<dyn Scheduler>,
    /// What it is asked to run.
    pub spec: TaskSpec,
}

/// Something to do once the step is durable.
#[derive(Debug)]
pub enum Effect {
    /// Start the attempt, or go on with it.
    Start(u32),
    /// Stop the attempt, or kill it at once.
    Stop(u32, bool),
    /// The run has ended.
    RunEnded,
    /// Nothing is added to the output of this task any more: it never started, or nothing is left of its attempts.
    Complete(u32),
    /// Another attempt follows this one, after this wait at the earliest.
    Rest(u32, u32, Duration),
}

/// What one step changes.
#[derive(Debug, Default)]
pub struct Step {
    /// The time of what is recorded next; never before what was recorded before.
    pub now: Timestamp,
    /// What the wall shows then; it may have gone back.
    pub(crate) wall: Timestamp,
    /// What the machine's clock shows then.
    pub(crate) boot: Option<BootTime>,
    /// The monotonic reading of the same moment: the wall may jump before the step is durable.
    pub read: Duration,
    pub(crate) events: Vec<(Timestamp, Actor, EventKind)>,
    /// The newest event of each task in this step.
    pub(crate) newest: BTreeMap<u32, usize>,
    pub(crate) dirty_run: bool,
    pub(crate) dirty_tasks: BTreeSet<u32>,
    pub(crate) dirty_attempts: BTreeSet<u32>,
    /// What to do when it is durable.
    pub effects: Vec<Effect>,
    /// Slots that the step gives back.
    pub spare: usize,
    /// Slots that the step took.
    pub taken: usize,
    /// Callers that wait for the step, and whether the run had ended before.
    pub replies: Vec<(oneshot::Sender<(RunRecord, bool)>, bool)>,
    /// Attempts that wait until their ends are recorded, and what follows them.
    pub recorded: Vec<(oneshot::Sender<Sequel>, Sequel)>,
    /// Callers that answered an approval, with the task.
    pub decided: Vec<(u32, oneshot::Sender<Option<TaskRunRecord>>)>,
    /// Attempts of which nothing is left, while their tasks go on.
    pub(crate) put_away: Vec<(u32, AttemptRecord)>,
    /// What was prepared for tasks that are to be started.
    pub prepared: BTreeMap<u32, Prepared>,
}

impl Step {
    /// A step that records that time, as the clocks show that moment, at that monotonic reading.
    pub fn at(times: (Timestamp, Moment, Duration)) -> Self {
        Self::default().later(times)
    }

    /// The same step, going on at a later time.
    pub fn later(self, (now, shown, read): (Timestamp, Moment, Duration)) -> Self {
        Self { now, wall: shown.wall, boot: shown.boot, read, ..self }
    }

    /// The moment of what is recorded next.
    pub fn moment(&self) -> Moment {
        Moment { wall: self.now, boot: self.boot }
    }

    /// The same moment as the clocks show it.
    pub fn shown(&self) -> Moment {
        Moment { wall: self.wall, boot: self.boot }
    }

    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && !self.dirty_run
            && self.dirty_tasks.is_empty()
            && self.dirty_attempts.is_empty()
            && self.put_away.is_empty()
    }

    /// Whether it does no more than tell that attempts run: nobody acts on that, so it may wait for company.
    pub fn is_news_alone(&self) -> bool {
        let is_news = |kind: &EventKind| matches!(kind, EventKind::Task { state: TaskState::Running, .. });
        let idle = self.effects.is_empty() && self.replies.is_empty() && self.recorded.is_empty();
        let news = self.events.iter().all(|(_, _, kind)| is_news(kind));
        !self.is_empty() && news && idle && !self.dirty_run && (self.spare, self.taken) == (0, 0)
    }

    pub(crate) fn event(&mut self, actor: Actor, kind: EventKind) {
        self.events.push((self.now, actor, kind));
    }

    /// Tells of a task. What it was pending for within one step is told once.
    pub(crate) fn task_event(&mut self, task: u32, actor: Actor, kind: EventKind) {
        let is_pending = |kind: &EventKind| matches!(kind, EventKind::Task { state: TaskState::Pending, .. });
        if let Some(at) = self.newest.get(&task)
            && is_pending(&self.events[*at].2)
            && is_pending(&kind)
        {
            self.events[*at] = (self.now, actor, kind);
            return;
        }
        self.newest.insert(task, self.events.len());
        self.event(actor, kind);
    }
}
