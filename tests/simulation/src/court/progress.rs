//! The laws about changes of runs, tasks and events.

use std::collections::BTreeSet;
use std::time::Duration;

use gofer_types::{Cause, EventKind, RunRecord, RunRef, RunState, TaskRunRecord, TaskState, VersionRecord};

use super::{Case, Change, Tally};

/// Judges what a commit changed.
pub(super) fn judge(case: &mut Case, changes: &[Change], now: Duration) {
    let begin: BTreeSet<RunRef> = changes.iter().filter_map(begins).collect();
    for id in &begin {
        case.began_at.insert(id.clone(), (now, case.newest_life));
    }
    for change in changes {
        match change {
            Change::Run(old, new) => run(case, old.as_deref(), new, &begin),
            Change::Task(_, _, old, new) => task(case, old.as_deref(), new),
            Change::Gone(old) => {
                let ended = old.state.is_terminal();
                let may = case.deletes;
                case.tally
                    .holds(63, ended && may, || format!("{} is deleted while it is {}", old.id, old.state));
            }
            _ => {}
        }
    }
    events(case, changes);
    let touched: BTreeSet<&RunRef> = changes.iter().filter_map(subject).collect();
    for id in touched {
        whole(case, id);
    }
}

/// The run that begins to run by this change.
fn begins(change: &Change) -> Option<RunRef> {
    let Change::Run(old, new) = change else { return None };
    let waited = old.as_ref().is_none_or(|old| old.state == RunState::Queued);
    (waited && new.state == RunState::Running).then(|| new.id.clone())
}

fn subject(change: &Change) -> Option<&RunRef> {
    match change {
        Change::Run(_, new) => Some(&new.id),
        Change::Task(run, ..) => Some(run),
        _ => None,
    }
}

fn run(case: &mut Case, old: Option<&RunRecord>, new: &RunRecord, begin: &BTreeSet<RunRef>) {
    if begin.contains(&new.id) {
        admitted(case, new, begin);
    }
    let Some(old) = old else { return born(case, new) };
    let id = &new.id;
    if old.state.is_terminal() {
        let same = (old.state, &old.cause, old.ended) == (new.state, &new.cause, new.ended);
        case.tally.holds(9, same, || format!("{id}: {} becomes {}", old.state, new.state));
    } else {
        let allowed = match old.state {
            RunState::Queued => true,
            _ => new.state != RunState::Queued,
        };
        case.tally.holds(10, allowed, || format!("{id}: {} becomes {}", old.state, new.state));
    }
    case.tally.holds(65, old.version == new.version, || format!("{id} changes its version"));
    let times = [Some(new.created), new.started, new.ended];
    let times: Vec<_> = times.into_iter().flatten().collect();
    if new.state.is_terminal() && !case.wall_jumped {
        case.tally.holds(13, times.is_sorted(), || format!("{id}: {times:?}"));
    }
}

fn born(case: &mut Case, new: &RunRecord) {
    let id = &new.id;
    let newest = case.numbers.insert(id.pipeline.clone(), id.run.0).unwrap_or(0);
    case.tally.holds(14, id.run.0 > newest, || format!("{id} comes behind number {newest}"));
    let disabled = case.ledger.pipelines.get(&id.pipeline).is_some_and(|pipeline| !pipeline.enabled);
    case.tally.holds(39, !disabled, || format!("{id} is of a disabled pipeline"));
}

