//! The laws about attempts: when one may begin, how many there may be, and what it must be preceded by.

use std::time::Duration;

use gofer_types::{AttemptId, AttemptRecord, Cause, Condition, Pipeline, RunRef, Task, TaskState};

use super::ends::MINUTE;
use super::{Case, Change, RunView};
use crate::world::clock::monotonic;

/// How exactly waits are measured: clocks are read at different moments of one step.
const BREATH: Duration = Duration::from_millis(20);

/// Judges the attempts that a commit recorded.
pub(super) fn judge(case: &mut Case, changes: &[Change], now: Duration) {
    // what is recorded in one commit with a cancel was decided before it
    let just: Vec<&RunRef> = changes.iter().filter_map(cancels).collect();
    for change in changes {
        let Change::Attempt(run, place, old, new) = change else { continue };
        if old.is_none() {
            case.intended_at.insert(new.id.clone(), (now, case.newest_life));
            let of = (run.clone(), *place, new.number);
            let same = case.names.insert(new.id.clone(), of.clone()).is_none_or(|before| before == of);
            let id = &new.id;
            case.tally.holds(20, same, || format!("{id} is the name of two attempts"));
            intended(case, (run, *place), new, now);
            if !just.contains(&run) {
                wanted(case, run, new);
            }
        }
        if new.started.is_some() && old.as_ref().is_none_or(|old| old.started.is_none()) {
            case.told_at.insert(new.id.clone(), now);
        }
        if new.exit.is_some() && old.as_ref().is_none_or(|old| old.exit.is_none()) {
            case.ended_at.insert(new.id.clone(), (now, case.newest_life));
        }
    }
}

/// The run that is cancelled by this change.
fn cancels(change: &Change) -> Option<&RunRef> {
    let Change::Run(Some(old), new) = change else { return None };
    (old.cancel.is_none() && new.cancel.is_some()).then_some(&new.id)
}

/// Behind a cancel only what cleans up begins.
fn wanted(case: &mut Case, run: &RunRef, new: &AttemptRecord) {
    let Case { ledger, tally, .. } = case;
    let Some(view) = ledger.runs.get(run).filter(|view| view.record.cancel.is_some()) else { return };
    let cleans =
        ledger.config(&view.record).and_then(|config| base_of(config, new)).is_some_and(|task| task.cleanup);
    tally.holds(35, cleans, || format!("{} begins behind a cancel", new.task));
}

pub(super) fn base_of<'a>(config: &'a Pipeline, new: &AttemptRecord) -> Option<&'a Task> {
    config.tasks.iter().find(|task| task.id.as_str() == new.task.task.base())
}

/// An attempt is recorded for the first time.
fn intended(case: &mut Case, (run, place): (&RunRef, u32), new: &AttemptRecord, now: Duration) {
    let (wall_jumped, before_boot, pauses) = (case.wall_jumped, case.before_boot, case.pauses);
    let Case { ledger, tally, witness, ended_at, limits, damaged, untold, .. } = case;
    let Some(view) = ledger.runs.get(run) else { return };
    let Some(config) = ledger.config(&view.record) else { return };
    let Some(task) = base_of(config, new) else { return };
    let id = &new.task;
    for (parent, condition) in &task.depends_on {
        let (ended, holds) = parent_allows(view, parent.as_str(), *condition);
        tally.holds(1, ended, || format!("{id} begins before the end of {parent}"));
        tally.holds(2, holds, || format!("{id} begins although {parent} is not {condition}"));
    }
    let most = task.retry.as_ref().map_or(1, |retry| retry.attempts);
    let number = new.number;
    tally.holds(38, number <= most, || format!("{id} has attempt {number} of {most}"));
    if number > 1 {
        let before = view.attempts.get(&(place, number - 1));
        let over = before.is_some_and(|before| is_over(before, witness));
        tally.holds(16, over, || format!("{id}: attempt {number} begins before the one before is over"));
        if before.is_some_and(|before| untold.contains(&before.id)) {
            tally.holds(21, over, || format!("{id}: attempt {number} begins beside the one before"));
        }
        let rest = task.retry.as_ref().map_or(Duration::ZERO, |retry| retry.backoff.get());
        let (committed, life) = before.and_then(|one| ended_at.get(&one.id)).copied().unwrap_or((now, 0));
        // it counts from the end itself, which is seen late where the process stands still: then its times have to do; once the
        // wall has jumped these say nothing either, and a commit took a minute at most
        let seen = before.and_then(|before| witness.tasks.get(&before.id)).filter(|_| !pauses);
        let told = before.and_then(|before| before.ended).filter(|_| !wall_jumped).map(monotonic);
        let ended = seen.and_then(|seen| seen.ended).or(told);
        let waited = now.saturating_sub(ended.unwrap_or_else(|| committed.saturating_sub(MINUTE)));
        let long_enough = (wall_jumped && life <= before_boot) || waited + BREATH >= rest;
        tally.holds(38, long_enough, || {
            format!("{id}: attempt {number} begins {waited:?} behind the last, not {rest:?}")
        });
    }
    let executes = task.action.is_run_by_a_scheduler() && !task.fans_out_late();
    if executes {
        let open = ledger
            .runs
            .iter()
            .filter(|(run, _)| !damaged.contains(*run))
            .flat_map(|(_, view)| view.attempts.values())
            .filter(|attempt| attempt.exit.is_none() && attempt.scheduler.as_str() == "fake")
            .count();
        tally.holds(32, open <= limits.2, || format!("{open} tasks run at once, {} may", limits.2));
    }
}

