//! The grammar: what can be typed. Nothing here does anything.
//!
//! A flag is here only if it works. What does not exist yet is refused by name in `not_yet`.

pub(crate) mod examples;
pub(crate) mod form;
pub(crate) mod not_yet;
pub(crate) mod resources;
pub(crate) mod usage;

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use gofer_types::{Namespace, Span};

use crate::output::Format;
use crate::output::style::{ColorChoice, TimeStyle};

const GLOBAL: &str = "Global options";

/// Runs short-lived jobs in containers, on the schedulers you already have.
#[derive(Debug, Parser)]
#[command(name = "gofer", version, max_term_width = 110, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command accepts.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The server, as HOST:PORT or a URL
    #[arg(long, global = true, env = "GOFER_ADDR", default_value = "127.0.0.1:7400", hide_env_values = true)]
    #[arg(value_name = "ADDRESS", help_heading = GLOBAL)]
    pub(crate) addr: String,
    /// The namespace where an address names none
    #[arg(short, long, global = true, env = "GOFER_NAMESPACE", hide_env_values = true, help_heading = GLOBAL)]
    pub(crate) namespace: Option<Namespace>,
    /// The form of the output
    #[arg(short, long, global = true, env = "GOFER_OUTPUT", default_value = "table", hide_env_values = true)]
    #[arg(value_enum, value_name = "FORM", help_heading = GLOBAL)]
    pub(crate) output: Format,
    /// JSON, or with =a,b only these fields of it
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "*")]
    #[arg(value_name = "FIELDS", help_heading = GLOBAL)]
    pub(crate) json: Option<String>,
    /// Tables without headers
    #[arg(long, global = true, help_heading = GLOBAL, hide_short_help = true)]
    pub(crate) no_headers: bool,
    /// When to use colour (also: NO_COLOR, CLICOLOR_FORCE)
    #[arg(long, global = true, env = "GOFER_COLOR", default_value = "auto", hide_env_values = true)]
    #[arg(value_enum, value_name = "WHEN", help_heading = GLOBAL, hide_short_help = true)]
    pub(crate) color: ColorChoice,
    /// Say nothing but data and errors
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub(crate) quiet: bool,
    /// Answer yes to every question
    #[arg(short, long, global = true, env = "GOFER_YES", hide_env_values = true, help_heading = GLOBAL)]
    #[arg(action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub(crate) yes: bool,
    /// Never ask; also when CI is set
    #[arg(long, global = true, env = "GOFER_NO_INPUT", hide_env_values = true, help_heading = GLOBAL)]
    #[arg(action = ArgAction::SetTrue, value_parser = FalseyValueParser::new(), hide_short_help = true)]
    pub(crate) no_input: bool,
    /// How long one request may take [default: 30s]; for `wait`, the whole waiting [default: no limit]
    #[arg(long, global = true, env = "GOFER_TIMEOUT", hide_env_values = true, value_name = "DURATION")]
    #[arg(help_heading = GLOBAL, hide_short_help = true)]
    pub(crate) timeout: Option<Span>,
    /// How times are written [default: human on a terminal, else iso]
    #[arg(long, global = true, env = "GOFER_TIME", hide_env_values = true, value_enum, value_name = "STYLE")]
    #[arg(help_heading = GLOBAL, hide_short_help = true)]
    pub(crate) time: Option<TimeStyle>,
    /// Whether next commands are suggested
    #[arg(long, global = true, env = "GOFER_HINTS", default_value = "auto", hide_env_values = true)]
    #[arg(value_enum, value_name = "WHEN", help_heading = GLOBAL, hide_short_help = true)]
    pub(crate) hints: Hints,
}

/// Whether next commands are suggested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Hints {
    /// On standard error, for people.
    Auto,
    /// Never.
    Off,
}

/// Everything that gofer does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a pipeline file to start from
    Init(Init),
    /// Run a pipeline file here, without a server
    Local(Local),
    /// A server for development: applies pipeline files when they are saved
    Dev(Dev),
    /// Register a pipeline file: validate, show what changes, ask
    Up(Up),
    /// Start a run; on a terminal follow it
    Start(Start),
    /// Show how the tasks of a run go, until it ends
    Watch(RunReference),
    /// Show the output of a run's tasks
    Logs(Logs),
    /// Wait for the end of a run
    Wait(RunReference),
    /// Ask a run to end
    Cancel(Cancel),
    /// List the runs that have not ended: `run list --active`
    Ps(resources::RunFilter),
    /// How the server does
    Status(Status),
    /// Pipelines and their versions
    #[command(subcommand)]
    Pipeline(resources::Pipeline),
    /// Runs
    #[command(subcommand)]
    Run(resources::Run),
    /// Tasks of a run
    #[command(subcommand)]
    Task(resources::Task),
    /// What happened
    #[command(subcommand)]
    Event(resources::Event),
    /// Namespaces
    #[command(subcommand)]
    Namespace(resources::Namespace),
    /// The server itself
    #[command(subcommand)]
    Server(Server),
    /// Find what is wrong with this machine, the server and its backends
    Doctor(Doctor),
    /// Explain the code of an error, or a state
    Explain(Explain),
    /// Print the completion script of a shell
    Completion(Completion),
    /// The version of this program
    Version,
}

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
    /// The best one that there is: processes.
    Auto,
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

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Ask each backend now
    #[arg(long)]
    pub(crate) check: bool,
}

/// The server itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Server {
    /// Serve until told to stop
    Start(ServerStart),
    /// The configuration of a server; needs none running
    #[command(subcommand)]
    Config(ServerConfig),
    /// Whether the server answers and its backends do
    Health,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration, in TOML
    #[arg(long, env = "GOFER_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A value that beats the file and the environment
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ServerStart {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// Where to listen; the same as --set server.listen=ADDRESS
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Where the data are; the same as --set server.data_dir=DIR
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// The configuration of a server.
#[derive(Debug, Subcommand)]
pub(crate) enum ServerConfig {
    /// Check it and say everything that is wrong
    Check(ConfigFile),
    /// Print it as the server would use it
    Show(ConfigShow),
}

#[derive(Debug, Args)]
pub(crate) struct ConfigShow {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// Say where each value comes from
    #[arg(long)]
    pub(crate) sources: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A code such as E0101, or a state such as timed_out; without it, the list of both
    pub(crate) topic: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Which part of a list.
#[derive(Debug, Clone, Args)]
pub(crate) struct Paging {
    /// At most so many, from 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// Go on where a page before ended
    #[arg(long, value_name = "TOKEN", conflicts_with = "all")]
    pub(crate) page_token: Option<String>,
    /// All of them
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

/// The whole grammar, with its examples, and with `-v` where it is not taken by `--var`.
pub(crate) fn grammar() -> clap::Command {
    examples::attach(with_verbose(Cli::command()), "gofer")
}

/// The number of times that `-v` or `--verbose` was given, at any level.
pub(crate) fn verbosity(matches: &clap::ArgMatches) -> u8 {
    let own = matches.get_count(VERBOSE);
    matches.subcommand().map_or(own, |(_, inner)| own.saturating_add(verbosity(inner)))
}

const VERBOSE: &str = "verbose";

fn with_verbose(command: clap::Command) -> clap::Command {
    let taken = command.get_arguments().any(|arg| arg.get_short() == Some('v'));
    let arg = clap::Arg::new(VERBOSE)
        .long("verbose")
        .action(ArgAction::Count)
        .help("Say more, such as what lies behind an error")
        .help_heading(GLOBAL);
    let arg = if taken { arg } else { arg.short('v') };
    command.arg(arg).mut_subcommands(with_verbose)
}
