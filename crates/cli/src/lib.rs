//! The commands of gofer: what each of them does.
//!
//! - `gofer_grammar` says what can be typed; `commands` does it. `form` says which form of output each of them has.
//! - `gofer_views` is what is shown, also of a run as it goes; `gofer_output` is the one place that writes, and has the
//!   contract of errors and exits.
//! - `address` reads what people call things by, `source` their files. `embedded` is the only place that knows the server.
//!
//! Nothing here decides anything about runs: the server does, also the one inside `gofer local`.

mod clock;
mod commands;
mod context;
mod embedded;
mod form;
mod remote;

use std::ffi::OsString;
use std::process::ExitCode;

use gofer_grammar::{Command, Typed, Understood};
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_output::style::{ColorChoice, Style, Surroundings};
use gofer_output::{Format, Ui, check_fields};

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
    let typed = match gofer_grammar::understand(args) {
        Understood::Command(typed) => *typed,
        Understood::Help(text) => return said(&early, early.bytes(text.as_bytes()).map(|()| Exit::Ok)),
        Understood::Mistake(failure) => return said(&early, Err(failure)),
    };
    match prepare(typed, around) {
        Ok((cx, command)) => said(&cx.ui, commands::dispatch(&cx, command).await),
        Err(failure) => said(&early, Err(failure)),
    }
}

/// Everything that can be wrong before anything is done.
fn prepare(typed: Typed, around: &Surroundings) -> Result<(Cx, Command), Failure> {
    let Typed { global, command, verbose, output_typed } = typed;
    let asked = global.json.is_some() || output_typed && global.output != Format::Table;
    let mut cx = Cx::new(global, verbose, around)?;
    match (form::fields(&command), &cx.ui.fields) {
        (None, _) if asked => {
            return Err(Failure::usage("E0005", "this command has only one form of output")
                .hint("leave out `--output` and `--json`"));
        }
        (None, _) => cx.ui.format = Format::Table,
        (Some(known), Some(fields)) => check_fields(fields, &known)?,
        (Some(_), None) => {}
    }
    Ok((cx, command))
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
