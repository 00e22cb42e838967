//! One connection to the fake backend.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use gofer_backend::{BackendError, BackendInfo, ErrorKind, Owner, Result};
use gofer_types::AttemptId;

use super::script::{Script, words};
use super::task::{FakeTask, Performer, Progress};
use super::{FakeBackend, images};
use crate::{
    Capabilities, Exec, Files, Images, LogChunk, LogCursor, LogStream, Scheduler, StartOutcome, Started,
    TaskExit, TaskSpec, TaskStatus, TaskSummary,
};

pub(super) const KIND: &str = "fake";

/// One connection to a [`FakeBackend`]. Dropping it ends nothing.
#[derive(Debug)]
pub struct FakeScheduler {
    pub(super) backend: FakeBackend,
    pub(super) owner: Owner,
}

pub(super) fn error(kind: ErrorKind, operation: &'static str, message: &str) -> BackendError {
    BackendError::new(kind, message).at(KIND, operation)
}

fn unknown(id: &AttemptId, operation: &'static str) -> BackendError {
    error(ErrorKind::NotFound, operation, "there is no such task").with("id", id)
}

impl FakeScheduler {
    pub(crate) fn new(backend: FakeBackend, owner: Owner) -> Self {
        Self { backend, owner }
    }

    pub(super) fn find(&self, id: &AttemptId, operation: &'static str) -> Result<Arc<FakeTask>> {
        let found = self.backend.book.pages().tasks.get(id).filter(|task| task.owner == self.owner).cloned();
        found.ok_or_else(|| unknown(id, operation))
    }

    /// Fails while the backend is away.
    pub(super) fn present(&self, operation: &'static str) -> Result<()> {
        let away = self.backend.book.pages().away;
        if away { Err(error(ErrorKind::Unavailable, operation, "the backend is away")) } else { Ok(()) }
    }

    /// Refuses what this backend can never run.
    pub(super) fn validate(&self, spec: &TaskSpec, script: &Script) -> Result<()> {
        let can = self.backend.capabilities;
        let asked = [
            ("cpu", spec.limits.cpu.is_some(), can.cpu_limit),
            ("memory", spec.limits.memory.is_some(), can.memory_limit),
            ("user", spec.user.is_some(), can.user),
        ];
        for (part, wanted, able) in asked {
            if wanted && !able {
                return Err(error(ErrorKind::Unsupported, "start", "this part of the task is not supported")
                    .with("part", part));
            }
        }
        let invalid = |message| Err(error(ErrorKind::InvalidInput, "start", message));
        if script.no_program {
            return invalid("there is no such program");
        }
        if words(spec).next().is_none() && !can.images {
            return invalid("the task has no command");
        }
        if words(spec).any(|word| word.contains('\0')) {
            return invalid("an argument contains a NUL");
        }
        let bad =
            |name: &str, value: &str| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0');
        if spec.env.iter().any(|(name, value)| bad(name, value)) {
            return invalid("the environment is malformed");
        }
        Ok(())
    }

    /// Enters the task into the book, or finds it there.
    fn enter(
        &self,
        id: &AttemptId,
        spec: &TaskSpec,
        script: &Script,
    ) -> Result<(Arc<FakeTask>, StartOutcome)> {
        let book = &self.backend.book;
        let mut pages = book.pages();
        let scripted = |kind| Err(error(kind, "start", "the script says so"));
        if let Some(kind) = script.start_error {
            return scripted(kind);
        }
        if let Some(kind) = script.start_error_once
            && pages.fails_now(id, "start")
        {
            return scripted(kind);
        }
        if pages.is_removed(id) {
            return Err(error(ErrorKind::Conflict, "start", "this id was removed").with("id", id));
        }
        if let Some(task) = pages.tasks.get(id) {
            if task.owner != self.owner || task.spec.digest != spec.digest {
                return Err(
                    error(ErrorKind::Conflict, "start", "this id stands for another task").with("id", id)
                );
            }
            return Ok((task.clone(), StartOutcome::Adopted));
        }
        if pages.laid.get(id).is_some_and(|laid| laid.owner != self.owner || laid.digest != spec.digest) {
            return Err(error(ErrorKind::Conflict, "start", "this id stands for another task").with("id", id));
        }
        if self.backend.capabilities.images && !pages.has_image(&spec.image) {
            return Err(
                error(ErrorKind::NotFound, "start", "its image is not there").with("image", &spec.image)
            );
        }
        let task = FakeTask::new(id, &self.owner, spec, book.next_number(), book.clock.now());
        if let Some(laid) = pages.laid.remove(id) {
            *task.files() = laid.files;
        }
        let task = Arc::new(task);
        pages.tasks.insert(id.clone(), task.clone());
        Ok((task, StartOutcome::Created))
    }

    /// Sets a task that was just entered going.
    fn set_going(&self, task: &Arc<FakeTask>, script: Script) {
        let mut performer = Performer::new(task.clone(), self.backend.book.clone());
        if let Some(rest) = performer.begin(script.acts) {
            self.backend.spawn(performer.go_on(rest));
        }
    }

    /// Whether files were laid under the id and nothing was started.
    pub(super) fn is_only_laid(&self, id: &AttemptId) -> bool {
        self.backend.book.pages().laid.get(id).is_some_and(|laid| laid.owner == self.owner)
    }

    /// As [`Self::find`], for what needs a task that was started.
    fn started(&self, id: &AttemptId, operation: &'static str) -> Result<Arc<FakeTask>> {
        if self.is_only_laid(id) {
            return Err(error(ErrorKind::Unavailable, operation, "the task was not started").with("id", id));
        }
        self.find(id, operation)
    }

