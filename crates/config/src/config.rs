//! The configuration as the server uses it: every value checked, nothing left to interpret.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use gofer_types::{ByteSize, Namespace, Span};

use crate::instance::Family;

/// The whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `[server]`.
    pub server: Server,
    /// `[storage]`.
    pub storage: Family,
    /// `[scheduler]`.
    pub scheduler: Family,
    /// `[objects]`.
    pub objects: Family,
    /// `[limits]`.
    pub limits: Limits,
    /// `[logs]`: the output of tasks.
    pub logs: Logs,
    /// `[retention]`: what is kept, and for how long.
    pub retention: Retention,
    /// `[log]`: what the server says about itself.
    pub log: Log,
}

/// `[server]`: where it listens and lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where everything lives that survives a restart.
    pub data_dir: PathBuf,
    /// How long a stop waits for requests under way.
    pub drain_timeout: Span,
}

/// `[limits]`: the operator's bounds. `task_timeout_min <= task_timeout_default <= task_timeout_max` holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How many tasks run at once on this server.
    pub max_running_tasks: u32,
    /// How many runs may run at once.
    pub max_running_runs: u32,
    /// How many runs may wait for their turn; more are refused.
    pub max_queued_runs: u32,
    /// How many tasks of one namespace run at once; `None` is no limit of its own.
    pub max_running_tasks_per_namespace: Option<u32>,
    /// How many runs of one namespace may run at once; `None` is no limit of its own.
    pub max_running_runs_per_namespace: Option<u32>,
    /// How many runs of one namespace may wait for their turn; `None` is no limit of its own.
    pub max_queued_runs_per_namespace: Option<u32>,
    /// How much waiting one level of priority is worth.
    pub priority_ageing: Span,
    /// How many runs may start within `max_starts_per`; `None` is no limit.
    pub max_starts: Option<u32>,
    /// The span of time that `max_starts` is counted in.
    pub max_starts_per: Span,
    /// The shares of namespaces that wait for the same room, from 1 to 10; 1 for those that are not named.
    pub namespace_weights: BTreeMap<Namespace, u8>,
    /// How many tasks a pipeline may have.
    pub max_tasks_per_pipeline: u32,
    /// How many tasks a run may have, with all combinations of matrices.
    pub max_tasks_per_run: u32,
    /// How many combinations the matrix of a task may have.
    pub max_matrix_combinations: u32,
    /// How large an artefact may be, in bytes of its files.
    pub max_artefact_bytes: ByteSize,
    /// How many files and directories an artefact may have.
    pub max_artefact_entries: u32,
    /// The time limit of a task that names none.
    pub task_timeout_default: Span,
    /// The shortest time limit that a task may name.
    pub task_timeout_min: Span,
    /// The longest time limit that a task may name.
    pub task_timeout_max: Span,
    /// The time limit of every run.
    pub run_timeout_max: Span,
    /// How long a task that is asked to stop may take before it is killed.
    pub stop_grace: Span,
    /// The largest request that the API accepts.
    pub max_message_in: ByteSize,
    /// The largest answer that the API sends.
    pub max_message_out: ByteSize,
    /// How many clients may follow logs and events at once.
    pub max_followers: u32,
    /// The largest object.
    pub max_object_bytes: ByteSize,
    /// How much the objects of one namespace may have together.
    pub max_object_bytes_per_namespace: ByteSize,
    /// How many objects a pipeline keeps.
    pub pipeline_objects: u32,
    /// How many objects a run may have.
    pub max_objects_per_run: u32,
    /// How many of the newest runs of a pipeline keep their objects.
    pub run_objects_kept_runs: u32,
}

/// `[logs]`: the output of tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    /// How much output of one task is kept.
    pub max_bytes_per_task: ByteSize,
    /// How long the output of an ended task is waited for, from the end or the start of the server on, while its scheduler
    /// is away or silent.
    pub collect_timeout: Span,
    /// The size of one file of a task's output; at most `max_bytes_per_task`.
    pub segment_bytes: ByteSize,
}

/// `[retention]`: what is kept, and for how long. `None` and 0 are no bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Of how many of the newest runs of a pipeline the output is kept.
    pub logs_runs: u32,
    /// How long the output of a run is kept from its end on.
    pub logs_age: Option<Span>,
    /// How much output of one pipeline is kept.
    pub logs_bytes_per_pipeline: Option<ByteSize>,
    /// How many of the newest runs of a pipeline are kept.
    pub runs: u32,
    /// How long a run is kept from its end on.
    pub runs_age: Option<Span>,
    /// How many events are kept.
    pub events: u32,
    /// How long events are kept.
    pub events_age: Option<Span>,
}

/// `[log]`: what the server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How much.
    pub level: LogLevel,
    /// How.
    pub format: LogFormat,
}

/// How much the server says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what may fail soon.
    Warn,
    /// And what an operator wants to know later.
    Info,
    /// And why.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The word in the file, which is also the filter of the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == word)
    }
}

/// How the server says something about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}
