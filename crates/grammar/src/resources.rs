//! The grammar of the nouns: every noun has the same verbs.
#![expect(rustdoc::broken_intra_doc_links, reason = "what stands in brackets in a help text may be left out")]

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gofer_types::RunState;

use crate::{Approve, Cancel, Logs, Paging, Pair, Retry, RunReference, Start, Subject, TaskReference, Up};

/// Pipelines and their versions.
#[derive(Debug, Subcommand)]
pub enum Pipeline {
    /// List pipelines
    #[command(visible_alias = "ls")]
    List(Paging),
    /// Show one pipeline, or with @VERSION one version of it
    Get(PipelineReference),
    /// Register a pipeline file; the same as `gofer up`
    Apply(Up),
    /// Show what registering a file would change
    Plan(Plan),
    /// Check a file, without a server
    Validate(PipelineFile),
    /// Show the graph of a pipeline, or of a file
    Graph(Graph),
    /// Show what differs between two versions
    Diff(Diff),
    /// List the versions of a pipeline, newest first
    Versions(Versions),
    /// Let new runs start
    Enable(PipelineReference),
    /// Let no new runs start; running ones go on
    Disable(PipelineReference),
    /// Delete a pipeline with its versions, runs and logs
    #[command(visible_alias = "rm")]
    Delete(PipelineReference),
    /// Print a version in the pipeline language, as JSON
    Export(PipelineReference),
}

/// The address of a pipeline.
#[derive(Debug, Args)]
pub struct PipelineReference {
    /// The pipeline, as [NAMESPACE::]PIPELINE
    #[arg(value_name = "PIPELINE")]
    pub pipeline: String,
}

/// A pipeline file on this machine.
#[derive(Debug, Args)]
pub struct PipelineFile {
    /// A pipeline file, or a directory with a pipeline.hcl or pipeline.json
    #[arg(default_value = ".")]
    pub path: PathBuf,
}

/// What `pipeline plan` accepts.
#[derive(Debug, Args)]
pub struct Plan {
    /// The file.
    #[command(flatten)]
    pub file: PipelineFile,
    /// Exit with 20 if there are changes
    #[arg(long)]
    pub exit_code: bool,
}

/// What `pipeline graph` accepts.
#[derive(Debug, Args)]
pub struct Graph {
    /// The pipeline, as [NAMESPACE::]PIPELINE[@VERSION]
    #[arg(value_name = "PIPELINE", required_unless_present = "file")]
    pub pipeline: Option<String>,
    /// A file instead; needs no server
    #[arg(long, value_name = "FILE", conflicts_with = "pipeline")]
    pub file: Option<PathBuf>,
}

/// What `pipeline diff` accepts.
#[derive(Debug, Args)]
pub struct Diff {
    /// The older version, as PIPELINE@VERSION
    pub from: String,
    /// The newer version, as PIPELINE[@VERSION]
    pub to: String,
}

/// What `pipeline versions` accepts.
#[derive(Debug, Args)]
pub struct Versions {
    /// The pipeline.
    #[command(flatten)]
    pub pipeline: PipelineReference,
    /// Which part of the list.
    #[command(flatten)]
    pub paging: Paging,
}

/// Runs.
#[derive(Debug, Subcommand)]
pub enum Run {
    /// List runs, newest first
    #[command(visible_alias = "ls")]
    List(RunList),
    /// Show one run with its tasks
    Get(RunReference),
    /// Start a run; the same as `gofer start`
    Start(Start),
    /// Show how a run goes; the same as `gofer watch`
    Watch(RunReference),
    /// Show its output; the same as `gofer logs`
    Logs(Logs),
    /// Wait for its end; the same as `gofer wait`
    Wait(RunReference),
    /// Ask runs to end; the same as `gofer cancel`
    Cancel(Cancel),
    /// Repeat one that has ended; the same as `gofer retry`
    Retry(Retry),
    /// Tell why it and its tasks are where they are, and what to do
    Explain(Subject),
    /// Answer a task that waits for an approval: yes, or with --reject no
    Approve(Approve),
}

/// What `run list` accepts.
#[derive(Debug, Args)]
pub struct RunList {
    /// Which of them.
    #[command(flatten)]
    pub filter: RunFilter,
    /// Only runs that have not ended
    #[arg(long)]
    pub active: bool,
}

/// Which runs of all: what `ps` and `run list` accept.
#[derive(Debug, Args)]
pub struct RunFilter {
    /// Only of this pipeline
    #[arg(value_name = "PIPELINE")]
    pub pipeline: Option<String>,
    /// Only in this state (repeatable)
    #[arg(long, value_name = "STATE")]
    pub state: Vec<RunState>,
    /// Only with this label (repeatable: with all of them)
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<Pair>,
    /// Which part of the list.
    #[command(flatten)]
    pub paging: Paging,
}

/// Tasks of a run.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// List the tasks of a run, in the order of the file
    #[command(visible_alias = "ls")]
    List(TaskList),
    /// Show one task with its attempts
    Get(TaskReference),
    /// Show its output; the same as `gofer logs`
    Logs(Logs),
}

/// What `task list` accepts.
#[derive(Debug, Args)]
pub struct TaskList {
    /// The run.
    #[command(flatten)]
    pub run: RunReference,
    /// Which part of the list.
    #[command(flatten)]
    pub paging: Paging,
}

/// What happened.
#[derive(Debug, Subcommand)]
pub enum Event {
    /// List events, oldest first
    #[command(visible_alias = "ls")]
    List(EventList),
    /// Print events as they come
    Follow(EventFollow),
}

/// Which events of all.
#[derive(Debug, Args)]
pub struct EventFilter {
    /// Only of this pipeline or run, as PIPELINE[/RUN]
    #[arg(value_name = "REF", allow_hyphen_values = true)]
    pub reference: Option<String>,
    /// Only of this type (repeatable)
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// From this place in the log on
    #[arg(long, value_name = "SEQ")]
    pub since_seq: Option<u64>,
}

/// What `event list` accepts.
#[derive(Debug, Args)]
pub struct EventList {
    /// Which of them.
    #[command(flatten)]
    pub filter: EventFilter,
    /// Only since a time (RFC 3339) or for so long (10m)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Newest first
    #[arg(long)]
    pub newest: bool,
    /// Which part of the list.
    #[command(flatten)]
    pub paging: Paging,
}

/// What `event follow` accepts.
#[derive(Debug, Args)]
pub struct EventFollow {
    /// Which of them.
    #[command(flatten)]
    pub filter: EventFilter,
}

/// Namespaces.
#[derive(Debug, Subcommand)]
pub enum Namespace {
    /// List namespaces
    #[command(visible_alias = "ls")]
    List(Paging),
    /// Show one namespace
    Get(NamespaceName),
    /// Create a namespace
    Create(NamespaceText),
    /// Change the description of a namespace
    Update(NamespaceText),
    /// Delete a namespace that holds no pipeline
    #[command(visible_alias = "rm")]
    Delete(NamespaceName),
}

/// The name of a namespace.
#[derive(Debug, Args)]
pub struct NamespaceName {
    /// Its name
    pub name: gofer_types::Namespace,
}

/// A namespace as somebody describes it.
#[derive(Debug, Args)]
pub struct NamespaceText {
    /// Its name
    pub name: gofer_types::Namespace,
    /// A description for people
    #[arg(long, default_value = "", hide_default_value = true)]
    pub description: String,
}