    pub(super) async fn ended(task: &FakeTask, operation: &'static str) -> Result<TaskExit> {
        let mut progress = task.progress.subscribe();
        loop {
            let Progress { end, vanished, .. } = progress.borrow_and_update().clone();
            if vanished {
                return Err(unknown(&task.id, operation));
            }
            if let Some(exit) = end {
                return Ok(exit);
            }
            // The sender lives in the task.
            let _ = progress.changed().await;
        }
    }
}

fn status(task: &FakeTask) -> TaskStatus {
    task.end().map_or_else(|| TaskStatus::Running { handle: task.handle.clone() }, TaskStatus::Ended)
}

/// The piece at that place, as soon as there is one; nothing when there will be none.
async fn next_piece(
    (task, place): (Arc<FakeTask>, usize),
) -> Option<(Result<LogChunk>, (Arc<FakeTask>, usize))> {
    let mut progress = task.progress.subscribe();
    loop {
        // First whether it has ended, then whether there is more: what it wrote stands before its end.
        let ended = progress.borrow_and_update().end.is_some();
        if let Some(written) = task.piece(place) {
            let chunk = LogChunk { cursor: task.cursor(place + 1), at: written.at, item: written.item };
            return Some((Ok(chunk), (task, place + 1)));
        }
        if ended {
            return None;
        }
        let _ = progress.changed().await;
    }
}

#[async_trait]
impl Scheduler for FakeScheduler {
    fn info(&self) -> BackendInfo {
        BackendInfo { kind: KIND, name: KIND.to_owned(), target: "nothing runs really".to_owned() }
    }

    fn capabilities(&self) -> Capabilities {
        self.backend.capabilities
    }

    async fn check(&self) -> Result<()> {
        self.present("check")
    }

    async fn start(&self, id: &AttemptId, spec: &TaskSpec) -> Result<Started> {
        let script = Script::of(spec).map_err(|error| error.at(KIND, "start"))?;
        self.validate(spec, &script)?;
        let (delay, ambiguous) = (script.start_delay, script.ambiguous_start);
        let (task, outcome) = self.enter(id, spec, &script)?;
        if outcome == StartOutcome::Created {
            self.set_going(&task, script);
            if let Some(delay) = delay {
                let clock = &self.backend.book.clock;
                clock.sleep_until(clock.monotonic() + delay).await;
            }
            if ambiguous {
                return Err(error(ErrorKind::TimedOut, "start", "no answer, says the script"));
            }
        }
        let image = self.backend.capabilities.images.then(|| images::digest(&task.spec.image)).flatten();
        Ok(Started { outcome, handle: task.handle.clone(), image, notes: Vec::new() })
    }

    async fn inspect(&self, id: &AttemptId) -> Result<TaskStatus> {
        if self.is_only_laid(id) {
            return Ok(TaskStatus::Starting);
        }
        Ok(status(&*self.find(id, "inspect")?))
    }

    async fn wait(&self, id: &AttemptId) -> Result<TaskExit> {
        let task = self.started(id, "wait")?;
        Self::ended(&task, "wait").await
    }

    async fn logs(&self, id: &AttemptId, from: LogCursor) -> Result<LogStream> {
        let task = self.started(id, "logs")?;
        let place = task.position(&from).ok_or_else(|| {
            error(ErrorKind::InvalidInput, "logs", "this cursor was not given out by this task")
                .with("cursor", &from.0)
        })?;
        Ok(stream::unfold((task, place), next_piece).boxed())
    }

    async fn stop(&self, id: &AttemptId, grace: Duration) -> Result<()> {
        if self.is_only_laid(id) {
            self.backend.book.pages().remove(id);
            return Err(error(ErrorKind::NotFound, "stop", "it had not begun, and never will").with("id", id));
        }
        let task = self.find(id, "stop")?;
        task.ask_to_end(self.backend.book.clock.monotonic().saturating_add(grace));
        Self::ended(&task, "stop").await.map(drop)
    }

    async fn remove(&self, id: &AttemptId) -> Result<()> {
        let mut pages = self.backend.book.pages();
        if pages.laid.get(id).is_some_and(|laid| laid.owner != self.owner) {
            return Ok(());
        }
        match pages.tasks.get(id) {
            Some(task) if task.owner != self.owner => Ok(()),
            Some(task) if task.end().is_none() => {
                Err(error(ErrorKind::Conflict, "remove", "the task runs").with("id", id))
            }
            _ => {
                pages.remove(id);
                Ok(())
            }
        }
    }

    async fn list(&self) -> Result<Vec<TaskSummary>> {
        let pages = self.backend.book.pages();
        let ours = pages.tasks.values().filter(|task| task.owner == self.owner);
        let summary = |task: &Arc<FakeTask>| TaskSummary {
            id: task.id.clone(),
            digest: task.spec.digest.clone(),
            status: status(task),
            created: task.created,
        };
        let laid = pages.laid.iter().filter(|(_, laid)| laid.owner == self.owner);
        Ok(ours.map(summary).chain(laid.map(|(id, laid)| laid.summary(id))).collect())
    }

    fn exec(&self) -> Option<&dyn Exec> {
        self.backend.capabilities.exec.then_some(self as &dyn Exec)
    }

    fn files(&self) -> Option<&dyn Files> {
        self.backend.capabilities.files.then_some(self as &dyn Files)
    }

    fn images(&self) -> Option<&dyn Images> {
        self.backend.capabilities.images.then_some(self as &dyn Images)
    }
}
