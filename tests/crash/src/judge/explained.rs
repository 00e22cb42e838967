//! What the server says about why a run is as it is: the cause and the sentence must fit the state.

use gofer_client::Client;
use gofer_proto::v1::{Cause, ExplainRunRequest, RunState, TaskState};
use gofer_tests_e2e::run_ref;

use crate::tally::Tally;

/// Asks for the explanation of a run that has ended, and checks it and those of its tasks.
pub async fn fits(client: &Client, (pipeline, number): (&str, u64), tally: &Tally) {
    let request = ExplainRunRequest { run: Some(run_ref(pipeline, number)), ..ExplainRunRequest::default() };
    let answer = match client.explain_run(request).await {
        Ok(answer) => answer,
        Err(error) => return tally.violated(format!("run {number} is not explained: {error}")),
    };
    let (run, text) = (answer.run.unwrap_or_default(), answer.about.unwrap_or_default().text);
    let kind = run.cause.as_ref().map(|cause| cause.kind.clone()).unwrap_or_default();
    tally.check(run_fits(run.state(), &kind, &text), || {
        format!("run {number}: {:?} because of {kind:?} is explained as {text:?}", run.state())
    });
    tally.check(!answer.tasks.is_empty(), || format!("run {number}: no task is explained"));
    for explained in answer.tasks {
        let task = explained.task.unwrap_or_default();
        let (cause, text) =
            (task.cause.clone().unwrap_or_default(), explained.about.unwrap_or_default().text);
        tally.check(task_fits(task.state(), &cause, &text), || {
            format!(
                "run {number}, task {}: {:?} because of {cause:?} is explained as {text:?}",
                task.task,
                task.state()
            )
        });
    }
    tally.add("explanations that were compared with their state", 1);
}

/// The explanation of a run and its tasks in words, for whoever reads of a violation.
pub async fn words(client: &Client, (pipeline, number): (&str, u64)) -> String {
    let request = ExplainRunRequest { run: Some(run_ref(pipeline, number)), ..ExplainRunRequest::default() };
    let Ok(answer) = client.explain_run(request).await else { return "no explanation".to_owned() };
    let mut words = answer.about.unwrap_or_default().text;
    for explained in answer.tasks {
        let (task, about) = (explained.task.unwrap_or_default(), explained.about.unwrap_or_default());
        words.push_str(&format!("; {}: {} ({})", task.task, about.text, about.details.join(", ")));
    }
    words
}

fn run_fits(state: RunState, kind: &str, text: &str) -> bool {
    match state {
        RunState::Succeeded => kind == "completed" && text.contains("succeeded"),
        RunState::Failed | RunState::Errored => kind == "tasks" && text.contains('`'),
        RunState::Cancelled => kind == "cancelled" && text.contains("cancelled"),
        RunState::TimedOut => kind == "run_deadline" && text.contains("limit"),
        RunState::Unspecified | RunState::Queued | RunState::Running => false,
    }
}

fn task_fits(state: TaskState, cause: &Cause, text: &str) -> bool {
    let kind = cause.kind.as_str();
    match state {
        TaskState::Succeeded => {
            kind == "exit_code" && cause.exit_code == Some(0) && text.contains("exit code 0")
        }
        TaskState::Failed => match kind {
            "exit_code" => cause.exit_code.is_some_and(|code| code != 0) && text.contains("exit code"),
            "signal" => cause.signal.is_some() && text.contains("signal"),
            other => other == "out_of_memory",
        },
        TaskState::Errored => kind == "cannot_start" && text.contains("could not be started"),
        TaskState::Lost => kind == "lost" && text.contains("lost"),
        TaskState::Cancelled => kind == "cancelled" && text.contains("cancelled"),
        TaskState::TimedOut => matches!(kind, "deadline" | "run_deadline") && text.contains("limit"),
        TaskState::Skipped => matches!(kind, "parent_state" | "not_chosen" | "nothing_listed"),
        TaskState::Unspecified | TaskState::Waiting | TaskState::Pending | TaskState::Running => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(kind: &str) -> Cause {
        Cause { kind: kind.to_owned(), ..Cause::default() }
    }

    #[test]
    fn a_true_explanation_fits_and_a_false_one_does_not() {
        let zero = Cause { exit_code: Some(0), ..cause("exit_code") };
        assert!(task_fits(TaskState::Succeeded, &zero, "it ended with exit code 0"));
        assert!(!task_fits(TaskState::Failed, &zero, "it ended with exit code 0"));
        assert!(task_fits(TaskState::TimedOut, &cause("deadline"), "it ran longer than its limit of 1s"));
        assert!(!task_fits(TaskState::TimedOut, &cause("lost"), "it was lost: x"));
        assert!(!task_fits(TaskState::Running, &zero, "it ended with exit code 0"));
        assert!(run_fits(RunState::Succeeded, "completed", "everything that had to be done succeeded"));
        assert!(!run_fits(RunState::Running, "under_way", "it is under way"));
    }
}
