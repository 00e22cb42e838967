//! What runs the tasks, as a trait.
//!
//! What every implementation owes:
//! - **One start per id.** An attempt id starts at most one thing, ever, however often and by whomever it is asked.
//! - **The truth about the end.** A code, a signal, out of memory, or `Lost` with a reason; never a guess. The end is
//!   kept until [`Scheduler::remove`].
//! - **Tasks outlive the server.** A new instance of the scheduler finds everything an old one started.
//! - **No silent loss of output.** Every byte, or a gap with its size and cause.
//! - **Whole files.** Where it takes files, a task finds all that was laid for it or is not started, and what is taken is what
//!   it left.
//! - **Only its own.** Nothing that does not carry the owner's mark is seen or touched.
//!
//! Dropping the future of any call ends the waiting and nothing else; [`Scheduler::stop`] is the only way to end a task.
//!
//! Behind features: `conformance`, the suite that proves the above for any scheduler; `fake`, a scheduler that is
//! scripted by the tasks it is given.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod exec;
#[cfg(feature = "fake")]
pub mod fake;
mod file_errors;
pub mod files;
pub mod images;
mod removed;
mod turns;
pub mod types;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use gofer_backend::{BackendInfo, Result};
use gofer_types::AttemptId;

pub use exec::{Exec, ExecInput, ExecOutput, ExecRequest, ExecSession, TerminalSize};
pub use file_errors::{HostErrors, not_laid, not_taken};
pub use files::{Archive, FileStream, Files};
pub use images::{Image, ImageProgress, Images};
pub use removed::{KEPT as REMOVED_KEPT, Removed};
pub use turns::Turns;
pub use types::{
    Capabilities, LogChunk, LogCursor, LogItem, LogStream, PullPolicy, RegistryAuth, StartOutcome, Started,
    StreamKind, TaskExit, TaskLimits, TaskSpec, TaskStatus, TaskSummary,
};

/// Runs tasks.
#[async_trait]
pub trait Scheduler: Debug + Send + Sync + 'static {
    /// What this scheduler is.
    fn info(&self) -> BackendInfo;

    /// What this scheduler can do beyond the contract.
    fn capabilities(&self) -> Capabilities;

    /// Whether a task could be started now. No lasting effect.
    async fn check(&self) -> Result<()>;

    /// Starts the task, and answers once it runs (or has already ended).
    ///
    /// Idempotent under `id`: if the id already stands for the same digest it answers `Adopted`, also after the task has
    /// ended. A dropped future, `Unavailable` and `TimedOut` leave the outcome unknown: ask [`Scheduler::inspect`] or start
    /// again with the same arguments, never with another id.
    /// Errors: `Conflict` if the id stands for another digest or was removed; `InvalidInput` if this task can never run here
    /// (no command, no such program, a limit that cannot be kept); `NotFound` if its image is not there, which
    /// [`Images::fetch`] changes; `Unsupported` for a part of the spec that this scheduler cannot honour.
    async fn start(&self, id: &AttemptId, spec: &TaskSpec) -> Result<Started>;

    /// How the task stands. No effect. `Ended` means that nothing of the task runs any more. It answers in bounded time.
    ///
    /// Errors: `NotFound` only if the backend itself says that it knows no such id.
    async fn inspect(&self, id: &AttemptId) -> Result<TaskStatus>;

    /// Waits for the end of the task, however long, and answers how it ended. Repeatable; answers at once after the end.
    ///
    /// Errors: `NotFound` as for [`Scheduler::inspect`].
    async fn wait(&self, id: &AttemptId) -> Result<TaskExit>;

    /// The output from a cursor on, both streams, then everything that follows; ends when the task has ended and all was
    /// sent. A loss is an item of the stream. Repeatable from any cursor that it ever gave out.
    ///
    /// Errors: `NotFound` as for [`Scheduler::inspect`]; `InvalidInput` for a cursor that it cannot have given out.
    async fn logs(&self, id: &AttemptId, from: LogCursor) -> Result<LogStream>;

    /// Asks the task to end and, when `grace` has passed, kills it with everything that it started. Answers once it has
    /// ended. A grace of zero kills at once. Already ended: `Ok`.
    ///
    /// Errors: `NotFound` as for [`Scheduler::inspect`].
    async fn stop(&self, id: &AttemptId, grace: Duration) -> Result<()>;

    /// Forgets the task and frees what it held. Already gone, or never there: `Ok`. The id is never started from here on.
    ///
    /// Errors: `Conflict` while it runs.
    async fn remove(&self, id: &AttemptId) -> Result<()>;

    /// Everything that carries our owner's mark, running or ended. Order is not defined.
    async fn list(&self) -> Result<Vec<TaskSummary>>;

    /// Entering running tasks, where this scheduler can.
    fn exec(&self) -> Option<&dyn Exec> {
        None
    }

    /// Fetching the images of tasks, where this scheduler runs them.
    fn images(&self) -> Option<&dyn Images> {
        None
    }

    /// Laying files before the start of tasks and taking them behind their end, where this scheduler can.
    fn files(&self) -> Option<&dyn Files> {
        None
    }
}