/// A run begins to run, in a commit in which others may begin, too.
fn admitted(case: &mut Case, new: &RunRecord, beside: &BTreeSet<RunRef>) {
    let parallelism = |of: &RunRecord| case.ledger.config(of).map_or(0, |config| config.parallelism) as usize;
    let alive = |of: &RunRecord| of.state == RunState::Running && !case.damaged.contains(&of.id);
    let running: Vec<&RunRecord> =
        case.ledger.runs.values().map(|view| &view.record).filter(|of| alive(of)).collect();
    let own = parallelism(new);
    // of those that begin with it, the ones with a greater limit or none may have come behind it
    let counts =
        |of: &&&RunRecord| !beside.contains(&of.id) || (parallelism(of) > 0 && parallelism(of) <= own);
    let of_pipeline = running.iter().filter(|of| of.id.pipeline == new.id.pipeline);
    let in_pipeline = of_pipeline.filter(|of| of.id == new.id || counts(of)).count();
    let namespace = &new.id.pipeline.namespace;
    let whole = |of: &&&RunRecord| of.parent.is_none();
    let in_namespace =
        running.iter().filter(whole).filter(|of| of.id.pipeline.namespace == *namespace).count();
    let on_server = running.iter().filter(whole).count();
    let (server, each, _) = case.limits;
    let counts =
        format!("{in_pipeline} of its pipeline, {in_namespace} of its namespace, {on_server} in all");
    let within = (own == 0 || in_pipeline <= own)
        && (new.parent.is_some() || (in_namespace <= each && on_server <= server));
    let passed = overtaken(case, new);
    let id = &new.id;
    case.tally.holds(32, within, || format!("{id} runs beside {counts}; parallelism {own}"));
    let life = case.newest_life;
    let by = case.overtaken.remove(id).filter(|(then, _)| *then == life);
    case.tally.holds(33, by.is_none(), || format!("{by:?} has overtaken {id}"));
    case.overtaken.extend(passed.into_iter().map(|passed| (passed, (life, id.clone()))));
}

/// Earlier runs of the same pipeline and priority that wait still, and that were asked for and acknowledged before this one
/// was asked for. One of them may be being cancelled, and not on disk as such yet: if it begins to run, it was not.
fn overtaken(case: &Case, new: &RunRecord) -> Vec<RunRef> {
    let Some((asked, _)) = case.claims.spans.get(&new.id) else { return Vec::new() };
    let earlier = |of: &RunRecord| {
        of.id.pipeline == new.id.pipeline
            && of.id.run < new.id.run
            && of.state == RunState::Queued
            && of.priority == new.priority
            && of.parent.is_some() == new.parent.is_some()
            && of.cancel.is_none()
            && !case.damaged.contains(&of.id)
            && case.claims.spans.get(&of.id).is_some_and(|(_, acknowledged)| acknowledged < asked)
    };
    let all = case.ledger.runs.values().map(|view| &view.record);
    all.filter(|of| earlier(of)).map(|of| of.id.clone()).collect()
}

fn task(case: &mut Case, old: Option<&TaskRunRecord>, new: &TaskRunRecord) {
    let (id, was) = (&new.id, old.map_or(TaskState::Waiting, |old| old.state));
    if let Some(old) = old.filter(|old| old.state.is_terminal()) {
        let same = (old.state, old.exit_code, old.ended, &old.attempts)
            == (new.state, new.exit_code, new.ended, &new.attempts);
        case.tally.holds(9, same, || format!("{id}: {} becomes {}", old.state, new.state));
    } else {
        // an attempt that is followed by another goes from running back to pending
        let allowed = was <= new.state || (was, new.state) == (TaskState::Running, TaskState::Pending);
        case.tally.holds(10, allowed, || format!("{id}: {was} becomes {}", new.state));
    }
    if new.state == TaskState::Skipped {
        case.tally.holds(3, new.attempts.is_empty(), || format!("{id} is skipped and has attempts"));
    }
}

