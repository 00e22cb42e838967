//! `task`: the tasks of a run and their attempts.

use gofer_client::v1 as pb;
use gofer_grammar::resources::TaskList;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_views::{Attempt, TaskRun, approvals, ask, human};

use crate::context::Cx;
use crate::remote::incomplete;

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
    let attempts = answer.attempts.into_iter().map(Into::into).collect::<Vec<Attempt>>();
    let mut task = TaskRun::from(answer.task.ok_or_else(incomplete)?);
    ask::name_child(&mut task, attempts.last().map(|newest| newest.handle.as_str()));
    let task = TaskRun { attempt_list: Some(attempts), ..task };
    cx.ui.object(&task, |style| human::task(&task, cx.ui.headers, style))?;
    if approvals::is_waiting(&task) {
        let command = format!("gofer run explain {}", human::quoted(&task.r#ref));
        cx.ui.next(&[(command, "what is asked, and how to answer")]);
    }
    Ok(Exit::Ok)
}
