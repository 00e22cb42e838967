//! Whose output is asked for, against the tasks that the run has.

use gofer_client::v1 as pb;
use gofer_output::error::{Failure, nearest};
use gofer_output::exit::Exit;
use gofer_types::RunState;
use gofer_views::follow::is_meant;
use gofer_views::{Run, human, run_state, task_state};

/// Refuses a task that the run does not have, and an attempt that never was.
pub fn check(request: &pb::ReadLogsRequest, run: &pb::Run, tasks: &[pb::TaskRun]) -> Result<(), Failure> {
    check_tasks(&request.tasks, tasks)?;
    check_attempt(request, run, tasks)
}

/// Refuses a task that the run does not have.
fn check_tasks(wanted: &[String], tasks: &[pb::TaskRun]) -> Result<(), Failure> {
    let names = || tasks.iter().map(|task| task.task.as_str());
    let known = |one: &&String| names().any(|task| is_meant(std::slice::from_ref(*one), task));
    let Some(wrong) = wanted.iter().find(|one| !known(one)) else { return Ok(()) };
    let failure = Failure::new("E0304", Exit::NotFound, format!("the run has no task `{wrong}`"));
    Err(match nearest(wrong, names()) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint(format!("its tasks are {}", names().collect::<Vec<_>>().join(", "))),
    })
}

/// Refuses an attempt that none of the wanted tasks had. Whoever follows a run may wait for one.
fn check_attempt(request: &pb::ReadLogsRequest, run: &pb::Run, tasks: &[pb::TaskRun]) -> Result<(), Failure> {
    let meant = tasks.iter().filter(|task| is_meant(&request.tasks, &task.task));
    let last = meant.map(|task| task.attempts).max().unwrap_or(0);
    let may_come = request.follow && !run_state(run.state()).is_some_and(RunState::is_terminal);
    if request.attempt <= last || may_come {
        return Ok(());
    }
    let reference = Run::from(run.clone()).r#ref;
    let (place, who) = match request.tasks.as_slice() {
        [task] => (format!("{reference}/{task}"), "it"),
        _ => (reference.clone(), "each of its tasks"),
    };
    let had = human::count(last as usize, "attempt");
    let message = format!("{place} has no attempt {}: {who} had {had} at most", request.attempt);
    Err(Failure::new("E0304", Exit::NotFound, message).next(format!("gofer run get {reference}")))
}

/// Those of the wanted tasks whose output is kept; all, if none is: then the server says so. It would refuse them together.
pub fn kept(wanted: Vec<String>, tasks: &[pb::TaskRun]) -> Vec<String> {
    let is_off = |one: &String| {
        tasks.iter().any(|task| task.logging_off && is_meant(std::slice::from_ref(one), &task.task))
    };
    let (off, kept): (Vec<String>, Vec<String>) = wanted.into_iter().partition(is_off);
    if kept.is_empty() { off } else { kept }
}

/// Those of the wanted tasks, or of all, that failed.
pub fn failed(wanted: &[String], tasks: &[pb::TaskRun]) -> Vec<String> {
    use gofer_types::TaskState::{Errored, Failed, Lost, TimedOut};
    let bad = |task: &&pb::TaskRun| {
        let state = task_state(task.state());
        matches!(state, Some(Failed | Errored | Lost | TimedOut)) && is_meant(wanted, &task.task)
    };
    tasks.iter().filter(bad).map(|task| task.task.clone()).collect()
}
