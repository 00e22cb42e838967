//! Why a task of a run is where it is.

use gofer_types::{AttemptRecord, Cause, Condition, RunState, TaskId, TaskState};

use crate::scene::{Explanation, Scene, TaskScene};
use crate::words::{ago, ahead, answered, because, ended, place, quoted, span};

/// How many parents are named one by one.
const PARENTS: usize = 5;

/// Why a task is where it is.
#[must_use]
pub fn explain_task(scene: &Scene<'_>, subject: &TaskScene<'_>) -> Explanation {
    let task = subject.task;
    let text = match task.state {
        TaskState::Waiting => waiting(scene, subject),
        TaskState::Pending => pending(scene, subject),
        TaskState::Running => running(scene, subject),
        TaskState::Skipped => skipped(&task.cause),
        TaskState::Cancelled => cancelled(scene, subject),
        TaskState::Succeeded => succeeded(subject),
        TaskState::Failed | TaskState::Errored | TaskState::Lost | TaskState::TimedOut => {
            format!("it {}{}", ended(&task.cause), tried(subject))
        }
    };
    let next = next(scene, subject);
    Explanation { text, details: details(scene, subject), hold: subject.hold, next }
}

fn waiting(scene: &Scene<'_>, subject: &TaskScene<'_>) -> String {
    if scene.run.state == RunState::Queued {
        return "it waits for its run, which is queued".to_owned();
    }
    let open: Vec<String> = parents(scene, subject.place)
        .filter(|(_, state, _)| !state.is_terminal())
        .map(|(task, state, _)| format!("`{task}`, which is {state}"))
        .collect();
    match open.len() {
        0 => "it is ready in the next instant: all that it waited for has ended".to_owned(),
        more if more > PARENTS => {
            format!("it waits for {}; and {} more", open[..PARENTS].join("; "), more - PARENTS)
        }
        _ => format!("it waits for {}", open.join("; ")),
    }
}

fn pending(scene: &Scene<'_>, subject: &TaskScene<'_>) -> String {
    let task = subject.task;
    let newest = subject.attempts.last();
    match (&task.cause, &subject.hold) {
        (_, Some(hold)) => format!("it waits for a slot, because of {}: {}", hold.limit, place(hold)),
        (Cause::WaitingForSlot(limit), None) => {
            format!("it waits for a slot, because of {limit}, and gets the next one")
        }
        (Cause::WaitingForScheduler, _) => match newest {
            Some(attempt) => format!(
                "scheduler `{}` was asked to start attempt {} and has not said yet that it runs",
                attempt.scheduler, attempt.number
            ),
            None => "a scheduler is asked to start it".to_owned(),
        },
        (Cause::FetchingImage(image), _) => format!("its image {image} is being fetched"),
        (Cause::WaitingForRetry { attempt, of, wait, after }, _) => {
            let due = task.changed.plus(*wait);
            let when = if due <= scene.now && newest.is_some_and(|newest| !newest.removed) {
                "once nothing is left of the former one".to_owned()
            } else {
                ahead(due, scene.now)
            };
            format!("attempt {} {}; attempt {attempt} of {of} follows {when}", attempt - 1, ended(after))
        }
        (stop, _) => stopping(scene, subject, stop),
    }
}

fn running(scene: &Scene<'_>, subject: &TaskScene<'_>) -> String {
    match &subject.task.cause {
        Cause::WaitingForApproval => "somebody has to approve it".to_owned(),
        Cause::UnderWay if scene.plan.reads_values(subject.place) => "its list is being read".to_owned(),
        Cause::UnderWay | Cause::Completed => match subject.attempts.last() {
            Some(attempt) => format!("attempt {} runs at scheduler `{}`", attempt.number, attempt.scheduler),
            None => "it runs".to_owned(),
        },
        stop => stopping(scene, subject, stop),
    }
}

/// It is to end.
fn stopping(scene: &Scene<'_>, subject: &TaskScene<'_>, why: &Cause) -> String {
    let why = match why {
        Cause::Cancelled(reason) => format!("its run was cancelled{}", because(reason)),
        Cause::Deadline(limit) => format!("its limit of {} passed", span(*limit)),
        Cause::RunDeadline(limit) => format!("the limit of its run of {} passed", span(*limit)),
        other => return format!("it is about to run: {other:?}"),
    };
    let kill = subject.task.changed.plus(scene.grace);
    match &scene.run.cancel {
        // what it is about has an end of its own: a run of another pipeline cleans up
        _ if !scene.plan.group_of(subject.place).executes => format!("{why}; it was asked to stop"),
        Some(cancel) if cancel.force => format!("{why}; it is being killed"),
        _ => format!("{why}; it was asked to stop and is killed {}", ahead(kill, scene.now)),
    }
}

fn skipped(cause: &Cause) -> String {
    match cause {
        Cause::ParentState { task, state, wanted } => {
            format!("it runs only if `{task}` {}, and that {}", condition(*wanted), is(*state))
        }
        Cause::NotChosen => "the run was started for other tasks only".to_owned(),
        Cause::NothingListed => "its list is empty, so that there is nothing to run".to_owned(),
        other => format!("it cannot run any more: {other:?}"),
    }
}

