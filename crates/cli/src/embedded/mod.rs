//! The server inside the program: the only place of the command line that knows `gofer-server` and `gofer-config`.

mod check;
mod scheduler;

use std::path::{Path, PathBuf};

use gofer_config::{Complaint, Config, Plan, Sources};
use gofer_grammar::{ConfigFile, ServerStart};
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_server::{LocalOptions, LocalServer, Logging, RunningServer, StartError};
use gofer_views::human;

pub(crate) use check::check;
pub(crate) use gofer_server::supported;
pub(crate) use scheduler::{Chosen, Engines, choose};

/// Reads and checks a configuration, also against the backends that there are. No I/O but the file.
pub(crate) fn plan(file: &ConfigFile, overrides: Vec<String>) -> Result<Plan, Failure> {
    let all: Vec<String> = file.set.iter().cloned().chain(overrides).collect();
    let sources = Sources::read(file.config.as_deref(), all).map_err(|complaint| rejected(&[complaint]))?;
    let plan = gofer_config::plan(&sources).map_err(|complaints| rejected(&complaints))?;
    gofer_server::check(plan.config.clone()).map_err(|complaints| rejected(&complaints))?;
    Ok(plan)
}

/// The settings that the flags of `server start` stand for.
pub(crate) fn overrides(args: &ServerStart) -> Vec<String> {
    let listen = args.listen.iter().map(|address| format!("server.listen={address}"));
    let data = args.data.iter().map(|dir| format!("server.data_dir={}", absolute(dir).display()));
    listen.chain(data).collect()
}

/// The configuration of a server for development: loopback only, no file, no environment.
pub(crate) fn dev_config(port: u16, data: &Path, chosen: &Chosen) -> Result<Config, Failure> {
    let mut overrides = vec![
        format!("server.listen=127.0.0.1:{port}"),
        format!("server.data_dir={}", absolute(data).display()),
    ];
    overrides.extend(chosen.overrides.iter().cloned());
    let sources = Sources { overrides, ..Sources::default() };
    let plan = gofer_config::plan(&sources).map_err(|complaints| rejected(&complaints))?;
    Ok(plan.config)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Starts a server.
pub(crate) async fn start(config: Config) -> Result<RunningServer, Failure> {
    gofer_server::start(config).await.map_err(|error| not_started(&error))
}

/// Starts the server of `gofer local`.
pub(crate) async fn local(chosen: Chosen, actor: &str) -> Result<LocalServer, Failure> {
    let options = LocalOptions {
        data: None,
        overrides: chosen.overrides,
        actor: (!actor.is_empty()).then(|| actor.to_owned()),
    };
    gofer_server::local(options).await.map_err(|error| not_started(&error))
}

/// Sets up the server's own log.
pub(crate) fn log(filter: &str, json: bool, file: Option<PathBuf>) -> Result<(), Failure> {
    let logging = Logging { filter: filter.to_owned(), json, file };
    gofer_server::install_log(&logging).map_err(|error| {
        Failure::new("E0822", Exit::Invalid, "the server's log cannot be set up").because(&error)
    })
}

fn rejected(complaints: &[Complaint]) -> Failure {
    let code = complaints.first().map_or("E0804", |complaint| complaint.code);
    let count = human::count(complaints.len(), "problem");
    let mut failure = Failure::new(code, Exit::Invalid, format!("the configuration has {count}"));
    failure.problems = complaints.iter().map(Complaint::render).collect();
    failure
}

fn not_started(error: &StartError) -> Failure {
    if let StartError::Config(complaints) = error {
        return rejected(complaints);
    }
    let exit = match error {
        _ if matches!(error.code(), "E0823" | "E0824") => Exit::Conflict,
        _ => Exit::Unavailable,
    };
    let mut failure = Failure::new(error.code(), exit, error);
    if let Some(cause) = std::error::Error::source(error) {
        failure = failure.because(cause);
    }
    failure.hint = error.hint();
    failure
}
