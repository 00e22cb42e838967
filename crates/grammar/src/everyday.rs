//! The grammar of the everyday commands.
#![expect(rustdoc::broken_intra_doc_links, reason = "what stands in brackets in a help text may be left out")]

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};
use gofer_types::Span;

use crate::pair::Pair;

/// The variables of a run.
#[derive(Debug, Default, Args)]
pub struct Variables {
    /// A variable of the run
    #[arg(short = 'v', long = "var", value_name = "NAME=VALUE")]
    pub var: Vec<String>,
    /// A file of them: lines NAME=VALUE, JSON or TOML; - is standard input
    #[arg(long, value_name = "FILE")]
    pub var_file: Option<PathBuf>,
}

/// Which tasks a run executes, and from which images.
#[derive(Debug, Default, Args)]
#[command(group = ArgGroup::new("chosen").args(["only", "from"]).multiple(true))]
pub struct Choice {
    /// Only this task (repeatable)
    #[arg(long, value_name = "TASK")]
    pub only: Vec<String>,
    /// Only this task and all that depend on it (repeatable)
    #[arg(long, value_name = "TASK")]
    pub from: Vec<String>,
    /// And all that the chosen tasks need
    #[arg(long, requires = "chosen")]
    pub with_parents: bool,
    /// Another image for a task (repeatable)
    #[arg(long, value_name = "TASK=IMAGE")]
    pub image: Vec<Pair>,
}

/// Whether somebody attends a run that was started.
#[derive(Debug, Default, Args)]
pub struct Attend {
    /// Do not follow; the default off a terminal
    #[arg(long, conflicts_with = "follow")]
    pub detach: bool,
    /// Follow to the end; the default on a terminal
    #[arg(long)]
    pub follow: bool,
    /// Wait so long for the end, without output
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["detach", "follow"])]
    pub wait: Option<Span>,
    /// A key under which a repeated start finds the first run
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
}

/// What `init` accepts.
#[derive(Debug, Args)]
pub struct Init {
    /// Where to
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value = "hello")]
    pub template: Template,
    /// Show the templates and write nothing
    #[arg(long)]
    pub list: bool,
    /// Overwrite files that are there
    #[arg(long)]
    pub force: bool,
}

/// A pipeline to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Template {
    /// Three tasks, one after another.
    Hello,
    /// Branches, one that is taken on failure and one that is skipped.
    Dag,
}

/// What `local` accepts.
#[derive(Debug, Args)]
pub struct Local {
    /// A pipeline file, or a directory with a pipeline.hcl or pipeline.json
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// The variables of the run.
    #[command(flatten)]
    pub variables: Variables,
    /// Its tasks.
    #[command(flatten)]
    pub choice: Choice,
    /// What runs the tasks
    #[arg(long, value_enum, default_value = "auto")]
    pub scheduler: Scheduler,
    /// Keep the records and logs, and say where
    #[arg(long)]
    pub keep: bool,
}

/// What runs the tasks of `local` and `dev`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scheduler {
    /// Containers if a Docker engine answers (for `local`: and every task names an image), else processes.
    Auto,
    /// Containers of a Docker engine.
    Docker,
    /// Processes of this machine.
    Process,
}

/// What `dev` accepts.
#[derive(Debug, Args)]
pub struct Dev {
    /// The directory whose pipeline files are applied
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// The port on loopback; 0 means any free one
    #[arg(long, default_value_t = 7400)]
    pub port: u16,
    /// Where the data are kept [default: DIR/.gofer/dev]
    #[arg(long, value_name = "DIR", conflicts_with = "ephemeral")]
    pub data: Option<PathBuf>,
    /// Forget everything at the end
    #[arg(long)]
    pub ephemeral: bool,
    /// What runs the tasks
    #[arg(long, value_enum, default_value = "auto")]
    pub scheduler: Scheduler,
}

/// What `up` and `pipeline apply` accept.
#[derive(Debug, Args)]
pub struct Up {
    /// A pipeline file, or a directory with a pipeline.hcl or pipeline.json
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub plan: bool,
    /// Start a run of the new version
    #[arg(long, conflicts_with = "plan")]
    pub start: bool,
    /// Follow that run; the default on a terminal
    #[arg(long, requires = "start")]
    pub follow: bool,
}

