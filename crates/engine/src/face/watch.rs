//! Watching a run: how it stands, then every change, as the event log tells it.
//!
//! The log is read from a place before the first picture, so that nothing is missed; what the picture shows already is
//! left out, so that nobody sees a state go backwards.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use gofer_attempt::ImageNews;
use gofer_readers::Seen;
use gofer_types::{Cause, Event, EventKind, RunRef, RunState, TaskState};
use tokio::sync::OwnedSemaphorePermit;

use crate::Engine;
use crate::api::{RunUpdate, RunUpdates};
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
}

/// What a watcher has seen.
struct Watch {
    inner: Arc<Inner>,
    id: RunRef,
    next: u64,
    seen: Option<Seen>,
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
        self.seen = Some(Seen::new(run.clone(), &tasks));
        Ok(RunUpdate { run: Some(run), tasks, images: Vec::new(), seq })
    }

    /// The next changes.
    async fn more(&mut self) -> Result<RunUpdate> {
        loop {
            self.inner.events.wait_for(self.next, &self.inner.fate).await?;
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

    /// The run has got more tasks: how those stand that nobody was told of.
    async fn learn(&mut self, update: &mut RunUpdate) -> Result<()> {
        let run = self.inner.run(&self.id).await?;
        let tasks = self.inner.all_tasks(&run).await?;
        if let Some(seen) = &mut self.seen {
            update.tasks.extend(tasks.into_iter().filter(|task| seen.learn(task)));
        }
        Ok(())
    }

    async fn take(&mut self, event: &Event, update: &mut RunUpdate) -> Result<()> {
        if let EventKind::Quarantined { run, reason } = &event.kind {
            return Err(EngineError::Quarantined { run: run.clone(), reason: reason.clone() });
        }
        if let EventKind::Task { cause: Cause::FannedOut { .. }, .. } = &event.kind {
            self.learn(update).await?;
        }
        let Some(seen) = &mut self.seen else { return Ok(()) };
        if let Some(record) = seen.task(event) {
            update.tasks.retain(|other| other.id != record.id || other.state != record.state);
            update.tasks.push(record.clone());
        }
        if let Some(told) = seen.run(event) {
            let stored = self.inner.run(&self.id).await?;
            update.run = Some(seen.take_run(stored, told, event.at));
        }
        if let EventKind::Image { task, attempt, image, done, total, state } = &event.kind {
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
        Ok(())
    }
}

impl Engine {
    /// How a run and its tasks stand, then every change, until the run has ended.
    pub async fn watch_run(&self, id: &RunRef) -> Result<RunUpdates> {
        self.inner.fate.check()?;
        let inner = Arc::clone(&self.inner);
        let _permit = inner.follower()?;
        let mut watch = Watch { inner, id: id.clone(), next: 0, seen: None, _permit };
        let first = watch.first().await?;
        let rest = stream::unfold(Some(watch), |watch| async {
            let mut watch = watch.filter(|watch| !watch.seen.as_ref().is_some_and(Seen::is_over))?;
            match watch.more().await {
                Ok(update) => Some((Ok(update), Some(watch))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(stream::iter([Ok(first)]).chain(rest).boxed())
    }
}
