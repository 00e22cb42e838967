//! What a server is asked about a run, beyond one call: its whole explanation, and which runs its tasks are.

use gofer_client::v1 as pb;
use gofer_client::{Client, ClientError};

use crate::{Explained, ExplainedTask, TaskRun, approvals};

/// The greatest page of tasks.
const ALL_TASKS: u32 = 1000;

/// A run by its number, whatever it was asked for by.
#[must_use]
pub fn by_number(run: &pb::Run) -> pb::RunRef {
    pb::RunRef {
        namespace: run.namespace.clone(),
        pipeline: run.pipeline.clone(),
        selector: Some(pb::run_ref::Selector::Number(run.number)),
    }
}

/// The explanation of a run with all of its tasks, or of the task of that name; `None` if the server left out a part.
///
/// # Errors
/// What the server refuses, or what stands between.
pub async fn explanation(
    remote: &Client,
    asked: pb::RunRef,
    task: &str,
) -> Result<Option<(pb::Run, Explained)>, ClientError> {
    let Some((run, about, tasks)) = pages(remote, asked, task).await? else { return Ok(None) };
    let (tasks, abouts): (Vec<_>, Vec<_>) = tasks.into_iter().map(|one| (one.task, one.about)).unzip();
    let tasks: Option<Vec<TaskRun>> = tasks.into_iter().map(|task| task.map(TaskRun::from)).collect();
    let Some(mut tasks) = tasks else { return Ok(None) };
    name_children(remote, &run, &mut tasks).await?;
    let mut all = Vec::with_capacity(tasks.len());
    for (task, about) in tasks.into_iter().zip(abouts) {
        let waits = approvals::is_waiting(&task);
        let view = ExplainedTask::new(task, about);
        all.push(match waits {
            true => {
                let fields = approvals::fetch_fields(remote, &run, &view.task).await?;
                view.asking(approvals::views(&fields))
            }
            false => view,
        });
    }
    Ok(Some((run.clone(), Explained::new(run, about, all))))
}

type Pages = (pb::Run, Option<pb::Explanation>, Vec<pb::ExplainedTask>);

/// All pages, of one run though `latest` may mean another with the next page.
async fn pages(remote: &Client, mut asked: pb::RunRef, task: &str) -> Result<Option<Pages>, ClientError> {
    let (mut tasks, mut token) = (Vec::new(), String::new());
    loop {
        let page = Some(pb::Page { size: ALL_TASKS, token: token.clone() });
        let request = pb::ExplainRunRequest { run: Some(asked), task: task.to_owned(), page };
        let answer = remote.explain_run(request).await?;
        let Some(run) = answer.run else { return Ok(None) };
        tasks.extend(answer.tasks);
        if answer.next_page_token.is_empty() || answer.next_page_token == token {
            return Ok(Some((run, answer.about, tasks)));
        }
        asked = by_number(&run);
        token = answer.next_page_token;
    }
}

/// Names the run that a task is, by what its newest attempt is called.
pub fn name_child(task: &mut TaskRun, handle: Option<&str>) {
    if task.child_pipeline.is_some() && task.child_run.is_none() {
        task.child_run = handle.filter(|handle| !handle.is_empty()).map(str::to_owned);
    }
}

/// Names the runs that tasks are as long as they go on; those that have ended name them in their causes.
///
/// # Errors
/// What the server refuses, or what stands between.
pub async fn name_children(remote: &Client, run: &pb::Run, tasks: &mut [TaskRun]) -> Result<(), ClientError> {
    let running = |task: &&mut TaskRun| task.child_pipeline.is_some() && task.state == "running";
    for task in tasks.iter_mut().filter(running) {
        let request = pb::GetTaskRunRequest { run: Some(by_number(run)), task: task.task.clone() };
        let attempts = remote.get_task_run(request).await?.attempts;
        name_child(task, attempts.last().map(|newest| newest.handle.as_str()));
    }
    Ok(())
}
