//! Runs of other pipelines, each started by an attempt of a task.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream;
use gofer_backend::{BackendError, BackendInfo, ErrorKind, Result};
use gofer_scheduler::{
    Capabilities, LogCursor, LogStream, Scheduler, StartOutcome, Started, TaskExit, TaskSpec, TaskStatus,
    TaskSummary,
};
use gofer_types::{AttemptId, Cause, RunRef, RunState};

/// The name under which runs of other pipelines are recorded.
pub const PIPELINES: &str = "gofer-pipelines";

/// What starts and knows the runs.
#[async_trait]
pub trait Pipelines: Debug + Send + Sync + 'static {
    /// Starts the run that the spec describes, once for each attempt: repeated, it answers the same run. `InvalidInput` if it
    /// can never be started.
    async fn start(&self, attempt: &AttemptId, spec: &TaskSpec) -> Result<RunRef>;

    /// The run that an attempt has started.
    async fn find(&self, attempt: &AttemptId) -> Result<Option<RunRef>>;

    /// The state of a run now; `None` if it is not there any more.
    async fn state(&self, run: &RunRef) -> Result<Option<RunState>>;

    /// Waits for the end of a run; `None` if it is not there any more.
    async fn end(&self, run: &RunRef) -> Result<Option<RunState>>;

    /// Asks for the end of a run. It has ended already: changes nothing.
    async fn cancel(&self, run: &RunRef, force: bool) -> Result<()>;

    /// Forgets which run an attempt has started. The run stays.
    async fn forget(&self, attempt: &AttemptId) -> Result<()>;
}

/// Runs of other pipelines as something that attempts can be followed at.
#[derive(Debug, Clone)]
pub struct Children(Arc<dyn Pipelines>);

impl Children {
    /// Children of these pipelines.
    #[must_use]
    pub fn new(pipelines: Arc<dyn Pipelines>) -> Self {
        Self(pipelines)
    }

    async fn child(&self, id: &AttemptId) -> Result<RunRef> {
        let missing = || BackendError::new(ErrorKind::NotFound, "the attempt has started no run");
        self.0.find(id).await?.ok_or_else(missing)
    }
}

fn exit(run: RunRef, state: Option<RunState>) -> TaskExit {
    let cause = match state {
        Some(state) => Cause::ChildRun { run, state },
        None => Cause::Lost(format!("run {run} is not there any more")),
    };
    TaskExit { cause, at: None }
}

#[async_trait]
impl Scheduler for Children {
    fn info(&self) -> BackendInfo {
        BackendInfo { kind: PIPELINES, name: PIPELINES.to_owned(), target: String::new() }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }

    async fn start(&self, id: &AttemptId, spec: &TaskSpec) -> Result<Started> {
        let run = self.0.start(id, spec).await?;
        Ok(Started {
            outcome: StartOutcome::Created,
            handle: run.to_string(),
            image: None,
            notes: Vec::new(),
        })
    }

    async fn inspect(&self, id: &AttemptId) -> Result<TaskStatus> {
        let run = self.child(id).await?;
        Ok(match self.0.state(&run).await? {
            Some(state) if !state.is_terminal() => TaskStatus::Running { handle: run.to_string() },
            ended => TaskStatus::Ended(exit(run, ended)),
        })
    }

    async fn wait(&self, id: &AttemptId) -> Result<TaskExit> {
        let run = self.child(id).await?;
        let state = self.0.end(&run).await?;
        Ok(exit(run, state))
    }

    async fn logs(&self, _: &AttemptId, _: LogCursor) -> Result<LogStream> {
        Ok(stream::empty().boxed())
    }

    async fn stop(&self, id: &AttemptId, grace: Duration) -> Result<()> {
        let run = self.child(id).await?;
        self.0.cancel(&run, grace.is_zero()).await?;
        self.0.end(&run).await.map(drop)
    }

    async fn remove(&self, id: &AttemptId) -> Result<()> {
        self.0.forget(id).await
    }

    async fn list(&self) -> Result<Vec<TaskSummary>> {
        Ok(Vec::new())
    }
}
