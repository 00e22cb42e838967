//! Watching a run: how it stands, then every change, as the event log tells it.
//!
//! The log is read from a place before the first picture, so that nothing is missed; what the picture shows already is
//! left out, so that nobody sees a state go backwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use gofer_types::{Cause, Event, EventKind, RunRecord, RunRef, RunState, TaskId, TaskRunRecord, TaskState};
use tokio::sync::OwnedSemaphorePermit;

use crate::Engine;
use crate::api::{ImageNews, RunUpdate, RunUpdates};
use crate::driver::Inner;
use crate::error::{EngineError, Result};

/// How many events are looked at at once.
const STEP: usize = 512;

impl Inner {
    /// A place among those who follow.
    pub(crate) fn follower(&self) -> Result<OwnedSemaphorePermit> {
        let limit = self.options.max_followers;
        let permit = Arc::clone(&self.followers).try_acquire_owned();
        permit.map_err(|_| EngineError::TooManyFollowers { limit })
    }

    /// Waits for an event at or behind that number; fails when the engine stops.
    pub(crate) async fn await_event(&self, from: u64) -> Result<()> {
        let mut signal = self.events.signal();
        tokio::select! {
            biased;
            _ = signal.wait_for(|last| *last >= from) => Ok(()),
            () = self.fate.stop().cancelled() => Err(self.fate.error()),
        }
    }
}

/// What a watcher has seen.
struct Watch {
    inner: Arc<Inner>,
    id: RunRef,
    next: u64,
    run: Option<RunRecord>,
    tasks: BTreeMap<TaskId, TaskRunRecord>,
    over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Watch {
    /// How everything stands.
    async fn first(&mut self) -> Result<RunUpdate> {
        let seq = self.inner.events.last();
        let run = self.inner.run(&self.id).await?;
        let mut tasks = self.inner.all_tasks(&run).await?;
        // the tasks were read behind the run: a run that has ended in between is told by its event
        if run.state == RunState::Queued {
            tasks
                .iter_mut()
                .filter(|task| task.state == TaskState::Waiting)
                .for_each(|task| task.changed = run.created);
        }
        self.next = seq + 1;
        self.over = run.state.is_terminal();
        self.tasks = tasks.iter().map(|task| (task.id.task.clone(), task.clone())).collect();
        self.run = Some(run.clone());
        Ok(RunUpdate { run: Some(run), tasks, images: Vec::new(), seq })
    }

    /// The next changes.
    async fn more(&mut self) -> Result<RunUpdate> {
        loop {
            self.inner.await_event(self.next).await?;
            let (events, next) = self.inner.events.read(self.next, STEP).await?;
            self.next = next;
            let mut update = RunUpdate { run: None, tasks: Vec::new(), images: Vec::new(), seq: next - 1 };
            let ours = events.iter().filter(|event| event.kind.run() == Some(&self.id)).map(Arc::clone);
            for event in ours.collect::<Vec<_>>() {
                self.take(&event, &mut update).await?;
            }
            if update.run.is_some() || !update.tasks.is_empty() || !update.images.is_empty() {
                return Ok(update);
            }
            if events.is_empty() {
                // a damaged part of the log: what it told of is read anew
                return self.first().await;
            }
        }
    }

    async fn take(&mut self, event: &Event, update: &mut RunUpdate) -> Result<()> {
        match &event.kind {
            EventKind::Task { task, .. } => {
                if let Some(record) = self.tasks.get_mut(&task.task)
                    && change_task(record, event)
                {
                    update.tasks.retain(|other| other.id != record.id || other.state != record.state);
                    update.tasks.push(record.clone());
                }
            }
            EventKind::Image { task, attempt, image, done, total, state } => {
                let news = ImageNews {
                    task: task.clone(),
                    attempt: attempt.clone(),
                    image: image.clone(),
                    done: *done,
                    total: *total,
                    state: state.clone(),
                };
                update.images.retain(|other| other.task != news.task);
                update.images.push(news);
            }
            EventKind::Run { state, cause, .. } => {
                let known = self.run.as_ref().map_or(RunState::Queued, |run| run.state);
                if rank(*state) >= rank(known) && !known.is_terminal() {
                    update.run = Some(self.read_run(event, *state, cause.clone()).await?);
                }
            }
            EventKind::CancelRequested { .. } => {
                if let Some(run) = self.run.clone() {
                    update.run = Some(self.read_run(event, run.state, run.cause).await?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The run as it was at an event: its record, which may be ahead, in the state that the event tells.
    async fn read_run(&mut self, event: &Event, state: RunState, cause: Cause) -> Result<RunRecord> {
        let mut run = self.inner.run(&self.id).await?;
        run.state = state;
        run.cause = cause;
        if state.is_terminal() {
            run.ended = Some(event.at);
            self.over = true;
        } else {
            run.ended = None;
        }
        self.run = Some(run.clone());
        Ok(run)
    }
}

/// Brings a task run to what an event tells of it. False if it is there already.
fn change_task(record: &mut TaskRunRecord, event: &Event) -> bool {
    let EventKind::Task { state, cause, attempt, exit_code, .. } = &event.kind else { return false };
    let (known, told) = (task_rank(record.state), task_rank(*state));
    let same = record.state == *state && record.cause == *cause;
    if record.state.is_terminal() || told < known || same {
        return false;
    }
    record.state = *state;
    record.cause = cause.clone();
    record.changed = event.at;
    record.exit_code = *exit_code;
    if let Some(attempt) = attempt
        && !record.attempts.contains(attempt)
    {
        record.attempts.push(attempt.clone());
    }
    if *state == TaskState::Running {
        record.started.get_or_insert(event.at);
    }
    if state.is_terminal() {
        record.ended = Some(event.at);
    }
    true
}

fn task_rank(state: TaskState) -> u8 {
    match state {
        TaskState::Waiting => 0,
        TaskState::Pending => 1,
        TaskState::Running => 2,
        _ => 3,
    }
}

fn rank(state: RunState) -> u8 {
    match state {
        RunState::Queued => 0,
        RunState::Running => 1,
        _ => 2,
    }
}

impl Engine {
    /// How a run and its tasks stand, then every change, until the run has ended.
    pub async fn watch_run(&self, id: &RunRef) -> Result<RunUpdates> {
        self.inner.fate.check()?;
        let inner = Arc::clone(&self.inner);
        let _permit = inner.follower()?;
        let tasks = BTreeMap::new();
        let mut watch = Watch { inner, id: id.clone(), next: 0, run: None, tasks, over: false, _permit };
        let first = watch.first().await?;
        let rest = stream::unfold(Some(watch), |watch| async {
            let mut watch = watch.filter(|watch| !watch.over)?;
            match watch.more().await {
                Ok(update) => Some((Ok(update), Some(watch))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(stream::iter([Ok(first)]).chain(rest).boxed())
    }
}
