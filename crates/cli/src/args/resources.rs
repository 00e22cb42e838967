//! The grammar of the nouns: every noun has the same verbs.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gofer_types::RunState;

use super::{Cancel, Logs, Paging, RunReference, Start, TaskReference, Up};

/// Pipelines and their versions.
#[derive(Debug, Subcommand)]
pub(crate) enum Pipeline {
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

#[derive(Debug, Args)]
pub(crate) struct PipelineReference {
    /// The pipeline, as [NAMESPACE::]PIPELINE
    #[arg(value_name = "PIPELINE")]
    pub(crate) pipeline: String,
}

#[derive(Debug, Args)]
pub(crate) struct PipelineFile {
    /// A pipeline file, or a directory with a pipeline.hcl or pipeline.json
    #[arg(default_value = ".")]
    pub(crate) path: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) file: PipelineFile,
    /// Exit with 20 if there are changes
    #[arg(long)]
    pub(crate) exit_code: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// The pipeline, as [NAMESPACE::]PIPELINE[@VERSION]
    #[arg(value_name = "PIPELINE", required_unless_present = "file")]
    pub(crate) pipeline: Option<String>,
    /// A file instead; needs no server
    #[arg(long, value_name = "FILE", conflicts_with = "pipeline")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The older version, as PIPELINE@VERSION
    pub(crate) from: String,
    /// The newer version, as PIPELINE[@VERSION]
    pub(crate) to: String,
}

#[derive(Debug, Args)]
pub(crate) struct Versions {
    #[command(flatten)]
    pub(crate) pipeline: PipelineReference,
    #[command(flatten)]
    pub(crate) paging: Paging,
}

/// Runs.
#[derive(Debug, Subcommand)]
pub(crate) enum Run {
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
    /// Ask it to end; the same as `gofer cancel`
    Cancel(Cancel),
}

#[derive(Debug, Args)]
pub(crate) struct RunList {
    #[command(flatten)]
    pub(crate) filter: RunFilter,
    /// Only runs that have not ended
    #[arg(long)]
    pub(crate) active: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunFilter {
    /// Only of this pipeline
    #[arg(value_name = "PIPELINE")]
    pub(crate) pipeline: Option<String>,
    /// Only in this state (repeatable)
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Vec<RunState>,
    #[command(flatten)]
    pub(crate) paging: Paging,
}

/// Tasks of a run.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// List the tasks of a run, in the order of the file
    #[command(visible_alias = "ls")]
    List(TaskList),
    /// Show one task with its attempts
    Get(TaskReference),
    /// Show its output; the same as `gofer logs`
    Logs(Logs),
}

#[derive(Debug, Args)]
pub(crate) struct TaskList {
    #[command(flatten)]
    pub(crate) run: RunReference,
    #[command(flatten)]
    pub(crate) paging: Paging,
}

/// What happened.
#[derive(Debug, Subcommand)]
pub(crate) enum Event {
    /// List events, oldest first
    #[command(visible_alias = "ls")]
    List(EventList),
    /// Print events as they come
    Follow(EventFollow),
}

#[derive(Debug, Args)]
pub(crate) struct EventFilter {
    /// Only of this pipeline or run, as PIPELINE[/RUN]
    #[arg(value_name = "REF", allow_hyphen_values = true)]
    pub(crate) reference: Option<String>,
    /// Only of this type (repeatable)
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// From this place in the log on
    #[arg(long, value_name = "SEQ")]
    pub(crate) since_seq: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct EventList {
    #[command(flatten)]
    pub(crate) filter: EventFilter,
    /// Only since a time (RFC 3339) or for so long (10m)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Newest first
    #[arg(long)]
    pub(crate) newest: bool,
    #[command(flatten)]
    pub(crate) paging: Paging,
}

#[derive(Debug, Args)]
pub(crate) struct EventFollow {
    #[command(flatten)]
    pub(crate) filter: EventFilter,
}

/// Namespaces.
#[derive(Debug, Subcommand)]
pub(crate) enum Namespace {
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

#[derive(Debug, Args)]
pub(crate) struct NamespaceName {
    /// Its name
    pub(crate) name: gofer_types::Namespace,
}

#[derive(Debug, Args)]
pub(crate) struct NamespaceText {
    /// Its name
    pub(crate) name: gofer_types::Namespace,
    /// A description for people
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) description: String,
}
