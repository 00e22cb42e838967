//! The driver of runs, and what callers see of them.
//!
//! [`Engine`] is the whole of it for callers: namespaces, pipelines, runs, output, events. Behind it is the *driver*: it
//! tells the state machine of a run (`gofer_run_machine`) what happened, commits the decisions as one batch, and only then
//! performs them; what the schedulers report comes back as facts. A restart is the same code: the machine is rebuilt from
//! records, and every intent is carried out again under the same identity.
//!
//! It must not read a wall clock, touch a file, or know how anybody reaches it: time, storage, schedulers and logs are
//! handed in.

mod api;
mod driver;
mod error;
mod face;
mod options;

use std::fmt;
use std::sync::Arc;

pub use api::{
    Accepted, AnswerTask, BackendStatus, Caller, EngineStatus, EventFilter, EventPage, EventPages,
    EventRange, Explained, Listing, LogPage, LogPages, LogQuery, Page, Registered, Registration, RetryRun,
    RunUpdate, RunUpdates, Scope, StartRun,
};
pub use error::{EngineError, Result};
pub use gofer_attempt::ImageNews;
pub use gofer_explain::Explanation;
pub use gofer_objects as objects;
pub use gofer_queue as queue;
pub use gofer_records::RunFilter;
pub use gofer_retention::{Keep, Retention};
pub use gofer_run_machine::Selection;
pub use gofer_versions::FanLimits;
pub use gofer_versions::FieldProblem;
pub use gofer_versions::facts_of;
pub use options::{EngineOptions, EngineParts, NewId, Schedulers};

/// The engine: cheap to clone, all clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<driver::Inner>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("epoch", &self.inner.epoch).finish_non_exhaustive()
    }
}

impl Engine {
    /// Takes the state over, which fences every earlier owner; recovers what is under way, and serves when it returns.
    pub async fn open(parts: EngineParts) -> Result<Self> {
        Ok(Self { inner: driver::Inner::open(parts).await? })
    }

    /// Takes no more calls, writes what was accepted, and lets go. Tasks go on at their schedulers.
    pub async fn shutdown(&self) {
        self.inner.shut_down().await;
    }

    /// Answers the reason once the engine can no longer work: a failed storage, or another owner of the state.
    pub async fn failed(&self) -> String {
        self.inner.fate.failed().await
    }
}
