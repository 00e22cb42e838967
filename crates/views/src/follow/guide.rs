//! What is said of tasks that no scheduler runs, and that therefore write nothing themselves; and what may be done at the end.

use gofer_client::Client;
use gofer_client::v1 as pb;

use super::Progress;
use crate::{TaskRun, approvals, human};

/// The lines about a task as it stands now; none for most of them. `here` is whether the server is in this process, where no
/// other command reaches it.
pub(super) async fn lines(remote: &Client, progress: &Progress, task: &str, here: bool) -> Vec<String> {
    let Some((run, task)) = progress.run.as_ref().zip(progress.task(task)) else { return Vec::new() };
    let view = TaskRun::from(task.clone());
    if approvals::is_waiting(&view) {
        return if here { nobody(&view) } else { question(remote, run, &view).await };
    }
    if !is_child(task) || task.state() != pb::TaskState::Running || view.child_run.is_some() {
        return Vec::new();
    }
    child(remote, run, task).await.into_iter().map(|child| about(&child, here)).collect()
}

fn asks(view: &TaskRun) -> String {
    let question = view.question.as_ref().map(|question| format!(": {question}")).unwrap_or_default();
    format!("waits for an answer{question}")
}

fn nobody(view: &TaskRun) -> Vec<String> {
    let why = "nobody can answer a run without a server: Ctrl-C ends it, `gofer dev` starts a server";
    vec![asks(view), why.to_owned()]
}

async fn question(remote: &Client, run: &pb::Run, view: &TaskRun) -> Vec<String> {
    // without the fields the question is still worth more than silence
    let fields = approvals::fetch_fields(remote, run, &view.task).await.unwrap_or_default();
    let fields = approvals::views(&fields);
    let [yes, no] = approvals::commands(&view.r#ref, &fields);
    let asked = fields.iter().map(|field| format!("field {}", approvals::describe(field)));
    let answers = [format!("yes: {yes}"), format!("no:  {no}")];
    [asks(view)].into_iter().chain(asked).chain(answers).collect()
}

fn about(child: &str, here: bool) -> String {
    if here { format!("is run {child}") } else { format!("is run {child}: gofer logs {child} -f") }
}

/// The run that the newest attempt of a task is.
async fn child(remote: &Client, run: &pb::Run, task: &pb::TaskRun) -> Option<String> {
    let selector = Some(pb::run_ref::Selector::Number(run.number));
    let run = pb::RunRef { namespace: run.namespace.clone(), pipeline: run.pipeline.clone(), selector };
    let request = pb::GetTaskRunRequest { run: Some(run), task: task.task.clone() };
    let attempts = remote.get_task_run(request).await.ok()?.attempts;
    attempts.into_iter().next_back().map(|newest| newest.handle).filter(|handle| !handle.is_empty())
}

/// What may be done after a run that did not succeed.
pub(super) async fn after_failure(remote: &Client, progress: &Progress) -> Vec<(String, &'static str)> {
    let address = progress.address();
    let mut next = Vec::new();
    if let Some((run, task)) = progress.run.as_ref().zip(progress.culprit()) {
        let place = format!("{address}/{}", task.task);
        let logs = if is_child(task) { child(remote, run, task).await } else { written(task, &place) };
        let logs = logs.map(|of| format!("gofer logs {}", human::quoted(&of)));
        next.extend(logs.map(|command| (command, "everything that it wrote")));
        next.push((format!("gofer task get {}", human::quoted(&place)), "its attempts and causes"));
    }
    next.push((format!("gofer retry {address} --from-failed"), "again, but for what succeeded"));
    next
}

/// Where the output of a task is read, if it was started and what it wrote is kept.
fn written(task: &pb::TaskRun, place: &str) -> Option<String> {
    let wrote = task.started.is_some() && task.question.is_empty() && !task.logging_off;
    wrote.then(|| place.to_owned())
}

const fn is_child(task: &pb::TaskRun) -> bool {
    !task.child_pipeline.is_empty()
}
