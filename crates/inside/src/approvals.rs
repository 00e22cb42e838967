//! Approvals: nothing runs, and nothing ends by itself.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream;
use gofer_backend::{BackendInfo, Result};
use gofer_scheduler::{
    Capabilities, LogCursor, LogStream, Scheduler, StartOutcome, Started, TaskExit, TaskSpec, TaskStatus,
    TaskSummary,
};
use gofer_types::{AttemptId, Cause};
use tokio::sync::watch;

/// The name under which approvals are recorded.
pub const APPROVALS: &str = "gofer-approvals";

/// The signal that an approval tells when it is stopped.
const STOPPED: i32 = 15;

/// Approvals. Each waits until it is stopped: by its time limit, by a cancel, or because its answer is recorded.
#[derive(Debug, Default)]
pub struct Approvals {
    /// Whether they are stopped. Those that nobody waits for and that are not stopped are not here.
    known: Mutex<HashMap<AttemptId, watch::Sender<bool>>>,
}

impl Approvals {
    fn known(&self) -> MutexGuard<'_, HashMap<AttemptId, watch::Sender<bool>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, id: &AttemptId) -> watch::Receiver<bool> {
        self.known().entry(id.clone()).or_default().subscribe()
    }
}

fn exit() -> TaskExit {
    TaskExit { cause: Cause::Signal(STOPPED), at: None }
}

#[async_trait]
impl Scheduler for Approvals {
    fn info(&self) -> BackendInfo {
        BackendInfo { kind: APPROVALS, name: APPROVALS.to_owned(), target: String::new() }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }

    async fn start(&self, id: &AttemptId, _: &TaskSpec) -> Result<Started> {
        drop(self.of(id));
        Ok(Started { outcome: StartOutcome::Created, handle: String::new(), image: None, notes: Vec::new() })
    }

    async fn inspect(&self, id: &AttemptId) -> Result<TaskStatus> {
        let stopped = *self.of(id).borrow();
        Ok(if stopped { TaskStatus::Ended(exit()) } else { TaskStatus::Running { handle: String::new() } })
    }

    async fn wait(&self, id: &AttemptId) -> Result<TaskExit> {
        let mut stopped = self.of(id);
        // removed while somebody waits is the same as stopped
        drop(stopped.wait_for(|stopped| *stopped).await);
        Ok(exit())
    }

    async fn logs(&self, _: &AttemptId, _: LogCursor) -> Result<LogStream> {
        Ok(stream::empty().boxed())
    }

    async fn stop(&self, id: &AttemptId, _: Duration) -> Result<()> {
        self.known().entry(id.clone()).or_default().send_replace(true);
        Ok(())
    }

    async fn remove(&self, id: &AttemptId) -> Result<()> {
        self.known().remove(id);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<TaskSummary>> {
        Ok(Vec::new())
    }
}
