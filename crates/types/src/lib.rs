//! The nouns of gofer, as data.
//!
//! Every other crate speaks in these types: names that cannot be malformed, times, sizes, the pipeline as its author
//! wrote it, and the records of what happened. Nothing here does I/O, awaits, or reads a clock.
//!
//! - [`names`] and [`refs`]: the words and addresses that people type.
//! - [`time`] and [`size`]: points in time, spans and bytes, with the text forms that files use.
//! - [`pipeline`]: one validated pipeline configuration.
//! - [`secret`]: what is never shown.
//! - [`state`]: the states of runs and task runs.
//! - [`task_set`]: some of the tasks of one run.
//! - [`record`]: what is stored about namespaces, pipelines, versions, runs, task runs and attempts.
//! - [`event`]: what is told about them.

pub mod event;
mod gate;
mod handed;
pub mod names;
pub mod pipeline;
pub mod record;
pub mod refs;
pub mod secret;
pub mod size;
pub mod state;
pub mod task_set;
pub mod time;

pub use event::{Event, EventKind, ImageState};
pub use names::{
    AttemptId, LONGEST_KEY, LabelKey, NameError, Namespace, PipelineId, SchedulerName, TaskId, VariableName,
    is_idempotency_key,
};
pub use pipeline::{Pipeline, Task};
pub use record::{
    Actor, Answer, AttemptRecord, Cause, Deletion, FanOut, NamespaceRecord, PipelineRecord, RetryOf,
    RunRecord, TaskRunRecord, VersionRecord,
};
pub use refs::{ObjectScope, PipelineRef, Ref, RefError, RunNumber, RunRef, TaskRef, VersionNumber};
pub use secret::SecretValue;
pub use size::ByteSize;
pub use state::{Condition, RunState, TaskState};
pub use task_set::TaskSet;
pub use time::{BootTime, Moment, Span, Timestamp};