/// Events are dense, and tell of what changed with them.
fn events(case: &mut Case, changes: &[Change]) {
    let mut told: BTreeSet<(String, String)> = BTreeSet::new();
    for change in changes {
        let Change::Event(event) = change else { continue };
        let expected = case.ledger.newest_event + 1;
        let seq = event.seq;
        case.tally.holds(29, seq == expected, || format!("event {seq} comes behind {}", expected - 1));
        case.ledger.newest_event = seq;
        if let EventKind::Task { state: TaskState::Running, attempt: Some(attempt), .. } = &event.kind {
            case.said_to_run.insert(attempt.clone());
        }
        match &event.kind {
            EventKind::Run { run, state, .. } => told.insert((run.to_string(), state.to_string())),
            EventKind::Task { task, state, .. } => told.insert((task.to_string(), state.to_string())),
            _ => false,
        };
    }
    for change in changes {
        if let Change::Attempt(_, _, _, new) = change
            && new.exit.is_some()
            && new.started.is_some()
        {
            let said = case.said_to_run.contains(&new.id);
            case.tally.holds(29, said, || format!("{} has run, and no event says so", new.id));
        }
        let (subject, state, changed) = match change {
            Change::Run(old, new) => {
                let changed = old.as_ref().is_none_or(|old| old.state != new.state);
                (new.id.to_string(), new.state.to_string(), changed)
            }
            Change::Task(_, _, old, new) => {
                let changed = old.as_ref().is_some_and(|old| old.state != new.state)
                    || (old.is_none() && new.state.is_terminal());
                (new.id.to_string(), new.state.to_string(), changed)
            }
            _ => continue,
        };
        if changed {
            let found = told.contains(&(subject.clone(), state.clone()));
            case.tally.holds(29, found, || format!("{subject} is {state}, and no event says so"));
        }
    }
}

/// What must hold of a whole run after each commit that touched it.
fn whole(case: &mut Case, id: &RunRef) {
    let Some(view) = case.ledger.runs.get(id) else { return };
    let record = &view.record;
    if case.damaged.contains(id) {
        return;
    }
    let all =
        view.tasks.len() >= record.tasks as usize && view.tasks.values().all(|task| task.state.is_terminal());
    let ended = record.state.is_terminal();
    let (state, count) = (record.state, (view.tasks.len(), record.tasks));
    let cut_short = set_aside(record);
    let folded = folded(case, id);
    case.tally.holds(7, ended == all || cut_short, || {
        format!("{id} is {state}, tasks {count:?}, all ended: {all}")
    });
    if ended && !cut_short {
        case.tally.holds(8, folded == Some(state), || format!("{id} is {state}, its tasks say {folded:?}"));
    }
}

fn set_aside(record: &RunRecord) -> bool {
    matches!(record.cause, Cause::Quarantined(_))
}

/// The end of a run that follows from its tasks.
fn folded(case: &Case, id: &RunRef) -> Option<RunState> {
    let view = case.ledger.runs.get(id)?;
    let config = case.ledger.config(&view.record)?;
    let excused = |task: &TaskRunRecord| {
        config.tasks.iter().any(|of| of.id.as_str() == task.id.task.base() && of.allow_failure)
    };
    let any = |states: &[TaskState], excuses: bool| {
        view.tasks.values().any(|task| states.contains(&task.state) && !(excuses && excused(task)))
    };
    Some(if view.record.cancel.is_some() {
        RunState::Cancelled
    } else if matches!(view.record.cause, Cause::RunDeadline(_)) {
        RunState::TimedOut
    } else if any(&[TaskState::Failed, TaskState::TimedOut, TaskState::Cancelled], true) {
        RunState::Failed
    } else if any(&[TaskState::Errored, TaskState::Lost], false) {
        RunState::Errored
    } else {
        RunState::Succeeded
    })
}

/// A stored version is a graph that can be walked.
pub(super) fn version(tally: &mut Tally, version: &VersionRecord) {
    let ids: Vec<&str> = version.config.tasks.iter().map(|task| task.id.as_str()).collect();
    let unique = ids.iter().collect::<BTreeSet<_>>().len() == ids.len();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    while let Some(next) = version.config.tasks.iter().find(|task| {
        !done.contains(task.id.as_str())
            && task.depends_on.keys().all(|parent| done.contains(parent.as_str()))
    }) {
        done.insert(next.id.as_str());
    }
    let walked = done.len() == ids.len();
    tally.holds(5, unique && walked, || format!("version {} of {}", version.version, version.pipeline));
}
