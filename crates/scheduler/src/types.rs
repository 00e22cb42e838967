//! The arguments and answers of a scheduler.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use gofer_backend::Result;
use gofer_types::{AttemptId, ByteSize, Cause, SecretValue, Timestamp};
use serde::{Deserialize, Serialize};

/// What is to be run. Everything is final: no reference is left to resolve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct TaskSpec {
    /// The image; empty where the author named none. Schedulers without images ignore it.
    pub image: String,
    /// When the image is fetched.
    pub pull: PullPolicy,
    /// Who the task is towards the registry of its image. Never written down.
    #[serde(skip)]
    pub registry_auth: Option<RegistryAuth>,
    /// Replaces the image's entry point; `None` keeps it.
    pub entrypoint: Option<Vec<String>>,
    /// The argument vector; empty means what the image runs by itself.
    pub command: Vec<String>,
    /// The directory that it starts in; `None` is the scheduler's choice. A relative one is below that choice.
    pub workdir: Option<String>,
    /// The user that it runs as; `None` is the scheduler's choice.
    pub user: Option<String>,
    /// The whole environment. Nothing of the server's own environment is added but a `PATH` where none is given.
    pub env: BTreeMap<String, String>,
    /// What it may use.
    pub limits: TaskLimits,
    /// Labels for people who look at the backend: namespace, pipeline, run, task.
    pub labels: BTreeMap<String, String>,
    /// The digest of what was asked for, computed by the engine; the thing carries it.
    pub digest: String,
}

/// When the image of a task is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullPolicy {
    /// When it is not there.
    #[default]
    Missing,
    /// Always; what is there already is not transferred again.
    Always,
}

/// Who somebody is towards a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryAuth {
    /// The user.
    pub user: String,
    /// The password, or a token that stands for one.
    pub password: SecretValue,
}

/// What a task may use. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct TaskLimits {
    /// Processor time, in cores.
    pub cpu: Option<f64>,
    /// Memory.
    pub memory: Option<ByteSize>,
}

/// How a start was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Whether this call started it.
    pub outcome: StartOutcome,
    /// What the backend calls it, for people: a process id, a container id.
    pub handle: String,
    /// The digest of the image that it runs, such as `sha256:...`, where the scheduler runs images.
    pub image: Option<String>,
    /// What the author should know, such as "the image is ignored": shown, never parsed.
    pub notes: Vec<String>,
}

/// Whether a start started something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartOutcome {
    /// This call did.
    Created,
    /// An earlier call had done it.
    Adopted,
}

/// How a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskStatus {
    /// It has been accepted and does not run yet.
    Starting,
    /// It runs.
    Running {
        /// What the backend calls it.
        handle: String,
    },
    /// It has ended.
    Ended(TaskExit),
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskExit {
    /// How: `ExitCode`, `Signal`, `OutOfMemory`, `Lost`, or `CannotStart`; no other cause.
    pub cause: Cause,
    /// When, by the backend's clock, where it knows.
    pub at: Option<Timestamp>,
}

/// A place in the output of one task. Opaque: only the scheduler that gave it out can read it. At most 128 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct LogCursor(pub String);

impl LogCursor {
    /// Before the first byte.
    #[must_use]
    pub fn start() -> Self {
        Self::default()
    }
}

/// Which of its streams a task wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StreamKind {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// One item of a task's output, with the place behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogChunk {
    /// The place behind this item: reading from here continues with the next one.
    pub cursor: LogCursor,
    /// When it was written, by the backend's clock.
    pub at: Timestamp,
    /// What it is.
    pub item: LogItem,
}

/// Output, or the absence of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogItem {
    /// Bytes as they were written, at most 64 KiB at once. Where lines are cut is not defined.
    Data {
        /// To which stream.
        stream: StreamKind,
        /// The bytes.
        bytes: Bytes,
    },
    /// Bytes that were written and are not there.
    Gap {
        /// How many, where that is known.
        bytes: Option<u64>,
        /// Why, for people.
        cause: String,
    },
}

/// The output of a task.
pub type LogStream = BoxStream<'static, Result<LogChunk>>;

/// One thing that carries our owner's mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskSummary {
    /// The attempt that it stands for.
    pub id: AttemptId,
    /// The digest that it carries.
    pub digest: String,
    /// How it stands.
    pub status: TaskStatus,
    /// When it was created, by the backend's clock.
    pub created: Timestamp,
}

/// What a scheduler can do beyond the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// It runs images; without it the image of a task is ignored, and a task needs a command or a script.
    pub images: bool,
    /// It keeps limits on processor time.
    pub cpu_limit: bool,
    /// It keeps limits on memory.
    pub memory_limit: bool,
    /// It tells the end by memory from other ends.
    pub out_of_memory: bool,
    /// It can run a task as another user.
    pub user: bool,
    /// Tasks are kept apart from the host.
    pub sandbox: bool,
    /// Tasks outlive the server.
    pub survives_restart: bool,
    /// Running tasks can be entered: [`Scheduler::exec`](crate::Scheduler::exec) answers something.
    pub exec: bool,
    /// Tasks are given files and leave some: [`Scheduler::files`](crate::Scheduler::files) answers something.
    pub files: bool,
}
