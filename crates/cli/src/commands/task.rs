//! `task`: the tasks of a run and their attempts.

use gofer_client::v1 as pb;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_output::table::{Cell, lay_out, pairs};

use crate::args::resources::TaskList;
use crate::context::Cx;
use crate::remote::incomplete;
use crate::views::{self, TaskRun};

/// `task list`.
pub(super) async fn list(cx: &Cx, args: TaskList) -> Result<Exit, Failure> {
    let run = cx.addresses.run_only(&args.run.reference)?;
    let remote = cx.remote().await?;
    let again = cx.again(&format!("task list {}", args.run.reference));
    let fetch = async |page| {
        let request = pb::ListTaskRunsRequest { run: Some(run.clone()), page: Some(page) };
        let answer = remote.list_task_runs(request).await?;
        Ok((answer.tasks.into_iter().map(TaskRun::from).collect(), answer.next_page_token))
    };
    cx.list::<TaskRun, _>(&args.paging, ("task", again), fetch).await?;
    Ok(Exit::Ok)
}

/// `task get`.
pub(super) async fn get(cx: &Cx, reference: &str) -> Result<Exit, Failure> {
    let (run, task) = cx.addresses.task(reference)?;
    let remote = cx.remote().await?;
    let answer = remote.get_task_run(pb::GetTaskRunRequest { run: Some(run), task }).await?;
    let attempts = answer.attempts.into_iter().map(Into::into).collect::<Vec<views::Attempt>>();
    let task = TaskRun { attempt_list: Some(attempts), ..TaskRun::from(answer.task.ok_or_else(incomplete)?) };
    cx.ui.object(&task, |style| {
        let attempts = task.attempt_list.as_deref().unwrap_or_default();
        let rows: Vec<Vec<Cell>> = attempts.iter().map(|attempt| row(attempt, style)).collect();
        let headers = ["ATTEMPT", "SCHEDULER", "HANDLE", "STARTED", "DURATION", "END"];
        let table = lay_out(cx.ui.headers.then_some(&headers[..]), &rows, style);
        format!("{}\n{table}", pairs(&facts(&task, style), style))
    })?;
    Ok(Exit::Ok)
}

fn facts(task: &TaskRun, style: &gofer_output::style::Style) -> Vec<(&'static str, String)> {
    let parents: Vec<String> =
        task.depends_on.iter().map(|on| format!("{} = {}", on.task, on.condition)).collect();
    let attempts = task.attempt_list.as_deref().unwrap_or_default();
    let digest = attempts.last().and_then(|attempt| attempt.image_digest.clone());
    vec![
        ("task", task.r#ref.clone()),
        ("state", task.state.to_owned()),
        ("cause", task.cause.as_ref().map(|cause| cause.text.clone()).unwrap_or_default()),
        ("exit code", task.exit_code.map(|code| code.to_string()).unwrap_or_default()),
        ("image", task.image.clone()),
        ("image digest", digest.unwrap_or_default()),
        ("depends on", parents.join(", ")),
        ("started", style.time(task.started.map(|at| at.0))),
        ("duration", views::lasted(task.started, task.ended, style)),
    ]
}

fn row(attempt: &views::Attempt, style: &gofer_output::style::Style) -> Vec<Cell> {
    vec![
        attempt.number.to_string().into(),
        attempt.scheduler.clone().into(),
        attempt.handle.clone().into(),
        style.time(attempt.started.map(|at| at.0)).into(),
        views::lasted(attempt.started, attempt.ended, style).into(),
        attempt.exit.as_ref().map(|exit| exit.text.clone()).unwrap_or_default().into(),
    ]
}
