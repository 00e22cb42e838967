//! The grammar of the whole program: its commands, what all of them accept, and how often `-v` was given.

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use gofer_output::Format;
use gofer_output::style::{ColorChoice, TimeStyle};
use gofer_types::{Namespace, Span};

use crate::everyday::{Cancel, Dev, Init, Local, Logs, Retry, RunReference, Start, Up};
use crate::objects::Object;
use crate::server::{Backend, Completion, Doctor, Explain, Server, Status};
use crate::{examples, resources};

const GLOBAL: &str = "Global options";

/// Its help, without lines between what it is, how it is used and what it has: so many commands fill a screen.
const HELP: &str = "{about-with-newline}{usage-heading} {usage}\n{all-args}{after-help}";

/// Runs short-lived jobs in containers, on the schedulers you already have.
#[derive(Debug, Parser)]
#[command(name = "gofer", version, max_term_width = 110, arg_required_else_help = true)]
#[command(disable_version_flag = true, help_template = HELP)]
pub(crate) struct Cli {
    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version, hide_short_help = true)]
    version: Option<bool>,
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command accepts.
#[derive(Debug, Args)]
pub struct Global {
    /// The server: HOST:PORT
    #[arg(long, global = true, env = "GOFER_ADDR", default_value = "127.0.0.1:7400", hide_env_values = true)]
    #[arg(value_name = "ADDRESS", help_heading = GLOBAL)]
    pub addr: String,
    /// The namespace where an address names none
    #[arg(short, long, global = true, env = "GOFER_NAMESPACE", hide_env_values = true, help_heading = GLOBAL)]
    pub namespace: Option<Namespace>,
    /// table, json, jsonl, name or none
    #[arg(short, long, global = true, env = "GOFER_OUTPUT", default_value = "table", hide_env_values = true)]
    #[arg(value_enum, value_name = "FORM", help_heading = GLOBAL, hide_possible_values = true)]
    pub output: Format,
    /// JSON, or with =a,b only these fields of it
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "*")]
    #[arg(value_name = "FIELDS", help_heading = GLOBAL, hide_short_help = true)]
    pub json: Option<String>,
    /// Tables without headers
    #[arg(long, global = true, help_heading = GLOBAL, hide_short_help = true)]
    pub no_headers: bool,
    /// When to use colour (also: NO_COLOR, CLICOLOR_FORCE)
    #[arg(long, global = true, env = "GOFER_COLOR", default_value = "auto", hide_env_values = true)]
    #[arg(value_enum, value_name = "WHEN", help_heading = GLOBAL, hide_short_help = true)]
    pub color: ColorChoice,
    /// Say nothing but data and errors
    #[arg(short, long, global = true, help_heading = GLOBAL, hide_short_help = true)]
    pub quiet: bool,
    /// Answer yes to every question
    #[arg(short, long, global = true, env = "GOFER_YES", hide_env_values = true, help_heading = GLOBAL)]
    #[arg(action = ArgAction::SetTrue, value_parser = FalseyValueParser::new(), hide_short_help = true)]
    pub yes: bool,
    /// Never ask; also when CI is set
    #[arg(long, global = true, env = "GOFER_NO_INPUT", hide_env_values = true, help_heading = GLOBAL)]
    #[arg(action = ArgAction::SetTrue, value_parser = FalseyValueParser::new(), hide_short_help = true)]
    pub no_input: bool,
    /// How long one request may take [default: 30s]; for `wait`, the whole waiting [default: no limit]
    #[arg(long, global = true, env = "GOFER_TIMEOUT", hide_env_values = true, value_name = "DURATION")]
    #[arg(help_heading = GLOBAL, hide_short_help = true)]
    pub timeout: Option<Span>,
    /// How times are written [default: human on a terminal, else iso]
    #[arg(long, global = true, env = "GOFER_TIME", hide_env_values = true, value_enum, value_name = "STYLE")]
    #[arg(help_heading = GLOBAL, hide_short_help = true)]
    pub time: Option<TimeStyle>,
    /// Whether next commands are suggested
    #[arg(long, global = true, env = "GOFER_HINTS", default_value = "auto", hide_env_values = true)]
    #[arg(value_enum, value_name = "WHEN", help_heading = GLOBAL, hide_short_help = true)]
    pub hints: Hints,
}

/// Whether next commands are suggested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Hints {
    /// On standard error, for people.
    Auto,
    /// Never.
    Off,
}

/// Everything that gofer does.
#[derive(Debug, Subcommand)]
pub enum Command {
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
    /// Ask runs to end
    Cancel(Cancel),
    /// Repeat a run that has ended: all of it, or what did not succeed
    Retry(Retry),
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
    /// Objects: bytes under a key, of a pipeline or of a run
    #[command(subcommand)]
    Object(Object),
    /// What happened
    #[command(subcommand)]
    Event(resources::Event),
    /// Namespaces
    #[command(subcommand)]
    Namespace(resources::Namespace),
    /// The server itself
    #[command(subcommand)]
    Server(Server),
    /// What stands behind a server
    #[command(subcommand)]
    Backend(Backend),
    /// Find what is wrong with this machine, the server and its backends
    Doctor(Doctor),
    /// Explain the code of an error, or a state
    Explain(Explain),
    /// Print the completion script of a shell
    Completion(Completion),
    /// The version of this program
    Version,
}

/// How many things a page has where nobody says how many.
const PAGE: u32 = 30;

/// Which part of a list.
#[derive(Debug, Clone, Args)]
pub struct Paging {
    /// At most so many, from 1 to 1000
    #[arg(long, value_name = "N", default_value_t = PAGE, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Go on where a page before ended
    #[arg(long, value_name = "TOKEN", conflicts_with = "all")]
    pub page_token: Option<String>,
    /// All of them
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
}

impl Paging {
    /// The flag for pages of this size, behind a space; empty where it is not needed.
    #[must_use]
    pub fn size_flag(&self) -> String {
        if self.limit == PAGE { String::new() } else { format!(" --limit {}", self.limit) }
    }
}

/// The whole grammar, with its examples, and with `-v` where it is not taken by `--var`.
pub(crate) fn grammar() -> clap::Command {
    examples::attach(with_verbose(Cli::command()), "")
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
        .hide_short_help(true)
        .help_heading(GLOBAL);
    let arg = if taken { arg } else { arg.short('v') };
    command.arg(arg).mut_subcommands(with_verbose)
}
