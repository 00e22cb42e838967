//! The grammar of the everyday commands.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gofer_types::Span;

/// The variables of a run.
#[derive(Debug, Args)]
pub(crate) struct Variables {
    /// A variable of the run
    #[arg(short = 'v', long = "var", value_name = "NAME=VALUE")]
    pub(crate) var: Vec<String>,
    /// A file of variables: lines NAME=VALUE, or one JSON object
    #[arg(long, value_name = "FILE")]
    pub(crate) var_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where to
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value = "hello")]
    pub(crate) template: Template,
    /// Show the templates and write nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// Overwrite files that are there
    #[arg(long)]
    pub(crate) force: bool,
}

/// A pipeline to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// Three tasks, one after another.
    Hello,
    /// Branches, one that is taken on failure and one that is skipped.
    Dag,
}

#[derive(Debug, Args)]
pub(crate) struct Local {
    /// A pipeline file, or a directory with a pipeline.hcl or pipeline.json
    #[arg(default_value = ".")]
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) variables: Variables,
    /// What runs the tasks
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) scheduler: Scheduler,
    /// Keep the records and logs, and say where
    #[arg(long)]
    pub(crate) keep: bool,
}

/// What runs the tasks of `local` and `dev`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scheduler {
    /// Containers if a Docker engine answers (for `local`: and every task names an image), else processes.
    Auto,
    /// Containers of a Docker engine.
    Docker,
    /// Processes of this machine.
    Process,
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// The directory whose pipeline files are applied
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// The port on loopback; 0 means any free one
    #[arg(long, default_value_t = 7400)]
    pub(crate) port: u16,
    /// Where the data are kept [default: DIR/.gofer/dev]
    #[arg(long, value_name = "DIR", conflicts_with = "ephemeral")]
    pub(crate) data: Option<PathBuf>,
    /// Forget everything at the end
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// What runs the tasks
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) scheduler: Scheduler,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// A pipeline file, or a directory with a pipeline.hcl or pipeline.json
    #[arg(default_value = ".")]
    pub(crate) path: PathBuf,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub(crate) plan: bool,
    /// Start a run of the new version
    #[arg(long, conflicts_with = "plan")]
    pub(crate) start: bool,
    /// Follow that run; the default on a terminal
    #[arg(long, requires = "start")]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Start {
    /// The pipeline, as [NAMESPACE::]PIPELINE[@VERSION]
    pub(crate) pipeline: String,
    #[command(flatten)]
    pub(crate) variables: Variables,
    /// Do not follow; the default off a terminal
    #[arg(long, conflicts_with = "follow")]
    pub(crate) detach: bool,
    /// Follow to the end; the default on a terminal
    #[arg(long)]
    pub(crate) follow: bool,
    /// Wait so long for the end, without output
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["detach", "follow"])]
    pub(crate) wait: Option<Span>,
    /// A key under which a repeated start finds the first run
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunReference {
    /// The run, as PIPELINE/RUN; RUN is a number, latest or latest-failed; - is your last one
    #[arg(value_name = "REF", allow_hyphen_values = true)]
    pub(crate) reference: String,
}

#[derive(Debug, Args)]
pub(crate) struct TaskReference {
    /// The task, as PIPELINE/RUN/TASK
    #[arg(value_name = "REF", allow_hyphen_values = true)]
    pub(crate) reference: String,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The run, task or attempt, as PIPELINE/RUN[/TASK[#ATTEMPT]]
    #[arg(value_name = "REF", allow_hyphen_values = true)]
    pub(crate) reference: String,
    /// Go on until the run has ended, and exit as it did
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only this task (repeatable)
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Vec<String>,
    /// Only tasks that failed, errored, were lost or timed out
    #[arg(long)]
    pub(crate) failed: bool,
    /// Only this attempt
    #[arg(long, value_name = "N")]
    pub(crate) attempt: Option<u32>,
    /// Only this stream
    #[arg(long, value_enum, default_value = "both")]
    pub(crate) stream: Stream,
    /// Only the last N lines of each task
    #[arg(long, value_name = "N")]
    pub(crate) tail: Option<u32>,
    /// Only since a time (RFC 3339) or for so long (10m)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only until a time (RFC 3339) or so long ago (10m)
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Show when each line was written
    #[arg(short = 't', long)]
    pub(crate) timestamps: bool,
    /// Lines without the name of their task
    #[arg(long)]
    pub(crate) no_prefix: bool,
    /// Every byte as the task wrote it, also what could steer the terminal
    #[arg(long, conflicts_with_all = ["timestamps", "no_prefix"])]
    pub(crate) raw: bool,
}

/// The streams of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// Both.
    Both,
}

#[derive(Debug, Args)]
pub(crate) struct Cancel {
    #[command(flatten)]
    pub(crate) run: RunReference,
    /// Why, for people
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
    /// Kill running tasks at once
    #[arg(long)]
    pub(crate) force: bool,
}
