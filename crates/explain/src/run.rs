//! Why a run is where it is.

use gofer_types::{Cause, RunState, TaskId, TaskState};

use crate::scene::{Explanation, Scene};
use crate::words::{ago, ahead, because, count, names, place, quoted, span};

/// Why a run is where it is.
#[must_use]
pub fn explain_run(scene: &Scene<'_>) -> Explanation {
    let run = scene.run;
    let (text, mut next) = match run.state {
        RunState::Queued => (queued(scene), vec![format!("gofer run list {} --active", run.id.pipeline)]),
        RunState::Running => running(scene),
        RunState::Succeeded => (succeeded(scene), Vec::new()),
        RunState::Failed | RunState::Errored => unsuccessful(scene),
        RunState::Cancelled => (cancelled(scene), vec![format!("gofer retry {}", run.id)]),
        RunState::TimedOut => (late(scene), vec![format!("gofer retry {} --from-failed", run.id)]),
    };
    let ends = run.cancel.is_some() || matches!(run.cause, Cause::RunDeadline(_));
    if !run.state.is_terminal() && !ends {
        next.push(format!("gofer cancel {}", run.id));
    }
    Explanation { text, details: details(scene), hold: scene.hold, next }
}

fn queued(scene: &Scene<'_>) -> String {
    match (&scene.hold, &scene.run.cause) {
        (Some(hold), _) => format!("it waits for {}: {}", hold.limit, place(hold)),
        (None, Cause::WaitingForSlot(limit)) => format!("it waits for {limit}, and is let in next"),
        (None, _) => "it is let in next".to_owned(),
    }
}

fn running(scene: &Scene<'_>) -> (String, Vec<String>) {
    let run = scene.run;
    let force = || vec![format!("gofer cancel {} --force", run.id)];
    if let Some(cancel) = &run.cancel {
        let (what, cleans) = ending(scene, if cancel.force { "killed" } else { "asked to stop" });
        let text = format!("it was cancelled by {}{}; {what}", cancel.actor, because(&cancel.reason));
        return (text, if cancel.force && !cleans { Vec::new() } else { force() });
    }
    if let Cause::RunDeadline(limit) = &run.cause {
        let (what, _) = ending(scene, "asked to stop");
        return (format!("its limit of {} passed; {what}", span(*limit)), force());
    }
    (format!("it is under way: {}", tally(scene)), vec![format!("gofer watch {}", run.id)])
}

/// What of a run that is to end is still to end, and whether something cleans up: that was not told to end with the others.
fn ending(scene: &Scene<'_>, how: &str) -> (String, bool) {
    let open = |cleanup: bool| {
        let tasks = (0_u32..).zip(&scene.plan.tasks);
        let open = tasks.filter(move |(place, _)| {
            let state = scene.state(*place);
            matches!(state, TaskState::Pending | TaskState::Running)
                && scene.plan.group_of(*place).cleanup == cleanup
        });
        open.map(|(_, task)| &task.id).collect::<Vec<_>>()
    };
    let (stopping, cleaning) = (open(false), open(true));
    let text = match (&stopping[..], &cleaning[..]) {
        ([], []) => "nothing is still to end".to_owned(),
        (_, []) => format!("{} still to end and {how}", are(&stopping)),
        ([], _) => format!("{} still to end, to clean up", are(&cleaning)),
        _ => format!(
            "{} still to end and {how}, and {} still to end, to clean up",
            are(&stopping),
            are(&cleaning)
        ),
    };
    (text, !cleaning.is_empty())
}

fn are(tasks: &[&TaskId]) -> String {
    match tasks {
        [one] => format!("`{one}` is"),
        several => format!("{} are", names(several.iter().copied())),
    }
}

/// How many tasks are in which state, in the order of a task's life.
fn tally(scene: &Scene<'_>) -> String {
    let all = (0_u32..).take(scene.plan.count());
    let mut counts: Vec<(TaskState, usize)> = TaskState::ALL.into_iter().map(|state| (state, 0)).collect();
    for place in all {
        let state = scene.state(place);
        if let Some((_, number)) = counts.iter_mut().find(|(known, _)| *known == state) {
            *number += 1;
        }
    }
    let counts = counts.into_iter().filter(|(_, number)| *number > 0);
    let parts: Vec<String> = counts.map(|(state, number)| format!("{number} {state}")).collect();
    format!("{} of {}", parts.join(", "), count(scene.plan.count(), "task"))
}