fn cancelled(scene: &Scene<'_>, subject: &TaskScene<'_>) -> String {
    let by = scene.run.cancel.as_ref().map(|cancel| format!(" by {}", cancel.actor)).unwrap_or_default();
    let reason = match &subject.task.cause {
        cause @ Cause::ChildRun { .. } => return format!("it {}", ended(cause)),
        Cause::Cancelled(reason) => because(reason),
        _ => String::new(),
    };
    let when = if subject.attempts.is_empty() { "before it began" } else { "while it was under way" };
    format!("its run was cancelled{by} {when}{reason}")
}

fn succeeded(subject: &TaskScene<'_>) -> String {
    match &subject.task.cause {
        Cause::Reused { run, answer: None } => {
            format!("it succeeded in run {run} already and was not executed again")
        }
        Cause::Reused { run, answer: Some(answer) } => {
            format!("it was approved in run {run} already, {}", answered(answer))
        }
        cause @ (Cause::Approved(_) | Cause::ChildRun { .. } | Cause::FannedOut { .. }) => {
            format!("it {}{}", ended(cause), tried(subject))
        }
        _ => format!("it ended with exit code 0{}", tried(subject)),
    }
}

/// In which attempt, if there were several.
fn tried(subject: &TaskScene<'_>) -> String {
    match subject.attempts.len() {
        0 | 1 => String::new(),
        several => format!(" in attempt {several}"),
    }
}

/// A condition, as the end of "only if the parent ...".
fn condition(wanted: Condition) -> &'static str {
    match wanted {
        Condition::Successful => "succeeds",
        Condition::Failure => "does not succeed",
        Condition::Any => "is neither skipped nor cancelled",
        Condition::Always => "ends",
    }
}

/// An end, as the end of "and that ...".
fn is(state: TaskState) -> String {
    match state {
        TaskState::Succeeded => "succeeded".to_owned(),
        TaskState::Failed => "failed".to_owned(),
        other => format!("is {other}"),
    }
}

fn parents<'a>(
    scene: &'a Scene<'_>,
    place: u32,
) -> impl Iterator<Item = (&'a TaskId, TaskState, Condition)> + 'a {
    let parents = scene.plan.parents_of(place);
    parents.map(|(parent, wanted)| (&scene.plan.task(parent).id, scene.state(parent), wanted))
}

fn details(scene: &Scene<'_>, subject: &TaskScene<'_>) -> Vec<String> {
    let (task, now) = (subject.task, scene.now);
    let mut all = Vec::new();
    if task.state == TaskState::Waiting {
        let wanted = parents(scene, subject.place).take(PARENTS);
        all.extend(
            wanted.map(|(parent, _, wanted)| format!("it runs only if `{parent}` {}", condition(wanted))),
        );
    } else {
        all.push(format!("{} since {}", task.state, ago(task.changed, now)));
    }
    if let (Some(started), Some(ended)) = (task.started, task.ended) {
        all.push(format!("took {}", span(ended.since(started))));
    }
    let several = subject.attempts.len() > 1;
    all.extend(subject.attempts.iter().filter(|_| several).filter_map(former));
    let stops = matches!(task.cause, Cause::Cancelled(_) | Cause::Deadline(_) | Cause::RunDeadline(_));
    if !task.state.is_terminal()
        && !stops
        && let Some(attempt) = subject.attempts.last().filter(|attempt| attempt.exit.is_none())
        && let Some(deadline) = attempt.deadline
    {
        all.push(format!("its time is over {}", ahead(deadline, now)));
    }
    if scene.plan.group_of(subject.place).allow_failure
        && matches!(task.state, TaskState::Failed | TaskState::TimedOut)
    {
        all.push("it may fail without failing the run".to_owned());
    }
    all
}

fn former(attempt: &AttemptRecord) -> Option<String> {
    attempt.exit.as_ref().map(|exit| format!("attempt {} {}", attempt.number, ended(exit)))
}

fn next(scene: &Scene<'_>, subject: &TaskScene<'_>) -> Vec<String> {
    let id = quoted(&subject.task.id.to_string());
    let executes = scene.plan.group_of(subject.place).executes;
    match subject.task.state {
        TaskState::Running if subject.task.cause == Cause::WaitingForApproval => {
            vec![format!("gofer run approve {id}"), format!("gofer run approve {id} --reject")]
        }
        TaskState::Running if executes => vec![format!("gofer logs {id} -f")],
        TaskState::Failed | TaskState::TimedOut | TaskState::Lost | TaskState::Errored => {
            let began = executes && subject.task.state != TaskState::Errored;
            let output = began.then(|| format!("gofer logs {id}"));
            // a run that goes on cannot be repeated yet
            let over = scene.run.state.is_terminal();
            let again = format!("gofer retry {} --from {}", scene.run.id, subject.task.id.task.base());
            output.into_iter().chain(over.then_some(again)).collect()
        }
        _ => Vec::new(),
    }
}
