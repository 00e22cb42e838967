//! `server` and `status`: serving, checking a configuration, and how a server does.

use gofer_client::v1 as pb;
use gofer_grammar::{ConfigFile, ConfigShow, ServerConfig, ServerStart};
use gofer_output::Listing;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_server::Ended;
use gofer_views::{Backend, Done, Setting, Status, human};
use tokio::signal::unix::{SignalKind, signal};

use crate::context::Cx;
use crate::embedded;

/// Resolves with the first SIGINT or SIGTERM after the call, whenever it is polled; never, if they cannot be listened for.
pub(super) fn shutdown_asked() -> impl Future<Output = ()> {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// `server start`.
pub(super) async fn start(cx: &Cx, args: ServerStart) -> Result<Exit, Failure> {
    // whoever asks while it starts is obeyed as soon as it has
    let asked = shutdown_asked();
    let config = embedded::plan(&args.file, embedded::overrides(&args))?.config;
    let level = if cx.ui.verbose > 0 { "debug" } else { config.log.level.as_str() };
    embedded::log(level, config.log.format == gofer_config::LogFormat::Json, None)?;
    let schedulers: Vec<String> = config.scheduler.instances.iter().map(|one| one.name.clone()).collect();
    let facts = [
        ("storage", format!("{} ({})", config.storage.default, kind(&config.storage))),
        ("scheduler", format!("{} (default {})", schedulers.join(", "), config.scheduler.default)),
    ];
    let server = embedded::start(config).await?;
    let mut lines = format!("gofer {} server\n", env!("CARGO_PKG_VERSION"));
    lines.push_str(&format!("  {:<10} {} (grpc)\n", "api", server.address()));
    lines.push_str(&format!("  {:<10} {}\n", "data", server.data_dir().display()));
    for (name, value) in &facts {
        lines.push_str(&format!("  {name:<10} {value}\n"));
    }
    cx.ui.note(lines.trim_end());
    match server.run_until(asked).await {
        Ended::Drained => {
            cx.ui.note("stopped; tasks go on, and the next server takes them up");
            Ok(Exit::Ok)
        }
        Ended::Failed(reason) => Err(Failure::new("E0908", Exit::ServerFailed, reason)),
    }
}

fn kind(family: &gofer_config::Family) -> String {
    let instance = family.instances.iter().find(|one| one.name == family.default);
    instance.map(|one| one.kind.clone()).unwrap_or_default()
}

/// `server config`.
pub(super) fn config(cx: &Cx, command: ServerConfig) -> Result<Exit, Failure> {
    match command {
        ServerConfig::Check(file) => check(cx, &file),
        ServerConfig::Show(args) => show(cx, &args),
    }
}

fn check(cx: &Cx, file: &ConfigFile) -> Result<Exit, Failure> {
    embedded::plan(file, Vec::new())?;
    let name = file.config.as_ref().map_or_else(|| "defaults".to_owned(), |path| path.display().to_string());
    let done = Done { action: "checked", names: vec![name] };
    cx.ui.object(&done, |_| format!("{}  ok\n", done.names.concat()))?;
    Ok(Exit::Ok)
}

fn show(cx: &Cx, args: &ConfigShow) -> Result<Exit, Failure> {
    let plan = embedded::plan(&args.file, Vec::new())?;
    if cx.ui.format == gofer_output::Format::Table {
        cx.ui.text(&plan.render(args.sources))?;
        return Ok(Exit::Ok);
    }
    let setting = |one: &gofer_config::Shown| Setting {
        key: one.key.clone(),
        value: one.value.clone(),
        origin: one.origin.to_string(),
    };
    let items = plan.show().iter().map(setting).collect();
    let command = "gofer server config show".to_owned();
    cx.ui.list(Listing { items, next: None, noun: "setting", command })?;
    Ok(Exit::Ok)
}

/// `status`.
pub(super) async fn status(cx: &Cx, check: bool) -> Result<Exit, Failure> {
    let answer = cx.remote().await?.get_status(pb::GetStatusRequest { check }).await?;
    let status = Status::from(answer);
    cx.ui.object(&status, |style| human::status(&status, &cx.global.addr, style))?;
    Ok(Exit::Ok)
}

/// `server health`.
pub(super) async fn health(cx: &Cx) -> Result<Exit, Failure> {
    let status = Status::from(cx.remote().await?.get_status(pb::GetStatusRequest { check: true }).await?);
    let sick: Vec<&Backend> = status.backends.iter().filter(|one| one.healthy == Some(false)).collect();
    if let Some(first) = sick.first() {
        let problem = first.problem.clone().unwrap_or_default();
        return Err(Failure::new(
            "E0109",
            Exit::Unavailable,
            format!("the {} `{}` is unhealthy: {problem}", first.family, first.name),
        )
        .next("gofer doctor"));
    }
    cx.ui
        .object(&status, |_| format!("healthy: gofer {}, up {}\n", status.version, human::uptime(&status)))?;
    Ok(Exit::Ok)
}
