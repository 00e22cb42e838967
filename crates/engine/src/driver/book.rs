//! The records of one run while it is active, and what one step changes of them.
//!
//! Decisions of the machine become records, events and effects here. A step is committed whole before any of its effects
//! is performed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gofer_records::Tx;
use gofer_run_machine::Decision;
use gofer_scheduler::TaskExit;
use gofer_types::{
    Actor, AttemptId, AttemptRecord, Cause, EventKind, ImageState, RunRecord, RunState, TaskRunRecord,
    TaskState, Timestamp,
};
use tokio::sync::oneshot;

use super::spec::Prepared;
use super::versions::Version;
use crate::api::ImageNews;

/// The records of one run.
#[derive(Debug)]
pub(crate) struct Book {
    /// The run.
    pub(crate) run: RunRecord,
    /// What it executes.
    pub(crate) version: Arc<Version>,
    /// The task runs that have left `waiting` and have not ended.
    pub(crate) tasks: BTreeMap<u32, TaskRunRecord>,
    /// The attempts that have not been put away, by their task.
    pub(crate) attempts: BTreeMap<u32, AttemptRecord>,
    /// The operator's limit on whole runs.
    pub(crate) max_run_timeout: Option<Duration>,
}

/// Something to do once the step is durable.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Start the attempt, or go on with it.
    Start(u32),
    /// Stop the attempt, or kill it at once.
    Stop(u32, bool),
    /// The run has ended.
    RunEnded,
    /// The output of these tasks is complete: they never started.
    Complete(u32),
}

/// What one step changes.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// The time of what is recorded next; never before what was recorded before.
    pub(crate) now: Timestamp,
    events: Vec<(Timestamp, Actor, EventKind)>,
    /// The newest event of each task in this step.
    newest: BTreeMap<u32, usize>,
    dirty_run: bool,
    dirty_tasks: BTreeSet<u32>,
    dirty_attempts: BTreeSet<u32>,
    /// What to do when it is durable.
    pub(crate) effects: Vec<Effect>,
    /// Slots that the step gives back.
    pub(crate) spare: usize,
    /// Slots that the step took.
    pub(crate) taken: usize,
    /// Callers that wait for the step, and whether the run had ended before.
    pub(crate) replies: Vec<(oneshot::Sender<(RunRecord, bool)>, bool)>,
    /// Attempts that wait until their ends are recorded.
    pub(crate) recorded: Vec<oneshot::Sender<()>>,
    /// What was prepared for tasks that are to be started.
    pub(crate) prepared: BTreeMap<u32, Prepared>,
}

impl Step {
    /// A step at that time.
    pub(crate) fn at(now: Timestamp) -> Self {
        Self { now, ..Self::default() }
    }

    /// The same step, going on at a later time.
    pub(crate) fn later(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    /// Whether nothing is to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
            && !self.dirty_run
            && self.dirty_tasks.is_empty()
            && self.dirty_attempts.is_empty()
    }

    /// Whether it does no more than tell that attempts run: nobody acts on that, so it may wait for company.
    pub(crate) fn is_news_alone(&self) -> bool {
        let is_news = |kind: &EventKind| matches!(kind, EventKind::Task { state: TaskState::Running, .. });
        let idle = self.effects.is_empty() && self.replies.is_empty() && self.recorded.is_empty();
        let news = self.events.iter().all(|(_, _, kind)| is_news(kind));
        !self.is_empty() && news && idle && !self.dirty_run && (self.spare, self.taken) == (0, 0)
    }

    fn event(&mut self, actor: Actor, kind: EventKind) {
        self.events.push((self.now, actor, kind));
    }

