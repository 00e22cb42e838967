//! What is stored about namespaces, pipelines, versions, runs, task runs and attempts.
//!
//! A run is many small records: itself, one per task run, one per attempt. Each is written whole; `gofer-records` adds
//! the format version, the key and the checks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::names::{AttemptId, LabelKey, Namespace, SchedulerName, TaskId, VariableName};
use crate::pipeline::Pipeline;
use crate::refs::{PipelineRef, RunNumber, RunRef, TaskRef, VersionNumber};
use crate::state::{Condition, RunState, TaskState};
use crate::task_set::TaskSet;
use crate::time::{BootTime, Timestamp};

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
    /// It is under way: nothing holds it back.
    UnderWay,
    /// The run was started for other tasks only.
    NotChosen,
    /// It succeeded in an earlier run, of which this one is a retry, and is not executed again.
    Reused {
        /// The number of the earlier run.
        run: RunNumber,
        /// What was answered there, if it is an approval.
        answer: Option<Box<Answer>>,
    },
    /// An attempt ended in a way that is tried again. The next one is asked for after the wait.
    WaitingForRetry {
        /// The number of the next attempt.
        attempt: u32,
        /// How many attempts there may be in all.
        of: u32,
        /// The wait, from the end of the former attempt.
        wait: Duration,
        /// How the former attempt ended.
        after: Box<Cause>,
    },
    /// Somebody is asked whether the run goes on.
    WaitingForApproval,
    /// Somebody decided that the run goes on.
    Approved(Box<Answer>),
    /// Somebody decided that it does not.
    Rejected(Box<Answer>),
    /// It is a run of another pipeline, which is in this state.
    ChildRun {
        /// Which run.
        run: RunRef,
        /// Its state.
        state: RunState,
    },
    /// Its list was read, and it stands for that many tasks now.
    FannedOut {
        /// How many.
        tasks: u32,
        /// The values that were read, by the keys of its matrix. Empty once they are recorded with the task run.
        values: BTreeMap<String, Vec<String>>,
    },
    /// A list that it was to fan out over has nothing in it.
    NothingListed,
    /// It ended well, but what it was to leave could not be kept; the text says why.
    CannotKeep(String),
}

impl Cause {
    /// What was answered to an approval that let its run go on, be it in an earlier run.
    #[must_use]
    pub fn approval(&self) -> Option<&Answer> {
        match self {
            Self::Approved(answer) | Self::Reused { answer: Some(answer), .. } => Some(answer),
            _ => None,
        }
    }
}

/// The tasks that a task with a late matrix became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FanOut {
    /// The place of the first of them; the others follow.
    pub first: u32,
    /// The values that were read, by the keys of its matrix.
    pub values: BTreeMap<String, Vec<String>>,
}

/// What somebody answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Who.
    pub actor: Actor,
    /// What they said about it; may be empty.
    pub note: String,
    /// What they were asked for beside yes or no.
    pub fields: BTreeMap<VariableName, String>,
}

impl Answer {
    /// The fields for people, behind who answered: empty, or ` with who=ana, channel=beta`.
    #[must_use]
    pub fn with_fields(&self) -> String {
        let fields: Vec<String> = self.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if fields.is_empty() { String::new() } else { format!(" with {}", fields.join(", ")) }
    }
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
    /// Labels, for filters: those of the pipeline, and those that it was started with.
    pub labels: BTreeMap<LabelKey, String>,
    /// How urgent it is among the runs that wait: -10 to 10, 0 where nobody said.
    pub priority: i8,
    /// The images that stand in place of the configured ones.
    pub images: BTreeMap<TaskId, String>,
    /// The tasks that it is for; `None` means all.
    pub chosen: Option<TaskSet>,
    /// The run that it repeats, if it is a retry.
    pub retry: Option<RetryOf>,
    /// Who deleted its output, if somebody did.
    pub logs_deleted: Option<Deletion>,
    /// The task that it is a part of, if a task of another run started it.
    pub parent: Option<TaskRef>,
    /// The variables whose values are shown to nobody.
    pub sensitive: BTreeSet<VariableName>,
    /// The reading of the machine's clock at the deadline.
    pub due: Option<BootTime>,
}

impl RunRecord {
    /// A run of one task of the first version, asked for by the system and by hand, that has not begun: what is different is set in it.
    #[must_use]
    pub fn new(id: RunRef, created: Timestamp) -> Self {
        Self {
            id,
            version: VersionNumber(1),
            state: RunState::Queued,
            cause: Cause::Completed,
            actor: Actor::System,
            trigger: "manual".to_owned(),
            variables: BTreeMap::new(),
            idempotency_key: None,
            created,
            started: None,
            ended: None,
            deadline: None,
            cancel: None,
            tasks: 1,
            labels: BTreeMap::new(),
            priority: 0,
            images: BTreeMap::new(),
            chosen: None,
            retry: None,
            logs_deleted: None,
            parent: None,
            sensitive: BTreeSet::new(),
            due: None,
        }
    }
}

/// Something was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// Who did it; the system where a rule said so.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
}

/// What a retry takes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryOf {
    /// The run that is repeated.
    pub run: RunNumber,
    /// The tasks that are not executed again: they succeeded there.
    pub reused: TaskSet,
    /// What was answered to the approvals among them.
    pub answers: BTreeMap<u32, Answer>,
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
    /// The tasks that it became, if its matrix is a late one and they are known.
    pub fan_out: Option<FanOut>,
    /// The reading of the machine's clock at which the wait for its next attempt is over, while it waits for one.
    pub due: Option<BootTime>,
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
    /// Whether all its output is stored although the log goes on with another attempt.
    pub collected: bool,
    /// The reading of the machine's clock at the deadline.
    pub due: Option<BootTime>,
}
