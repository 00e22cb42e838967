//! What the engine refuses, and why. Each variant carries the data that a message, a hint and a code need.

use gofer_backend::BackendError;
use gofer_journal::JournalError;
use gofer_logs::LogError;
use gofer_objects::ObjectsError;
use gofer_pipeline::{Unsupported, VariableProblem};
use gofer_queue::Refused;
use gofer_records::RecordError;
use gofer_types::refs::RunSelector;
use gofer_types::{
    Deletion, Namespace, PipelineRef, RunRef, SchedulerName, TaskId, TaskRef, TaskState, VersionNumber,
};
use gofer_versions::FieldProblem;

/// The result of an engine call.
pub type Result<T> = std::result::Result<T, EngineError>;

/// Why the engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is no such namespace.
    #[error("there is no namespace `{name}`")]
    NamespaceNotFound {
        /// The name that was asked for.
        name: Namespace,
        /// A name that may have been meant.
        suggestion: Option<String>,
    },
    /// There is a namespace of that name already.
    #[error("there is a namespace `{name}` already")]
    NamespaceExists {
        /// The name.
        name: Namespace,
    },
    /// The namespace still holds pipelines.
    #[error("namespace `{name}` still holds pipelines")]
    NamespaceNotEmpty {
        /// The name.
        name: Namespace,
    },
    /// The default namespace stays.
    #[error("namespace `default` cannot be deleted")]
    NamespaceProtected,
    /// There is no such pipeline.
    #[error("there is no pipeline `{id}`")]
    PipelineNotFound {
        /// The pipeline that was asked for.
        id: PipelineRef,
        /// The id of a pipeline that may have been meant.
        suggestion: Option<String>,
    },
    /// The pipeline has no such version.
    #[error("pipeline `{id}` has no version {version}; its newest is {latest}")]
    VersionNotFound {
        /// The pipeline.
        id: PipelineRef,
        /// The version that was asked for.
        version: VersionNumber,
        /// The newest version.
        latest: VersionNumber,
    },
    /// The pipeline has no such run.
    #[error("there is no run `{id}`")]
    RunNotFound {
        /// The run that was asked for.
        id: RunRef,
    },
    /// No run of the pipeline fits the selector.
    #[error("pipeline `{id}` has no {} yet", match selector { RunSelector::LatestFailed => "failed run", _ => "run" })]
    NoSuchRun {
        /// The pipeline.
        id: PipelineRef,
        /// What was asked for.
        selector: RunSelector,
    },
    /// The run has no such task.
    #[error("run `{}` has no task `{}`", id.run, id.task)]
    TaskNotFound {
        /// The task run that was asked for.
        id: TaskRef,
        /// A task that may have been meant.
        suggestion: Option<String>,
    },
    /// The pipeline may not start new runs.
    #[error("pipeline `{id}` is disabled")]
    PipelineDisabled {
        /// The pipeline.
        id: PipelineRef,
    },
    /// The pipeline cannot be deleted while its runs are active.
    #[error("pipeline `{id}` has {active} active runs")]
    PipelineActive {
        /// The pipeline.
        id: PipelineRef,
        /// How many of its runs have not ended.
        active: u64,
    },
    /// Another version became the newest in between.
    #[error("the newest version is {actual}, not {expected}")]
    VersionMoved {
        /// The version that was expected to be the newest; 0 for none.
        expected: u64,
        /// The version that is.
        actual: u64,
    },
    /// The pipeline does not accept these variables.
    #[error("{} of the variables are not accepted", .0.len())]
    InvalidVariables(Vec<VariableProblem>),
    /// The variables of a run are too large to be kept with it.
    #[error("the variables have {size} bytes; {limit} are allowed")]
    VariablesTooLarge {
        /// Their size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// Parts of the start are not accepted.
    #[error("{} parts of the start are not accepted", .0.len())]
    InvalidStart(Vec<FieldProblem>),
    /// A run would be a part of a run of its own pipeline, or of too many.
    #[error("a run of pipeline `{pipeline}` would be a part of run `{run}`, which it would wait for")]
    OwnPart {
        /// The pipeline.
        pipeline: PipelineRef,
        /// The run that it would be a part of.
        run: RunRef,
    },
    /// The task waits for no answer.
    #[error("task `{id}` waits for no answer: it is {state}")]
    NotAsking {
        /// The task.
        id: TaskRef,
        /// Its state.
        state: TaskState,
    },
    /// Only a run that has ended can be repeated.
    #[error("run `{run}` has not ended")]
    RunNotEnded {
        /// The run.
        run: RunRef,
    },
    /// Everything of the run succeeded.
    #[error("nothing of run `{run}` is left to be tried again")]
    NothingToRetry {
        /// The run.
        run: RunRef,
    },
    /// A task names a scheduler that the operator has not configured.
    #[error("task `{task}` wants scheduler `{name}`, which is not configured")]
    UnknownScheduler {
        /// The task.
        task: TaskId,
        /// The scheduler.
        name: SchedulerName,
        /// The configured ones.
        known: Vec<SchedulerName>,
    },
    /// The configuration uses parts of the language that this server cannot serve.
    #[error("{} parts of the configuration are not supported by this server", .0.len())]
    Unsupported(Vec<Unsupported>),
    /// The configuration is not a graph that can be run.
    #[error("the configuration cannot be run: {reason}")]
    InvalidPipeline {
        /// Why.
        reason: String,
    },
    /// The run would have to wait, and may not.
    #[error("{refused}")]
    Queue {
        /// The pipeline.
        id: PipelineRef,
        /// Why it may not wait.
        refused: Refused,
    },
    /// The page token is not one that this list gave out.
    #[error("the page token is not one of this list")]
    InvalidPageToken,
    /// The cursor is not one that this log gave out.
    #[error("the cursor is not one of this run's log")]
    InvalidCursor,
    /// An idempotency key is 1 to 128 visible ASCII characters.
    #[error("an idempotency key has 1 to 128 visible ASCII characters")]
    InvalidIdempotencyKey,
    /// The key stands for a start with other arguments.
    #[error("the idempotency key stands for run `{run}`, which was started with other arguments")]
    IdempotencyMismatch {
        /// The run that the key stands for.
        run: RunRef,
    },
    /// The output of the task is not kept.
    #[error("the output of task `{id}` is not kept")]
    LoggingOff {
        /// The task.
        id: TaskRef,
    },
    /// The output of the run was deleted.
    #[error("the output of run `{run}` was deleted by {} at {}", deleted.actor, deleted.at)]
    LogsDeleted {
        /// The run.
        run: RunRef,
        /// Who deleted it, and when.
        deleted: Deletion,
    },
    /// A part of the event log cannot be read.
    #[error("the event log cannot be read from entry {from} on")]
    EventsMissing {
        /// The first entry of that part.
        from: u64,
    },
    /// Too many readers follow already.
    #[error("{limit} readers follow already")]
    TooManyFollowers {
        /// The limit.
        limit: usize,
    },
    /// A stored run cannot be used.
    #[error("run `{run}` was set aside: {reason}")]
    Quarantined {
        /// The run.
        run: RunRef,
        /// Why.
        reason: String,
    },
    /// A stored record cannot be read.
    #[error("a stored record cannot be read")]
    Record(#[source] RecordError),
    /// The storage answered an error.
    #[error("the storage answered an error")]
    Storage(#[source] BackendError),
    /// The log store answered an error.
    #[error("the log store answered an error")]
    Logs(#[source] LogError),
    /// Objects did not do what they were asked.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// The engine is being shut down.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The engine can no longer work.
    #[error("the engine has stopped: {reason}")]
    Failed {
        /// Why.
        reason: String,
    },
}

impl From<RecordError> for EngineError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Storage(error) => Self::Storage(error),
            RecordError::InvalidToken => Self::InvalidPageToken,
            other => Self::Record(other),
        }
    }
}

impl From<BackendError> for EngineError {
    fn from(error: BackendError) -> Self {
        Self::Storage(error)
    }
}

impl From<JournalError> for EngineError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Record(error) => error.into(),
            JournalError::Refused(error) => Self::Storage(error),
            JournalError::Stopped => Self::ShuttingDown,
            JournalError::Failed { reason } => Self::Failed { reason },
        }
    }
}

impl From<LogError> for EngineError {
    fn from(error: LogError) -> Self {
        Self::Logs(error)
    }
}
