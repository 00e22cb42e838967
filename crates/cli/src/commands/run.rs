//! `run`, and the everyday commands that are about one run that is there.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use gofer_client::Client;
use gofer_client::v1 as pb;
use gofer_grammar::resources::RunFilter;
use gofer_grammar::{Cancel, RunReference};
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_types::RunState;
use gofer_views::follow::{Ending, Follower, LineOptions, Memory, OnInterrupt, Progress, Shown, last_line};
use gofer_views::{Run, TaskRun, approvals, ask, human, run_state_of};

use super::start::map;
use crate::context::Cx;
use crate::remote::{self, incomplete};

/// The greatest page of tasks.
const ALL_TASKS: u32 = 1000;

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

/// Waits for the end of a run, at most so long.
pub(super) async fn wait_for(
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
        Some(limit) => match tokio::time::timeout(limit, following).await {
            Ok(followed) => followed?,
            Err(_) => return Err(not_ended(&follower, limit)),
        },
    };
    let Ending::Ended(progress) = followed else { return Ok(Exit::Interrupted) };
    print_end(cx, &progress)?;
    Ok(progress.exit())
}

fn not_ended(follower: &Follower<'_>, limit: Duration) -> Failure {
    let limit = gofer_types::Span::from(limit);
    let (run, place) = follower.address().map_or(("the run", "-"), |address| (address, address));
    Failure::new("E0107", Exit::Timeout, format!("{run} did not end within {limit}; it goes on"))
        .next(format!("gofer watch {place}"))
}

fn print_end(cx: &Cx, progress: &Progress) -> Result<(), Failure> {
    let Some(run) = progress.run.clone().map(Run::from) else { return Ok(()) };
    let tasks: Vec<TaskRun> = progress.tasks.iter().cloned().map(TaskRun::from).collect();
    cx.ui.object(&run, |style| last_line(&run, &tasks, style))
}

/// How many runs are being cancelled at once, where many are named.
const AT_ONCE: usize = 16;

/// `cancel`. Of many, one that cannot be cancelled does not keep the others.
pub(super) async fn cancel(cx: &Cx, args: Cancel) -> Result<Exit, Failure> {
    let runs = args.references.iter().map(|typed| cx.addresses.run_only(typed));
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    let only = runs.len() == 1;
    let remote = cx.remote().await?;
    let request =
        |run| pb::CancelRunRequest { run: Some(run), reason: args.reason.clone(), force: args.force };
    let calls = runs.into_iter().map(|run| remote.cancel_run(request(run)));
    let mut answers = stream::iter(calls).buffered(AT_ONCE);
    let mut failure: Option<Failure> = None;
    while let Some(answer) = answers.next().await {
        let said = match answer {
            Ok(answer) => say_cancelled(cx, answer, only),
            Err(error) => Err(error.into()),
        };
        if let Some(earlier) = said.err().and_then(|new| failure.replace(new)) {
            cx.ui.fail(&earlier);
        }
    }
    failure.map_or(Ok(Exit::Ok), Err)
}

fn say_cancelled(cx: &Cx, answer: pb::CancelRunResponse, only: bool) -> Result<(), Failure> {
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
    if only && !answer.already_ended {
        cx.ui.next(&[(format!("gofer wait {}", view.r#ref), "until it has ended")]);
    }
    Ok(())
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
    let states: Vec<i32> = filter.state.iter().map(|state| run_state_of(*state).into()).collect();
    let typed: String = filter.pipeline.iter().map(|typed| format!(" {typed}")).collect();
    let chosen: String = filter.state.iter().map(|state: &RunState| format!(" --state {state}")).collect();
    let labels: String = filter
        .label
        .iter()
        .map(|label| format!(" --label {}", human::quoted(&format!("{}={}", label.name, label.value))))
        .collect();
    let flag = if active && name != "ps" { " --active" } else { "" };
    let again = cx.again(&format!("{name}{typed}{chosen}{labels}{flag}"));
    let fetch = async |page| {
        let (namespace, pipeline, states) = (namespace.clone(), pipeline.clone(), states.clone());
        let request = pb::ListRunsRequest {
            namespace,
            pipeline,
            states,
            active,
            page: Some(page),
            labels: map(&filter.label),
        };
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
    let tasks = all_tasks(&remote, ask::by_number(&run)).await?;
    let mut tasks: Vec<TaskRun> = tasks.into_iter().map(TaskRun::from).collect();
    ask::name_children(&remote, &run, &mut tasks).await?;
    let waits = tasks.iter().any(approvals::is_waiting);
    let view = Run { task_list: Some(tasks), ..Run::from(run) };
    cx.ui.object(&view, |style| human::run(&view, cx.ui.headers, style))?;
    if waits {
        cx.ui.next(&[(format!("gofer run explain {}", view.r#ref), "what is asked, and how to answer")]);
    }
    Ok(Exit::Ok)
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
