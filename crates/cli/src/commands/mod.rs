//! What the commands do. One file a noun; this one only hands over.

mod answer;
mod backend;
mod dev;
mod doctor;
mod event;
mod explain;
mod explain_run;
mod init;
mod local;
mod logs;
mod namespace;
mod object;
mod pipeline;
mod run;
mod server;
mod start;
mod task;
mod up;

use gofer_grammar::{Command, Completion, Server, resources};
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_views::Program;

use crate::context::Cx;

/// Does what was asked.
pub(crate) async fn dispatch(cx: &Cx, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Init(args) => init::init(cx, &args),
        Command::Local(args) => local::local(cx, args).await,
        Command::Dev(args) => dev::dev(cx, args).await,
        Command::Up(args) => up::up(cx, &args).await,
        Command::Start(args) => start::start(cx, args).await,
        Command::Watch(args) => run::watch(cx, &args).await,
        Command::Logs(args) => logs::logs(cx, &args).await,
        Command::Wait(args) => run::wait(cx, &args).await,
        Command::Cancel(args) => run::cancel(cx, args).await,
        Command::Retry(args) => start::retry(cx, args).await,
        Command::Ps(filter) => run::list(cx, filter, true, "ps").await,
        Command::Status(args) => server::status(cx, args.check).await,
        Command::Pipeline(command) => pipeline::dispatch(cx, command).await,
        Command::Run(command) => of_run(cx, command).await,
        Command::Task(command) => of_task(cx, command).await,
        Command::Object(command) => object::dispatch(cx, command).await,
        Command::Event(resources::Event::List(args)) => event::list(cx, args).await,
        Command::Event(resources::Event::Follow(args)) => event::follow(cx, args).await,
        Command::Namespace(command) => namespace::dispatch(cx, command).await,
        Command::Server(Server::Start(args)) => server::start(cx, args).await,
        Command::Server(Server::Config(command)) => server::config(cx, command),
        Command::Server(Server::Health) => server::health(cx).await,
        Command::Backend(command) => backend::dispatch(cx, command).await,
        Command::Doctor(args) => doctor::doctor(cx, args).await,
        Command::Explain(args) => explain::explain(cx, args.topic.as_deref()),
        Command::Completion(args) => completion(cx, &args),
        Command::Version => version(cx),
    }
}

async fn of_run(cx: &Cx, command: resources::Run) -> Result<Exit, Failure> {
    match command {
        resources::Run::List(args) => run::list(cx, args.filter, args.active, "run list").await,
        resources::Run::Get(args) => run::get(cx, &args).await,
        resources::Run::Start(args) => start::start(cx, args).await,
        resources::Run::Watch(args) => run::watch(cx, &args).await,
        resources::Run::Logs(args) => logs::logs(cx, &args).await,
        resources::Run::Wait(args) => run::wait(cx, &args).await,
        resources::Run::Cancel(args) => run::cancel(cx, args).await,
        resources::Run::Retry(args) => start::retry(cx, args).await,
        resources::Run::Explain(args) => explain_run::explain(cx, &args).await,
        resources::Run::Approve(args) => answer::answer(cx, args).await,
    }
}

async fn of_task(cx: &Cx, command: resources::Task) -> Result<Exit, Failure> {
    match command {
        resources::Task::List(args) => task::list(cx, args).await,
        resources::Task::Get(args) => task::get(cx, &args.reference).await,
        resources::Task::Logs(args) => logs::logs(cx, &args).await,
    }
}

fn completion(cx: &Cx, args: &Completion) -> Result<Exit, Failure> {
    cx.ui.bytes(&gofer_grammar::completion(args))?;
    Ok(Exit::Ok)
}

fn version(cx: &Cx) -> Result<Exit, Failure> {
    let program = Program {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        api: gofer_client::API,
        target: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
    };
    cx.ui.object(&program, |_| {
        format!("gofer {} {} api {}\n", program.version, program.target, program.api)
    })?;
    Ok(Exit::Ok)
}
