//! Tasks that no scheduler runs: approvals, and runs of other pipelines, each behind the face of a scheduler.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use async_trait::async_trait;
use gofer_attempt::Shelf;
use gofer_backend::{BackendError, ErrorKind, Result, RetryAdvice};
use gofer_inside::{APPROVALS, Approvals, Children, LISTS, ListSource, Lists, PIPELINES, Pipelines};
use gofer_queue::Refused;
use gofer_records::Tx;
use gofer_scheduler::{Scheduler, TaskSpec};
use gofer_types::record::CancelRequest;
use gofer_types::{Actor, AttemptId, RunRef, RunState, SchedulerName};
use gofer_versions::Child;

use super::Inner;
use crate::api::{Caller, StartRun};
use crate::error::EngineError;

/// What tasks can be beside what a scheduler runs.
#[derive(Debug)]
pub(crate) struct Inside {
    approvals: (SchedulerName, Arc<dyn Scheduler>),
    children: (SchedulerName, Arc<dyn Scheduler>),
    lists: (SchedulerName, Arc<dyn Scheduler>),
    door: Arc<Door>,
}

/// The way back into the engine, open once the engine is put together.
#[derive(Default)]
pub(super) struct Door(OnceLock<Weak<Inner>>);

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Door").finish()
    }
}

impl Inside {
    pub(crate) fn new() -> std::result::Result<Self, gofer_types::NameError> {
        let door = Arc::new(Door::default());
        let children = Children::new(Arc::clone(&door) as Arc<dyn Pipelines>);
        Ok(Self {
            approvals: (SchedulerName::new(APPROVALS)?, Arc::new(Approvals::default())),
            children: (SchedulerName::new(PIPELINES)?, Arc::new(children)),
            lists: (
                SchedulerName::new(LISTS)?,
                Arc::new(Lists::new(Arc::clone(&door) as Arc<dyn ListSource>)),
            ),
            door,
        })
    }

    /// Opens the way back into the engine.
    pub(crate) fn open(&self, inner: &Arc<Inner>) {
        drop(self.door.0.set(Arc::downgrade(inner)));
    }

    pub(crate) fn approvals(&self) -> &(SchedulerName, Arc<dyn Scheduler>) {
        &self.approvals
    }

    pub(crate) fn children(&self) -> &(SchedulerName, Arc<dyn Scheduler>) {
        &self.children
    }

    pub(crate) fn lists(&self) -> (&SchedulerName, &Arc<dyn Scheduler>) {
        (&self.lists.0, &self.lists.1)
    }

    /// Where the artefacts of runs are.
    pub(crate) fn shelf(&self) -> Arc<dyn Shelf> {
        Arc::clone(&self.door) as Arc<dyn Shelf>
    }

    /// The one of that name.
    pub(crate) fn get(&self, name: &SchedulerName) -> Option<&Arc<dyn Scheduler>> {
        [&self.approvals, &self.children, &self.lists]
            .into_iter()
            .find(|(own, _)| own == name)
            .map(|(_, own)| own)
    }
}

pub(super) fn malformed() -> BackendError {
    BackendError::new(ErrorKind::Internal, "the task is not described as one that no scheduler runs")
}

/// The engine's refusal as that of a scheduler.
pub(super) fn refusal(error: &EngineError) -> BackendError {
    let kind = match error {
        EngineError::Storage(_) | EngineError::ShuttingDown | EngineError::Failed { .. } => {
            ErrorKind::Unavailable
        }
        EngineError::Queue {
            refused: Refused::ServerFull { .. } | Refused::NamespaceFull { .. }, ..
        } => ErrorKind::Exhausted,
        _ => ErrorKind::InvalidInput,
    };
    let text = match error {
        EngineError::InvalidVariables(problems) => {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    };
    let error = BackendError::new(kind, text);
    if kind == ErrorKind::InvalidInput { error } else { error.retry(RetryAdvice::Later { after: None }) }
}

impl Door {
    pub(super) fn inner(&self) -> Result<Arc<Inner>> {
        let inner = self.0.get().and_then(Weak::upgrade);
        inner.ok_or_else(|| BackendError::new(ErrorKind::Unavailable, "the engine has ended"))
    }
}

#[async_trait]
impl Pipelines for Door {
    async fn start(&self, attempt: &AttemptId, spec: &TaskSpec) -> Result<RunRef> {
        let inner = self.inner()?;
        if let Some(run) = self.find(attempt).await? {
            return Ok(run);
        }
        let Child { pipeline, version, parent } = Child::of(spec).ok_or_else(malformed)?;
        let actor = match inner.records.run(&parent.run).await {
            Ok(Some(run)) => run.actor,
            _ => Actor::System,
        };
        let trigger = format!("task {parent}");
        let wish = StartRun { version, variables: spec.env.clone(), trigger, ..StartRun::new(pipeline) };
        let started = inner.start_child(&Caller { actor }, wish, (parent, attempt.clone())).await;
        started.map(|run| run.id).map_err(|error| refusal(&error))
    }

    async fn find(&self, attempt: &AttemptId) -> Result<Option<RunRef>> {
        self.inner()?.records.child(attempt).await.map_err(|error| refusal(&error.into()))
    }

    async fn state(&self, run: &RunRef) -> Result<Option<RunState>> {
        let found = self.inner()?.records.run(run).await.map_err(|error| refusal(&error.into()))?;
        Ok(found.map(|run| run.state))
    }

    async fn end(&self, run: &RunRef) -> Result<Option<RunState>> {
        let handle = self.inner()?.hall.find(run);
        if let Some(handle) = handle {
            let mut completion = handle.completion();
            tokio::select! {
                biased;
                state = handle.end() => if state.is_some() { return Ok(state) },
                // it has left the hall without an end: it was set aside
                _ = completion.wait_for(|complete| complete.all) => {}
            }
        }
        let state = self.state(run).await?;
        // one that was set aside has no end that could be waited for
        Ok(state.filter(|state| state.is_terminal()))
    }

    async fn cancel(&self, run: &RunRef, force: bool) -> Result<()> {
        let inner = self.inner()?;
        let reason = "the task that it is a part of is to end".to_owned();
        let request = CancelRequest { actor: Actor::System, reason, at: inner.clock.now(), force };
        match inner.cancel(run, request).await {
            Ok(_) | Err(EngineError::RunNotFound { .. } | EngineError::Quarantined { .. }) => Ok(()),
            Err(error) => Err(refusal(&error)),
        }
    }

    async fn forget(&self, attempt: &AttemptId) -> Result<()> {
        let inner = self.inner()?;
        if self.find(attempt).await?.is_some() {
            let mut tx = Tx::default();
            tx.delete_child(attempt);
            inner.committer.commit(tx).await.map_err(|error| refusal(&error.into()))?;
        }
        Ok(())
    }
}