    /// Tells of a task. What it was pending for within one step is told once.
    fn task_event(&mut self, task: u32, actor: Actor, kind: EventKind) {
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

impl Book {
    /// The book of a run of which nothing but its record is there.
    pub(crate) fn new(run: RunRecord, version: Arc<Version>) -> Self {
        Self { run, version, tasks: BTreeMap::new(), attempts: BTreeMap::new(), max_run_timeout: None }
    }

    /// The newest time in it.
    pub(crate) fn latest(&self) -> Timestamp {
        let run = [Some(self.run.created), self.run.started, self.run.ended];
        let tasks = self.tasks.values().map(|task| task.changed);
        run.into_iter().flatten().chain(tasks).max().unwrap_or_default()
    }

    /// Records a decision, and notes what is to be done about it.
    pub(crate) fn record(&mut self, step: &mut Step, decision: Decision) {
        match decision {
            Decision::Run(state, cause) => self.enter_run(step, state, cause),
            Decision::Cancel(request) => {
                let kind =
                    EventKind::CancelRequested { run: self.run.id.clone(), reason: request.reason.clone() };
                step.event(request.actor.clone(), kind);
                self.run.cancel = Some(request);
                step.dirty_run = true;
            }
            Decision::Task { task, state, cause, exit_code } => {
                self.enter_task(step, task, (state, cause, exit_code));
            }
            Decision::Free(_) => step.spare += 1,
            Decision::Stop(task, _, kill) => step.effects.push(Effect::Stop(task, kill)),
            // asked for and answered by the driver
            Decision::Want(_) | Decision::Unwant(_) | Decision::Start(..) => {}
        }
    }

    fn enter_run(&mut self, step: &mut Step, state: RunState, cause: Cause) {
        if state == RunState::Running && self.run.started.is_none() {
            self.run.started = Some(step.now);
            self.run.deadline = self.run_timeout().map(|limit| step.now.plus(limit));
        }
        if state.is_terminal() {
            self.run.ended = Some(step.now);
            step.effects.push(Effect::RunEnded);
        }
        self.run.state = state;
        self.run.cause = cause.clone();
        step.dirty_run = true;
        let actor = self.actor(&cause);
        let kind = EventKind::Run { run: self.run.id.clone(), version: self.run.version, state, cause };
        step.event(actor, kind);
    }

    /// The time limit of the run, if it has one.
    pub(crate) fn run_timeout(&self) -> Option<Duration> {
        let own = self.version.record.config.timeout.map(gofer_types::Span::get);
        match (own, self.max_run_timeout) {
            (Some(own), Some(max)) => Some(own.min(max)),
            (own, max) => own.or(max),
        }
    }

    /// Who brought about what has this cause.
    fn actor(&self, cause: &Cause) -> Actor {
        match (cause, &self.run.cancel) {
            (Cause::Cancelled(_), Some(cancel)) => cancel.actor.clone(),
            (Cause::WaitingForSlot(_), _) if self.run.started.is_none() => self.run.actor.clone(),
            (Cause::Completed, _) if self.run.state == RunState::Running => self.run.actor.clone(),
            _ => Actor::System,
        }
    }

    fn enter_task(
        &mut self,
        step: &mut Step,
        task: u32,
        (state, cause, code): (TaskState, Cause, Option<i32>),
    ) {
        let now = step.now;
        let actor = match &cause {
            Cause::Cancelled(_) => self.actor(&cause),
            _ => Actor::System,
        };
        let record = self.task(task, now);
        record.state = state;
        record.cause = cause.clone();
        record.changed = now;
        record.exit_code = code;
        if state == TaskState::Running && record.started.is_none() {
            record.started = Some(now);
        }
        if state.is_terminal() {
            record.ended = Some(now);
        }
        let attempt = record.attempts.last().cloned();
        let id = record.id.clone();
        if state.is_terminal() && attempt.is_none() {
            step.effects.push(Effect::Complete(task));
        }
        step.dirty_tasks.insert(task);
        step.task_event(task, actor, EventKind::Task { task: id, state, cause, attempt, exit_code: code });
    }

    fn task(&mut self, task: u32, now: Timestamp) -> &mut TaskRunRecord {
        let id = self.run.id.task(self.version.plan.task(task).id.clone());
        self.tasks.entry(task).or_insert_with(|| TaskRunRecord {
            id,
            state: TaskState::Waiting,
            cause: Cause::Completed,
            attempts: Vec::new(),
            changed: now,
            started: None,
            ended: None,
            exit_code: None,
        })
    }

    /// Records the intent to start an attempt.
    pub(crate) fn intend(&mut self, step: &mut Step, (task, number): (u32, u32), id: AttemptId) {
        let Some(prepared) = step.prepared.get(&task) else { return };
        let limit = self.version.plan.task(task).timeout;
        let record = AttemptRecord {
            id: id.clone(),
            task: self.run.id.task(self.version.plan.task(task).id.clone()),
            number,
            scheduler: prepared.name.clone(),
            digest: prepared.spec.digest.clone(),
            created: step.now,
            started: None,
            ended: None,
            deadline: Some(step.now.plus(limit)),
            exit: None,
            handle: None,
            removed: false,
            image: None,
        };
        self.attempts.insert(task, record);
        self.task(task, step.now).attempts.push(id.clone());
        if let Some(at) = step.newest.get(&task)
            && let EventKind::Task { attempt, .. } = &mut step.events[*at].2
        {
            *attempt = Some(id);
        }
        step.dirty_tasks.insert(task);
        step.dirty_attempts.insert(task);
        step.effects.push(Effect::Start(task));
    }

    /// The time limit of the run as it was when the run began: settings may have changed since.
    pub(crate) fn run_limit(&self) -> Duration {
        match (self.run.started, self.run.deadline) {
            (Some(from), Some(deadline)) => deadline.since(from),
            _ => self.run_timeout().unwrap_or_default(),
        }
    }

    /// The time limit of the task's attempt, as it was when the attempt was recorded.
    pub(crate) fn attempt_limit(&self, task: u32) -> Duration {
        let recorded = self.attempts.get(&task).and_then(|attempt| {
            let from = attempt.started.unwrap_or(attempt.created);
            attempt.deadline.map(|deadline| deadline.since(from))
        });
        recorded.unwrap_or_else(|| self.version.plan.task(task).timeout)
    }

    /// Records that an attempt runs.
    pub(crate) fn attempt_started(
        &mut self,
        step: &mut Step,
        task: u32,
        (handle, image): (String, Option<String>),
    ) {
        let limit = self.attempt_limit(task);
        if let Some(attempt) = self.attempts.get_mut(&task)
            && attempt.started.is_none()
        {
            attempt.started = Some(step.now);
            attempt.deadline = Some(step.now.plus(limit));
            attempt.handle = (!handle.is_empty()).then_some(handle);
            attempt.image = image;
            step.dirty_attempts.insert(task);
        }
    }

    /// Tells of an image, and answers what the task waits for now if that is new.
    pub(crate) fn image_news(&self, step: &mut Step, place: u32, news: ImageNews) -> Option<Cause> {
        let ImageNews { task, attempt, image, done, total, state } = news;
        let cause = match &state {
            ImageState::Fetching => Cause::FetchingImage(image.clone()),
            ImageState::Fetched { .. } => Cause::WaitingForScheduler,
        };
        step.event(Actor::System, EventKind::Image { task, attempt, image, done, total, state });
        self.tasks.get(&place).is_some_and(|task| task.cause != cause).then_some(cause)
    }

    /// Records how an attempt ended.
    pub(crate) fn attempt_ended(&mut self, step: &mut Step, task: u32, exit: &TaskExit) {
        let Some(attempt) = self.attempts.get_mut(&task).filter(|attempt| attempt.exit.is_none()) else {
            return;
        };
        let from = attempt.started.unwrap_or(attempt.created);
        let to = step.now.max(from);
        attempt.ended = Some(exit.at.map_or(to, |at| at.clamp(from, to)));
        attempt.exit = Some(exit.cause.clone());
        step.dirty_attempts.insert(task);
        let ran = matches!(exit.cause, Cause::ExitCode(_) | Cause::Signal(_) | Cause::OutOfMemory);
        if ran && let Some(record) = self.tasks.get_mut(&task) {
            record.started.get_or_insert(from);
        }
    }

    /// Everything of the step as one transaction. What has ended leaves the book.
    pub(crate) fn transaction(&mut self, step: &mut Step, new: bool) -> Tx {
        let mut tx = Tx::default();
        if new {
            tx.create_run(&self.run);
        } else if step.dirty_run {
            tx.put_run(&self.run);
        }
        for task in std::mem::take(&mut step.dirty_tasks) {
            if let Some(record) = self.tasks.get(&task) {
                tx.put_task(task, record);
                if record.state.is_terminal() {
                    self.tasks.remove(&task);
                }
            }
        }
        for task in std::mem::take(&mut step.dirty_attempts) {
            if let Some(record) = self.attempts.get(&task) {
                tx.put_attempt(task, record);
            }
        }
        for (at, actor, kind) in step.events.drain(..) {
            tx.event(at, actor, kind);
        }
        tx
    }

    /// The last transaction: everything is put away, nobody needs to look after the run any more.
    pub(crate) fn farewell(&mut self) -> Tx {
        let mut tx = Tx::default();
        for (task, mut attempt) in std::mem::take(&mut self.attempts) {
            attempt.removed = true;
            tx.put_attempt(task, &attempt);
        }
        tx.release_run(&self.run.id);
        tx
    }
}
