//! `run`, and the everyday commands that are about one run.

use std::time::Duration;

use gofer_client::Client;
use gofer_client::v1 as pb;
use gofer_output::Row;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_output::table::{lay_out, pairs};
use gofer_types::RunState;

use super::variables;
use crate::args::resources::RunFilter;
use crate::args::{Cancel, RunReference, Start};
use crate::context::Cx;
use crate::follow::{Ending, Follower, LineOptions, OnInterrupt, Progress, Shown, last_line};
use crate::remote::{self, incomplete};
use crate::views::{self, Run, TaskRun};

/// The greatest page of tasks.
const ALL_TASKS: u32 = 1000;

/// `start`.
pub(super) async fn start(cx: &Cx, args: Start) -> Result<Exit, Failure> {
    let (pipeline, version) = cx.addresses.pipeline(&args.pipeline)?;
    let variables = variables::read(&args.variables)?;
    let idempotency_key = args.idempotency_key.unwrap_or_default();
    let remote = cx.remote().await?;
    let request = pb::StartRunRequest { pipeline: Some(pipeline), version, variables, idempotency_key };
    let answer = remote.start_run(request).await?;
    let run = answer.run.ok_or_else(incomplete)?;
    cx.addresses.remember(&run.namespace, &run.pipeline, run.number);
    let reference = by_number(&run);
    let view = Run::from(run);
    if answer.existing {
        cx.ui.note(&format!("{} was started with this idempotency key before", view.r#ref));
    }
    let follow = args.follow || (cx.ui.stdout_tty && !args.detach && args.wait.is_none());
    match args.wait {
        Some(limit) => wait_for(cx, &remote, reference, Some(limit.get())).await,
        None if follow => {
            let shown = Shown::everything(OnInterrupt::Detach);
            Ok(Follower::new(&cx.ui, &remote, &cx.addresses, shown).follow(reference).await?.exit())
        }
        None => {
            cx.ui.object(&view, |_| format!("{}\n", view.r#ref))?;
            cx.ui.next(&[(format!("gofer watch {}", view.r#ref), "see how it goes")]);
            Ok(Exit::Ok)
        }
    }
}

/// `watch`.
pub(super) async fn watch(cx: &Cx, args: &RunReference) -> Result<Exit, Failure> {
    let run = cx.addresses.run_only(&args.reference)?;
    let remote = cx.remote().await?;
    let shown = Shown { logs: None, changes: true, ..Shown::everything(OnInterrupt::Detach) };
    Ok(Follower::new(&cx.ui, &remote, &cx.addresses, shown).follow(run).await?.exit())
}

/// `wait`.
pub(super) async fn wait(cx: &Cx, args: &RunReference) -> Result<Exit, Failure> {
    let run = cx.addresses.run_only(&args.reference)?;
    let remote = remote::connect(&cx.global.addr, None, &cx.actor).await?;
    wait_for(cx, &remote, run, cx.global.timeout.map(gofer_types::Span::get)).await
}

async fn wait_for(
    cx: &Cx,
    remote: &Client,
    run: pb::RunRef,
    limit: Option<Duration>,
) -> Result<Exit, Failure> {
    let shown = Shown {
        logs: None,
        lines: LineOptions::default(),
        header: false,
        changes: false,
        summary: false,
        on_interrupt: OnInterrupt::Detach,
    };
    let follower = Follower::new(&cx.ui, remote, &cx.addresses, shown);
    let following = follower.follow(run);
    let followed = match limit {
        None => following.await?,
        Some(limit) => tokio::time::timeout(limit, following).await.map_err(|_| {
            let limit = gofer_types::Span::from(limit);
            Failure::new("E0107", Exit::Timeout, format!("the run did not end within {limit}; it goes on"))
                .next("gofer watch -")
        })??,
    };
    let Ending::Ended(progress) = followed else { return Ok(Exit::Interrupted) };
    print_end(cx, &progress)?;
    Ok(progress.exit())
}

fn print_end(cx: &Cx, progress: &Progress) -> Result<(), Failure> {
    let Some(run) = progress.run.clone().map(Run::from) else { return Ok(()) };
    let tasks: Vec<TaskRun> = progress.tasks.iter().cloned().map(TaskRun::from).collect();
    cx.ui.object(&run, |style| last_line(&run, &tasks, style))
}

/// `cancel`.
pub(super) async fn cancel(cx: &Cx, args: Cancel) -> Result<Exit, Failure> {
    let run = cx.addresses.run_only(&args.run.reference)?;
    let remote = cx.remote().await?;
    let request = pb::CancelRunRequest { run: Some(run), reason: args.reason, force: args.force };
    let answer = remote.cancel_run(request).await?;
    let run = answer.run.ok_or_else(incomplete)?;
    cx.addresses.remember(&run.namespace, &run.pipeline, run.number);
    let view = Run::from(run);
    let text = if answer.already_ended {
        format!("{} had ended before: {}\n", view.r#ref, view.state)
    } else if view.state == "cancelled" {
        format!("{} is cancelled\n", view.r#ref)
    } else {
        format!("{} is being cancelled\n", view.r#ref)
    };
    cx.ui.object(&view, |_| text)?;
    if !answer.already_ended {
        cx.ui.next(&[(format!("gofer wait {}", view.r#ref), "until it has ended")]);
    }
    Ok(Exit::Ok)
}

/// `run list` and `ps`.
pub(super) async fn list(cx: &Cx, filter: RunFilter, active: bool, name: &str) -> Result<Exit, Failure> {
    let (namespace, pipeline) = match &filter.pipeline {
        Some(typed) => {
            let pipeline = cx.addresses.pipeline_only(typed)?;
            (pipeline.namespace, pipeline.pipeline)
        }
        None => (cx.addresses.namespace(), String::new()),
    };
    let remote = cx.remote().await?;
    let states: Vec<i32> = filter.state.iter().map(|state| views::run_state_of(*state).into()).collect();
    let typed: String = filter.pipeline.iter().map(|typed| format!(" {typed}")).collect();
    let chosen: String = filter.state.iter().map(|state: &RunState| format!(" --state {state}")).collect();
    let flag = if active && name != "ps" { " --active" } else { "" };
    let again = cx.again(&format!("{name}{typed}{chosen}{flag}"));
    let fetch = async |page| {
        let (namespace, pipeline, states) = (namespace.clone(), pipeline.clone(), states.clone());
        let request = pb::ListRunsRequest { namespace, pipeline, states, active, page: Some(page) };
        let answer = remote.list_runs(request).await?;
        Ok((answer.runs.into_iter().map(Run::from).collect(), answer.next_page_token))
    };
    cx.list::<Run, _>(&filter.paging, ("run", again), fetch).await?;
    Ok(Exit::Ok)
}

/// `run get`.
pub(super) async fn get(cx: &Cx, args: &RunReference) -> Result<Exit, Failure> {
    let reference = cx.addresses.run_only(&args.reference)?;
    let remote = cx.remote().await?;
    let run = remote.get_run(pb::GetRunRequest { run: Some(reference) }).await?.run.ok_or_else(incomplete)?;
    cx.addresses.remember(&run.namespace, &run.pipeline, run.number);
    let tasks = all_tasks(&remote, by_number(&run)).await?;
    let tasks: Vec<TaskRun> = tasks.into_iter().map(TaskRun::from).collect();
    let view = Run { task_list: Some(tasks.clone()), ..Run::from(run) };
    cx.ui.object(&view, |style| {
        let rows: Vec<_> = tasks.iter().map(|task| task.cells(style)).collect();
        let table = lay_out(cx.ui.headers.then_some(TaskRun::HEADERS), &rows, style);
        format!("{}\n{table}", pairs(&facts(&view, style), style))
    })?;
    Ok(Exit::Ok)
}

fn facts(run: &Run, style: &gofer_output::style::Style) -> Vec<(&'static str, String)> {
    let cause = run.cause.as_ref().map(|cause| cause.text.clone()).unwrap_or_default();
    let variables: Vec<String> =
        run.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let cancel = run.cancel.as_ref().map(|c| format!("by {} {}", c.actor, c.reason).trim_end().to_owned());
    vec![
        ("run", run.r#ref.clone()),
        ("state", run.state.to_owned()),
        ("cause", cause),
        ("version", format!("v{}", run.version)),
        ("started by", format!("{} ({})", run.actor, run.trigger)),
        ("variables", variables.join(" ")),
        ("created", style.time(run.created.map(|at| at.0))),
        ("duration", views::lasted(run.started, run.ended, style)),
        ("cancel", cancel.unwrap_or_default()),
    ]
}

/// A run by its number, whatever it was asked for by.
pub(super) fn by_number(run: &pb::Run) -> pb::RunRef {
    pb::RunRef {
        namespace: run.namespace.clone(),
        pipeline: run.pipeline.clone(),
        selector: Some(pb::run_ref::Selector::Number(run.number)),
    }
}

/// Every task run of a run, in the order of the file.
pub(super) async fn all_tasks(remote: &Client, run: pb::RunRef) -> Result<Vec<pb::TaskRun>, Failure> {
    let mut tasks = Vec::new();
    let mut token = String::new();
    loop {
        let page = Some(pb::Page { size: ALL_TASKS, token: token.clone() });
        let answer = remote.list_task_runs(pb::ListTaskRunsRequest { run: Some(run.clone()), page }).await?;
        tasks.extend(answer.tasks);
        if answer.next_page_token.is_empty() || answer.next_page_token == token {
            return Ok(tasks);
        }
        token = answer.next_page_token;
    }
}
