//! The commands of gofer and what they print.
//!
//! - `args` is the grammar: what can be typed. `commands` is what it does.
//! - `gofer_output` is the one place that writes, and has the contract of errors and exits; `views` is the JSON contract.
//! - `follow` shows a run as it goes. `embedded` is the only place that knows the server.
//!
//! Nothing here decides anything about runs: the server does, also the one inside `gofer local`.

mod address;
mod args;
mod clock;
mod commands;
mod context;
mod embedded;
mod follow;
mod help;
mod language;
mod remote;
mod signals;
mod source;
mod views;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_output::style::{ColorChoice, Style, Surroundings};
use gofer_output::{Format, Ui, check_fields};

use args::usage::{self, Understood};
use args::{Cli, Command};
use context::Cx;

pub use gofer_server::shim_main;

/// Does what the command line says, and answers the exit code. Must be called within a tokio runtime.
pub async fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let around = Surroundings::of_this_process();
    ExitCode::from(obey(&args, &around).await.code())
}

async fn obey(args: &[OsString], around: &Surroundings) -> Exit {
    let early = early_ui(args, around);
    if let Some(topic) = help::asked(args) {
        return said(&early, early.bytes(topic.as_bytes()).map(|()| Exit::Ok));
    }
    let matches = match args::grammar().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => {
            return said(
                &early,
                match usage::explain(&error, args) {
                    Understood::Help(text) => early.bytes(text.as_bytes()).map(|()| Exit::Ok),
                    Understood::Mistake(failure) => Err(failure),
                },
            );
        }
    };
    match prepare(&matches, around) {
        Ok((cx, command)) => said(&cx.ui, commands::dispatch(&cx, command).await),
        Err(failure) => said(&early, Err(failure)),
    }
}

/// Everything that can be wrong before anything is done.
fn prepare(matches: &ArgMatches, around: &Surroundings) -> Result<(Cx, Command), Failure> {
    let cli = Cli::from_arg_matches(matches).map_err(|error| Failure::usage("E0002", error.to_string()))?;
    let asked = cli.global.json.is_some() || typed(matches, "output") && cli.global.output != Format::Table;
    let mut cx = Cx::new(cli.global, args::verbosity(matches), around)?;
    match (args::form::fields(&cli.command), &cx.ui.fields) {
        (None, _) if asked => {
            return Err(Failure::usage("E0005", "this command has only one form of output")
                .hint("leave out `--output` and `--json`"));
        }
        (None, _) => cx.ui.format = Format::Table,
        (Some(known), Some(fields)) => check_fields(fields, &known)?,
        (Some(_), None) => {}
    }
    Ok((cx, cli.command))
}

/// Whether a flag was typed, rather than set by the environment.
fn typed(matches: &ArgMatches, flag: &str) -> bool {
    let here = matches.value_source(flag) == Some(ValueSource::CommandLine);
    here || matches.subcommand().is_some_and(|(_, inner)| typed(inner, flag))
}

fn said(ui: &Ui, outcome: Result<Exit, Failure>) -> Exit {
    match outcome {
        Ok(exit) => exit,
        Err(failure) => {
            ui.fail(&failure);
            failure.exit
        }
    }
}

/// How mistakes are written before the command line was understood.
fn early_ui(args: &[OsString], around: &Surroundings) -> Ui {
    let style = Style::new(around, ColorChoice::Auto, None, gofer_types::Timestamp::default());
    let mut ui = Ui::new(style, Box::new(std::io::stdout()), Box::new(std::io::stderr()));
    let words: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    let json = |pair: &[&str]| matches!(pair, ["-o" | "--output", "json" | "jsonl"]);
    let joined = ["--json", "--output=json", "-ojson", "-o=json"];
    if words.windows(2).any(json)
        || words.iter().any(|word| joined.iter().any(|start| word.starts_with(start)))
    {
        ui.format = Format::Json;
    }
    ui
}