/// What `start` and `run start` accept.
#[derive(Debug, Args)]
pub struct Start {
    /// The pipeline, as [NAMESPACE::]PIPELINE[@VERSION]
    pub pipeline: String,
    /// The variables of the run.
    #[command(flatten)]
    pub variables: Variables,
    /// Its tasks.
    #[command(flatten)]
    pub choice: Choice,
    /// A label of the run, beside those of the pipeline (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<Pair>,
    /// How urgent it is among runs that wait: -10 to 10, greater first
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    #[arg(allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-10..=10))]
    pub priority: i32,
    /// Who attends it.
    #[command(flatten)]
    pub attend: Attend,
}

/// What `retry` and `run retry` accept.
#[derive(Debug, Args)]
pub struct Retry {
    /// The run.
    #[command(flatten)]
    pub run: RunReference,
    /// Only what did not succeed, and what depends on it
    #[arg(long, conflicts_with_all = ["from", "all"])]
    pub from_failed: bool,
    /// Only this task, what depends on it, and what did not succeed (repeatable)
    #[arg(long, value_name = "TASK", conflicts_with = "all")]
    pub from: Vec<String>,
    /// All of it; the default
    #[arg(long)]
    pub all: bool,
    /// Who attends it.
    #[command(flatten)]
    pub attend: Attend,
}

/// What `run approve` accepts.
#[derive(Debug, Args)]
pub struct Approve {
    /// The task.
    #[command(flatten)]
    pub task: TaskReference,
    /// Say no: the task fails, and what needs its success is skipped
    #[arg(long)]
    pub reject: bool,
    /// What is said about it, for people
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub note: String,
    /// A field that the approval asks for (repeatable)
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "reject")]
    pub field: Vec<Pair>,
}

/// The address of a run, or of a task in it.
#[derive(Debug, Args)]
pub struct Subject {
    /// The run, or one task of it, as PIPELINE/RUN[/TASK]
    #[arg(value_name = "REF", allow_hyphen_values = true)]
    pub reference: String,
}

/// The address of a run.
#[derive(Debug, Args)]
pub struct RunReference {
    /// The run, as PIPELINE/RUN; RUN is a number, latest or latest-failed; - is your last one
    #[arg(value_name = "REF", allow_hyphen_values = true)]
    pub reference: String,
}

/// The address of a task run.
#[derive(Debug, Args)]
pub struct TaskReference {
    /// The task, as PIPELINE/RUN/TASK
    #[arg(value_name = "REF", allow_hyphen_values = true)]
    pub reference: String,
}

/// What `logs` accepts, also of runs and tasks.
#[derive(Debug, Args)]
pub struct Logs {
    /// The run, task or attempt, as PIPELINE/RUN[/TASK[#ATTEMPT]]
    #[arg(value_name = "REF", allow_hyphen_values = true)]
    pub reference: String,
    /// Go on until the run has ended, and exit as it did
    #[arg(short, long)]
    pub follow: bool,
    /// Only this task (repeatable)
    #[arg(long, value_name = "TASK")]
    pub task: Vec<String>,
    /// Only tasks that failed, errored, were lost or timed out
    #[arg(long)]
    pub failed: bool,
    /// Only this attempt
    #[arg(long, value_name = "N")]
    pub attempt: Option<u32>,
    /// Only this stream
    #[arg(long, value_enum, default_value = "both")]
    pub stream: Stream,
    /// Only the last N lines of each task
    #[arg(long, value_name = "N")]
    pub tail: Option<u32>,
    /// Only since a time (RFC 3339) or for so long (10m)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only until a time (RFC 3339) or so long ago (10m)
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Show when each line was written
    #[arg(short = 't', long)]
    pub timestamps: bool,
    /// Lines without the name of their task
    #[arg(long)]
    pub no_prefix: bool,
    /// Every byte as the task wrote it, also what could steer the terminal
    #[arg(long, conflicts_with_all = ["timestamps", "no_prefix"])]
    pub raw: bool,
    /// Delete the output of a run that has ended; asks before
    #[arg(long, conflicts_with_all = ["follow", "task", "failed", "attempt", "tail", "since"])]
    #[arg(conflicts_with_all = ["until", "timestamps", "no_prefix", "raw"])]
    pub delete: bool,
}

/// The streams of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// Both.
    Both,
}

/// What `cancel` and `run cancel` accept.
#[derive(Debug, Args)]
pub struct Cancel {
    /// A run, as PIPELINE/RUN; RUN is a number, latest or latest-failed; - is your last one
    #[arg(value_name = "REF", required = true)]
    pub references: Vec<String>,
    /// Why, for people
    #[arg(long, default_value = "", hide_default_value = true)]
    pub reason: String,
    /// Kill running tasks at once
    #[arg(long)]
    pub force: bool,
}
