//! What is told about the things that happen. One event is one entry of the event log, committed together with the
//! change that it tells of.

use serde::{Deserialize, Serialize};

use crate::names::{AttemptId, Namespace};
use crate::record::{Actor, Cause};
use crate::refs::{ObjectScope, PipelineRef, RunRef, TaskRef, VersionNumber};
use crate::state::{RunState, TaskState};
use crate::time::Timestamp;

/// One entry of the event log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the log: dense, from 1, in the order of commits.
    pub seq: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// Who caused it.
    pub actor: Actor,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A server took ownership of the state.
    ServerStarted {
        /// The ownership epoch that began.
        epoch: u64,
        /// The version of gofer.
        version: String,
    },
    /// A namespace was created.
    NamespaceCreated {
        /// Which.
        namespace: Namespace,
    },
    /// A namespace was deleted.
    NamespaceDeleted {
        /// Which.
        namespace: Namespace,
    },
    /// A version of a pipeline was registered.
    VersionRegistered {
        /// Of which pipeline.
        pipeline: PipelineRef,
        /// Which version.
        version: VersionNumber,
    },
    /// A pipeline may or may not start new runs from now on.
    PipelineEnabled {
        /// Which.
        pipeline: PipelineRef,
        /// Whether it may.
        enabled: bool,
    },
    /// A pipeline was deleted with its history.
    PipelineDeleted {
        /// Which.
        pipeline: PipelineRef,
    },
    /// A run entered a state.
    Run {
        /// Which.
        run: RunRef,
        /// The version that it executes.
        version: VersionNumber,
        /// The state.
        state: RunState,
        /// Why.
        cause: Cause,
    },
    /// Somebody asked for a run to be cancelled.
    CancelRequested {
        /// Which.
        run: RunRef,
        /// Why.
        reason: String,
    },
    /// A task run entered a state.
    Task {
        /// Which.
        task: TaskRef,
        /// The state.
        state: TaskState,
        /// Why.
        cause: Cause,
        /// The attempt that it is about, if any.
        attempt: Option<AttemptId>,
        /// The exit code, if one was observed.
        exit_code: Option<i32>,
    },
    /// A stored run cannot be used; it is set aside and the rest goes on.
    Quarantined {
        /// Which.
        run: RunRef,
        /// Why.
        reason: String,
    },
    /// The image of an attempt is being fetched, or was. Nothing is told of an image that is there.
    Image {
        /// For which task run.
        task: TaskRef,
        /// For which attempt of it.
        attempt: AttemptId,
        /// The image, as the author named it.
        image: String,
        /// The bytes that are there.
        done: u64,
        /// The bytes of all parts whose size is known so far; it may grow.
        total: u64,
        /// How far it is.
        state: ImageState,
    },
    /// The output of a run was deleted.
    LogsDeleted {
        /// Of which run.
        run: RunRef,
    },
    /// A run was deleted with everything that belonged to it.
    RunDeleted {
        /// Which.
        run: RunRef,
    },
    /// An object was put.
    ObjectPut {
        /// Where.
        scope: ObjectScope,
        /// Under which key.
        key: String,
        /// Its size, in bytes.
        size: u64,
        /// The keys of the objects that went for it, oldest first; at most 100 are named.
        evicted: Vec<String>,
    },
    /// Somebody deleted an object.
    ObjectDeleted {
        /// Where it was.
        scope: ObjectScope,
        /// Its key.
        key: String,
    },
}

/// How far the fetch of an image is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageState {
    /// It is on its way.
    Fetching,
    /// It is there.
    Fetched {
        /// Its digest, such as `sha256:...`.
        digest: String,
    },
}

impl ImageState {
    /// The stable word.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Fetching => "fetching",
            Self::Fetched { .. } => "fetched",
        }
    }
}

impl EventKind {
    /// All the stable words.
    pub const WORDS: [&str; 15] = [
        "server_started",
        "namespace_created",
        "namespace_deleted",
        "version_registered",
        "pipeline_enabled",
        "pipeline_deleted",
        "run",
        "cancel_requested",
        "task",
        "quarantined",
        "image",
        "logs_deleted",
        "run_deleted",
        "object_put",
        "object_deleted",
    ];

    /// The stable word for filters and JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::ServerStarted { .. } => "server_started",
            Self::NamespaceCreated { .. } => "namespace_created",
            Self::NamespaceDeleted { .. } => "namespace_deleted",
            Self::VersionRegistered { .. } => "version_registered",
            Self::PipelineEnabled { .. } => "pipeline_enabled",
            Self::PipelineDeleted { .. } => "pipeline_deleted",
            Self::Run { .. } => "run",
            Self::CancelRequested { .. } => "cancel_requested",
            Self::Task { .. } => "task",
            Self::Quarantined { .. } => "quarantined",
            Self::Image { .. } => "image",
            Self::LogsDeleted { .. } => "logs_deleted",
            Self::RunDeleted { .. } => "run_deleted",
            Self::ObjectPut { .. } => "object_put",
            Self::ObjectDeleted { .. } => "object_deleted",
        }
    }

    /// The run that it is about, if it is about one.
    #[must_use]
    pub const fn run(&self) -> Option<&RunRef> {
        match self {
            Self::Run { run, .. }
            | Self::CancelRequested { run, .. }
            | Self::Quarantined { run, .. }
            | Self::LogsDeleted { run }
            | Self::RunDeleted { run } => Some(run),
            Self::Task { task, .. } | Self::Image { task, .. } => Some(&task.run),
            Self::ObjectPut { scope, .. } | Self::ObjectDeleted { scope, .. } => scope.run(),
            _ => None,
        }
    }
}