/// Whether an attempt is over: it was seen to end, it never began, or it is recorded as lost.
fn is_over(before: &AttemptRecord, witness: &super::Witness) -> bool {
    let fenced = matches!(before.exit, Some(Cause::Lost(_)));
    before.exit.is_some() && (fenced || !witness.is_alive(&before.id))
}

/// Whether all that a parent stands for has ended, and as is asked for.
fn parent_allows(view: &RunView, parent: &str, condition: Condition) -> (bool, bool) {
    let of: Vec<_> = view.tasks.values().filter(|task| task.id.task.base() == parent).collect();
    let ended = !of.is_empty() && of.iter().all(|task| task.state.is_terminal());
    let fanned =
        |task: &gofer_types::TaskRunRecord| task.fan_out.is_some() && task.state == TaskState::Succeeded;
    let holds = of.iter().all(|task| fanned(task) || holds(condition, task.state));
    (ended, holds)
}

/// The conditions, written once more from the documents and not taken from the code.
pub(super) fn holds(condition: Condition, state: TaskState) -> bool {
    let failed = ["failed", "errored", "lost", "timed_out"].contains(&state.as_str());
    match condition {
        Condition::Successful => state == TaskState::Succeeded,
        Condition::Failure => failed,
        Condition::Any => failed || state == TaskState::Succeeded,
        Condition::Always => failed || ["succeeded", "skipped", "cancelled"].contains(&state.as_str()),
    }
}

/// Something began at the scheduler.
pub(super) fn began(case: &mut Case, id: &AttemptId, now: Duration) {
    // what the scheduler forgot before anybody knew of it cannot be told from what never began; nor does a server that was taken
    // over from know what its successor has seen
    let seen = case.ledger.attempt(id).is_some_and(|attempt| attempt.started.is_some());
    let known = seen && !case.two_at_once;
    let once = case.witness.tasks.get(id).is_none_or(|seen| seen.is_forgotten() && !known);
    case.tally.holds(15, once, || format!("{id} begins twice"));
    if case.untold.contains(id) {
        case.tally.holds(21, once, || format!("{id} begins again, and nobody was told of the first time"));
    }
    let Some(task) = case.ledger.attempt(id).map(|one| one.task.clone()) else {
        case.witness.began(id, now);
        return;
    };
    let siblings = case.ledger.runs.get(&task.run).into_iter().flat_map(|view| view.attempts.values());
    let beside: Vec<AttemptId> = siblings
        .filter(|one| one.task == task && one.id != *id)
        .filter(|one| case.witness.is_alive(&one.id) && !matches!(one.exit, Some(Cause::Lost(_))))
        .map(|one| one.id.clone())
        .collect();
    case.tally.holds(16, beside.is_empty(), || format!("{task}: {id} begins beside {beside:?}"));
    case.witness.began(id, now);
}
