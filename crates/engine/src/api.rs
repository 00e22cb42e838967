//! The arguments and answers of the engine's public calls: plain data, nothing that decides.

use std::collections::BTreeMap;

use futures_util::stream::BoxStream;
use gofer_attempt::ImageNews;
use gofer_backend::BackendInfo;
use gofer_explain::Explanation;
use gofer_logs::{LogEntry, StreamKind};
use gofer_run_machine::Selection;
use gofer_types::{
    Actor, Event, LabelKey, Namespace, Pipeline, PipelineId, PipelineRecord, PipelineRef, RunNumber,
    RunRecord, RunRef, Span, TaskId, TaskRunRecord, Timestamp, VersionNumber, VersionRecord,
};

use crate::error::Result;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name under which the deed is recorded.
    pub actor: Actor,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The greatest number of items; 0 means 30, more than 1,000 means 1,000.
    pub size: usize,
    /// The token of the page before; `None` for the first page.
    pub token: Option<String>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// The items. There may be fewer than wanted although more follow.
    pub items: Vec<T>,
    /// The token of the next page; `None` on the last.
    pub next: Option<String>,
}

/// A configuration that is to become the newest version.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// Of which pipeline.
    pub pipeline: PipelineRef,
    /// The configuration.
    pub config: Pipeline,
    /// The version that must be the newest now; 0 for "there is no such pipeline yet".
    pub expected: Option<u64>,
}

/// The version that holds a configuration now.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// The pipeline.
    pub pipeline: PipelineRecord,
    /// The version.
    pub version: VersionRecord,
    /// Whether it was there already.
    pub unchanged: bool,
}

/// The wish for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartRun {
    /// Of which pipeline.
    pub pipeline: PipelineRef,
    /// Which version; `None` means the newest.
    pub version: Option<VersionNumber>,
    /// The given variables.
    pub variables: BTreeMap<String, String>,
    /// The key under which a repeated start finds the run of the first.
    pub idempotency_key: Option<String>,
    /// How it is started: `manual`, or the kind and label of a trigger.
    pub trigger: String,
    /// Labels, beside those of the pipeline.
    pub labels: BTreeMap<LabelKey, String>,
    /// How urgent it is among the runs that wait: -10 to 10, greater ones first.
    pub priority: i8,
    /// Images that stand in place of the configured ones, by task.
    pub images: BTreeMap<TaskId, String>,
    /// The part of the pipeline that is to run.
    pub selection: Selection,
}

impl StartRun {
    /// The wish for a run as somebody asks for one who says nothing but the pipeline.
    #[must_use]
    pub fn new(pipeline: PipelineRef) -> Self {
        Self {
            pipeline,
            version: None,
            variables: BTreeMap::new(),
            idempotency_key: None,
            trigger: "manual".to_owned(),
            labels: BTreeMap::new(),
            priority: 0,
            images: BTreeMap::new(),
            selection: Selection::default(),
        }
    }
}

/// The wish that a run is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryRun {
    /// Which run; it has ended.
    pub run: RunRef,
    /// What of it is executed again.
    pub scope: Scope,
    /// As in [`StartRun`].
    pub idempotency_key: Option<String>,
    /// As in [`StartRun`].
    pub trigger: String,
}

/// What of a run is executed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    All,
    /// What did not succeed, and what depends on that.
    FromFailed,
    /// These tasks, what depends on them, and what did not succeed.
    From(Vec<TaskId>),
}

/// A durable run.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The run.
    pub run: RunRecord,
    /// Whether an earlier start with the same idempotency key had made it.
    pub existing: bool,
}

/// Why a run is where it is, and some of its tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The run.
    pub run: RunRecord,
    /// Why it is where it is.
    pub about: Explanation,
    /// The tasks, in the order of the pipeline file.
    pub tasks: Vec<(TaskRunRecord, Explanation)>,
    /// The token of the next part of the tasks; `None` on the last.
    pub next: Option<String>,
}

/// The answer to an approval.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerTask {
    /// Whether the run goes on.
    pub approved: bool,
    /// What is said about it.
    pub note: String,
    /// What was asked for beside yes or no.
    pub fields: BTreeMap<String, String>,
}

/// What changed in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunUpdate {
    /// The run, if it changed.
    pub run: Option<RunRecord>,
    /// The task runs that changed.
    pub tasks: Vec<TaskRunRecord>,
    /// The newest news of each image that is being fetched for it.
    pub images: Vec<ImageNews>,
    /// The entry of the event log up to which this tells.
    pub seq: u64,
}

/// The changes of a run.
pub type RunUpdates = BoxStream<'static, Result<RunUpdate>>;

/// Which output is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Only of these tasks; empty means all.
    pub tasks: Vec<TaskId>,
    /// Only of this attempt.
    pub attempt: Option<u32>,
    /// Only this stream.
    pub stream: Option<StreamKind>,
    /// Only what was written at or after this time.
    pub since: Option<Timestamp>,
    /// Only what was written before this time.
    pub until: Option<Timestamp>,
    /// Only the last so many of the entries of each task that are wanted, of what is stored now.
    pub tail: Option<u32>,
    /// Whether to go on until the run has ended.
    pub follow: bool,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// A piece of the combined output.
#[derive(Debug, Clone, PartialEq)]
pub struct LogPage {
    /// The entries, in order.
    pub entries: Vec<LogEntry>,
    /// The place behind them.
    pub cursor: String,
}

/// The combined output of a run.
pub type LogPages = BoxStream<'static, Result<LogPage>>;

/// Which events are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only of this namespace.
    pub namespace: Option<Namespace>,
    /// Only of this pipeline; without a namespace the default one is meant.
    pub pipeline: Option<PipelineId>,
    /// Only of this run; needs a pipeline.
    pub run: Option<RunNumber>,
    /// Only of these types, as [`gofer_types::EventKind::as_str`] names them; empty means all.
    pub types: Vec<String>,
}

/// Which part of the event log is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventRange {
    /// The first entry; 0 means the beginning.
    pub from_seq: u64,
    /// Only what happened at or after this time.
    pub since: Option<Timestamp>,
    /// Whether the newest come first.
    pub newest_first: bool,
}

/// Some events, and how far the log was looked through for them.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPage {
    /// The events, in order.
    pub events: Vec<Event>,
    /// The entry up to which the log was looked through.
    pub seq: u64,
}

/// Events as they come.
pub type EventPages = BoxStream<'static, Result<EventPage>>;

/// How the engine stands.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineStatus {
    /// The ownership epoch.
    pub epoch: u64,
    /// How long the engine has been up.
    pub uptime: Span,
    /// Its backends.
    pub backends: Vec<BackendStatus>,
    /// Runs that wait.
    pub queued_runs: u64,
    /// Runs that run.
    pub running_runs: u64,
    /// Task runs that run.
    pub running_tasks: u64,
    /// How many task runs may run at once.
    pub max_running_tasks: u64,
    /// Runs that were set aside because their records cannot be used.
    pub quarantined_runs: u64,
    /// The newest entry of the event log.
    pub last_event: u64,
}

/// How one backend stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendStatus {
    /// `scheduler`, `storage` or `objects`.
    pub family: &'static str,
    /// What it says about itself.
    pub info: BackendInfo,
    /// Whether it is the default of its family.
    pub default: bool,
    /// What it can do, as words.
    pub capabilities: Vec<&'static str>,
    /// Whether it answered well; `None` if it was not asked.
    pub healthy: Option<bool>,
    /// What it answered, if not well.
    pub problem: String,
}
