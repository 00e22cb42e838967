//! The arguments and answers of the engine's public calls: plain data, nothing that decides.

use std::collections::BTreeMap;

use futures_util::stream::BoxStream;
use gofer_backend::BackendInfo;
use gofer_logs::{LogEntry, StreamKind};
use gofer_types::{
    Actor, AttemptId, Event, ImageState, Namespace, Pipeline, PipelineId, PipelineRecord, PipelineRef,
    RunNumber, RunRecord, RunState, Span, TaskId, TaskRef, TaskRunRecord, Timestamp, VersionNumber,
    VersionRecord,
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
}

/// A durable run.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The run.
    pub run: RunRecord,
    /// Whether an earlier start with the same idempotency key had made it.
    pub existing: bool,
}

/// Which runs are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only of this namespace.
    pub namespace: Option<Namespace>,
    /// Only of this pipeline; without a namespace the default one is meant.
    pub pipeline: Option<PipelineId>,
    /// Only in one of these states; empty means all.
    pub states: Vec<RunState>,
    /// Only runs that have not ended.
    pub active: bool,
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

/// What is told of an image that is being fetched, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageNews {
    /// For which task run.
    pub task: TaskRef,
    /// For which attempt of it.
    pub attempt: AttemptId,
    /// The image, as the author named it.
    pub image: String,
    /// The bytes that are there.
    pub done: u64,
    /// The bytes of all parts whose size is known so far.
    pub total: u64,
    /// How far it is.
    pub state: ImageState,
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
    /// `scheduler` or `storage`.
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
