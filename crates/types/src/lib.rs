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
//! - [`record`]: what is stored about namespaces, pipelines, versions, runs, task runs and attempts.
//! - [`event`]: what is told about them.

pub mod event;
pub mod names;
pub mod pipeline;
pub mod record;
pub mod refs;
pub mod secret;
pub mod size;
pub mod state;
pub mod time;

pub use event::{Event, EventKind, ImageState};
pub use names::{AttemptId, LabelKey, NameError, Namespace, PipelineId, SchedulerName, TaskId, VariableName};
pub use pipeline::{Pipeline, Task};
pub use record::{
    Actor, AttemptRecord, Cause, NamespaceRecord, PipelineRecord, RunRecord, TaskRunRecord, VersionRecord,
};
pub use refs::{PipelineRef, Ref, RefError, RunNumber, RunRef, TaskRef, VersionNumber};
pub use secret::SecretValue;
pub use size::ByteSize;
pub use state::{Condition, RunState, TaskState};
pub use time::{Span, Timestamp};