fn succeeded(scene: &Scene<'_>) -> String {
    let excused: Vec<&TaskId> =
        with(scene, |state| matches!(state, TaskState::Failed | TaskState::TimedOut)).collect();
    let but = if excused.is_empty() {
        String::new()
    } else {
        format!("; {} did not, and may fail without failing the run", names(excused))
    };
    match with(scene, |state| state == TaskState::Succeeded).count() {
        0 => format!("nothing had to be done: {}{but}", tally(scene)),
        _ => format!("everything that had to be done succeeded: {}{but}", tally(scene)),
    }
}

fn unsuccessful(scene: &Scene<'_>) -> (String, Vec<String>) {
    let run = scene.run;
    let decided: &[TaskId] = match &run.cause {
        Cause::Tasks(tasks) => tasks,
        _ => &[],
    };
    let means = if run.state == RunState::Failed { "" } else { "; the cause lies outside of the tasks" };
    let mut next: Vec<String> = decided.first().map(|task| look_at(scene, task)).into_iter().collect();
    next.push(format!("gofer retry {} --from-failed", run.id));
    (format!("{} {}{means}", names(decided), ends(scene, decided)), next)
}

/// How tasks ended that decided the end of their run, as the end of "they ...".
fn ends(scene: &Scene<'_>, tasks: &[TaskId]) -> String {
    let states = tasks.iter().filter_map(|task| scene.plan.number(task)).map(|place| scene.state(place));
    let mut words: Vec<&str> = states
        .map(|state| match state {
            TaskState::TimedOut => "ran out of time",
            TaskState::Cancelled => "was cancelled",
            TaskState::Lost => "was lost",
            TaskState::Errored => "could not be run",
            _ => "failed",
        })
        .collect();
    words.sort_unstable();
    words.dedup();
    words.join(" or ")
}

/// Where it is told what became of a task: in its output, if it has one of its own.
fn look_at(scene: &Scene<'_>, task: &TaskId) -> String {
    let place = scene.plan.number(task);
    let executes = place.is_some_and(|place| {
        scene.plan.group_of(place).executes
            && matches!(scene.state(place), TaskState::Failed | TaskState::TimedOut | TaskState::Lost)
    });
    let address = quoted(&format!("{}/{task}", scene.run.id));
    if executes { format!("gofer logs {address}") } else { format!("gofer run explain {address}") }
}

fn cancelled(scene: &Scene<'_>) -> String {
    match &scene.run.cancel {
        Some(cancel) => {
            let how = if cancel.force { "; what ran was killed" } else { "" };
            format!("it was cancelled by {}{}{how}", cancel.actor, because(&cancel.reason))
        }
        None => "it was cancelled".to_owned(),
    }
}

fn late(scene: &Scene<'_>) -> String {
    match &scene.run.cause {
        Cause::RunDeadline(limit) => {
            format!("its limit of {} passed before everything was done", span(*limit))
        }
        _ => "its time limit passed".to_owned(),
    }
}

fn details(scene: &Scene<'_>) -> Vec<String> {
    let (run, now) = (scene.run, scene.now);
    let mut all = vec![format!("asked for by {} ({}) {}", run.actor, run.trigger, ago(run.created, now))];
    if let Some(retry) = &run.retry {
        let reused = match retry.reused.len() {
            0 => "everything is executed again".to_owned(),
            number => format!("the results of {} are taken over", count(number, "task")),
        };
        all.push(format!("a retry of run {}: {reused}", retry.run));
    }
    if let Some(chosen) = &run.chosen {
        all.push(format!("for {} of {} only", chosen.len(), count(scene.plan.count(), "task")));
    }
    if run.priority != 0 {
        all.push(format!("priority {}", run.priority));
    }
    all.extend(run.started.map(|started| format!("began {}", ago(started, now))));
    all.extend(run.ended.map(|ended| format!("ended {}", ago(ended, now))));
    if run.state == RunState::Running
        && run.cause == Cause::UnderWay
        && let Some(deadline) = run.deadline
    {
        all.push(format!("its time is over {}", ahead(deadline, now)));
    }
    all
}

fn with<'a>(scene: &'a Scene<'_>, is: impl Fn(TaskState) -> bool + 'a) -> impl Iterator<Item = &'a TaskId> {
    let tasks = (0_u32..).zip(&scene.plan.tasks);
    tasks.filter(move |(place, _)| is(scene.state(*place))).map(|(_, task)| &task.id)
}
