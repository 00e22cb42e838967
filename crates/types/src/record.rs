//! What is stored about namespaces, pipelines, versions, runs, task runs and attempts.
//!
//! A run is many small records: itself, one per task run, one per attempt. Each is written whole; `gofer-records` adds
//! the format version, the key and the checks.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::names::{AttemptId, Namespace, SchedulerName, TaskId, VariableName};
use crate::pipeline::Pipeline;
use crate::refs::{PipelineRef, RunRef, TaskRef, VersionNumber};
use crate::state::{Condition, RunState, TaskState};
use crate::time::Timestamp;

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceRecord {
    /// Its name.
    pub name: Namespace,
    /// For people.
    pub description: String,
    /// When it was created.
    pub created: Timestamp,
}

/// A pipeline: what its versions have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineRecord {
    /// Which pipeline.
    pub id: PipelineRef,
    /// When it was first registered.
    pub created: Timestamp,
    /// When its newest version was registered.
    pub updated: Timestamp,
    /// The newest version; new runs use it.
    pub latest: VersionNumber,
    /// Whether new runs may start.
    pub enabled: bool,
    /// The number of the next run, from 1.
    pub next_run: u64,
}

/// One immutable, numbered configuration of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionRecord {
    /// Which pipeline.
    pub pipeline: PipelineRef,
    /// Which version.
    pub version: VersionNumber,
    /// When it was registered.
    pub created: Timestamp,
    /// Who registered it.
    pub actor: Actor,
    /// A digest of the configuration, for telling "unchanged".
    pub digest: String,
    /// The configuration.
    pub config: Pipeline,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The server itself, following a rule.
    System,
    /// A person or a program, by the name that it gave or proved.
    User(String),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::User(name) => f.write_str(name),
        }
    }
}

/// Why a run or a task run is in the state it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Everything that was asked for is done.
    Completed,
    /// It waits for these parents to end.
    WaitingForParents(Vec<TaskId>),
    /// A limit on how much may run at once holds it back; the text names the limit.
    WaitingForSlot(String),
    /// The scheduler has been asked to start it and has not answered yet.
    WaitingForScheduler,
    /// Its process ended with this code.
    ExitCode(i32),
    /// Its process was ended by this signal.
    Signal(i32),
    /// Its process was ended because it used more memory than it may.
    OutOfMemory,
    /// It could not be started; the text says why.
    CannotStart(String),
    /// What became of it cannot be known; the text says why.
    Lost(String),
    /// This parent ended in a state with which the condition cannot hold.
    ParentState {
        /// The parent.
        task: TaskId,
        /// The state it ended in.
        state: TaskState,
        /// What was asked of it.
        wanted: Condition,
    },
    /// Somebody cancelled it; the text is the reason that was given.
    Cancelled(String),
    /// This limit passed.
    Deadline(Duration),
    /// The run's own time limit passed.
    RunDeadline(Duration),
    /// These tasks decided the end of the run.
    Tasks(Vec<TaskId>),
    /// The stored record cannot be used; the text says why.
    Quarantined(String),
    /// Its image is being fetched, so that it can be started.
    FetchingImage(String),
}

/// One execution of one version of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Which run.
    pub id: RunRef,
    /// The version that it executes, from start to end.
    pub version: VersionNumber,
    /// Its state.
    pub state: RunState,
    /// Why it is in that state.
    pub cause: Cause,
    /// Who started it.
    pub actor: Actor,
    /// How it was started: `manual`, or the kind and label of a trigger.
    pub trigger: String,
    /// The variables that it runs with: given ones, and defaults for the rest.
    pub variables: BTreeMap<VariableName, String>,
    /// The key under which a repeated start finds it again.
    pub idempotency_key: Option<String>,
    /// When the start was accepted.
    pub created: Timestamp,
    /// When its first task was allowed to start.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// When its time limit passes.
    pub deadline: Option<Timestamp>,
    /// Who asked for it to be cancelled, if somebody did.
    pub cancel: Option<CancelRequest>,
    /// How many tasks it has.
    pub tasks: u32,
}

/// A recorded wish that a run ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequest {
    /// Who wishes it.
    pub actor: Actor,
    /// Why.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
    /// Whether running tasks are killed at once.
    pub force: bool,
}

/// A task within a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRunRecord {
    /// Which task run.
    pub id: TaskRef,
    /// Its state.
    pub state: TaskState,
    /// Why it is in that state.
    pub cause: Cause,
    /// The attempts so far, from the first to the newest.
    pub attempts: Vec<AttemptId>,
    /// When it entered its state.
    pub changed: Timestamp,
    /// When its first attempt began to run.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The exit code, only if an exit was observed.
    pub exit_code: Option<i32>,
}

/// One start of a task run on a scheduler. Committed before the effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Its identity, which the scheduler's thing carries too.
    pub id: AttemptId,
    /// The task run that it is an attempt of.
    pub task: TaskRef,
    /// Its number among the attempts of the task run, from 1.
    pub number: u32,
    /// The scheduler that was asked.
    pub scheduler: SchedulerName,
    /// The digest of what was asked for.
    pub digest: String,
    /// When the intent was committed.
    pub created: Timestamp,
    /// When the scheduler said that it runs.
    pub started: Option<Timestamp>,
    /// When it ended, as far as we know.
    pub ended: Option<Timestamp>,
    /// When its time limit passes.
    pub deadline: Option<Timestamp>,
    /// How it ended, once it has.
    pub exit: Option<Cause>,
    /// What the scheduler calls it, for people: a process id, a container id.
    pub handle: Option<String>,
    /// Whether the scheduler's thing has been removed.
    pub removed: bool,
    /// The digest of the image that it runs, where the scheduler runs images and told it.
    pub image: Option<String>,
}
