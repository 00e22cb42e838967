//! The laws about ends: that each is true, and that it follows from something.

use std::time::Duration;

use gofer_scheduler::TaskExit;
use gofer_types::{AttemptRecord, Cause, RunRef, RunState, TaskRunRecord, TaskState};

use super::starts::holds;
use super::{Case, Change, Seen};
use crate::world::clock::monotonic;

/// How exactly a time limit is measured.
const BREATH: Duration = Duration::from_millis(20);

pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// Judges the ends that a commit recorded.
pub(super) fn judge(case: &mut Case, changes: &[Change], now: Duration) {
    for change in changes {
        match change {
            Change::Attempt(run, _, old, new) => {
                if let Some(exit) = &new.exit
                    && old.as_ref().is_none_or(|old| old.exit.is_none())
                {
                    truth(case, run, new, exit);
                }
            }
            Change::Task(run, place, old, new) => {
                if let (Cause::Deadline(_), Some(last)) = (&new.cause, new.attempts.last()) {
                    case.over_at.entry(last.clone()).or_insert(now);
                }
                let ends = new.state.is_terminal() && old.as_ref().is_none_or(|old| !old.state.is_terminal());
                if ends {
                    follows(case, (run, *place), new);
                    in_time(case, run, new, now);
                }
            }
            _ => {}
        }
    }
}

/// What is recorded of the end of an attempt is what the backend saw.
fn truth(case: &mut Case, run: &RunRef, new: &AttemptRecord, exit: &Cause) {
    if new.scheduler.as_str() != "fake" {
        return;
    }
    let id = &new.id;
    let seen = case.witness.tasks.get(id);
    let really = seen.and_then(|seen| seen.exit.as_ref()).map(|exit: &TaskExit| exit.cause.clone());
    let forgotten = seen.is_some_and(Seen::is_forgotten);
    let by_us = case.ledger.runs.get(run).is_some_and(|view| view.record.cancel.is_some());
    let true_to_it = match exit {
        Cause::ExitCode(_) | Cause::Signal(_) | Cause::OutOfMemory => really.as_ref() == Some(exit),
        Cause::Lost(_) => forgotten || matches!(really, Some(Cause::Lost(_))) || seen.is_none(),
        // what ran and was forgotten before anybody knew of it cannot be told from what never ran
        // nor what a server that was taken over from has started behind our back
        Cause::CannotStart(_) => seen.is_none() || forgotten || case.two_at_once,
        _ => true,
    };
    let what =
        || format!("{id}: recorded {exit:?}, really {really:?}, cancelled {by_us}, seen {}", seen.is_some());
    case.tally.holds(12, true_to_it, what);
    if case.lived_through.contains(id) {
        let what = || format!("{id} ran at a crash: recorded {exit:?}, really {really:?}");
        case.tally.holds(18, true_to_it, what);
    }
}

/// The end of a task follows from the end of its last attempt, of a parent, or from a wish or limit.
fn follows(case: &mut Case, (run, place): (&RunRef, u32), new: &TaskRunRecord) {
    let Some(view) = case.ledger.runs.get(run) else { return };
    let last = view.attempts.range((place, 0)..=(place, u32::MAX)).next_back().map(|(_, attempt)| attempt);
    let exit = last.and_then(|attempt| attempt.exit.as_ref());
    let id = &new.id;
    if new.state == TaskState::Skipped {
        return skipped(case, run, new);
    }
    let cancelled = view.record.cancel.is_some();
    let fits = fits(new, exit, cancelled);
    let (state, cause) = (new.state, &new.cause);
    case.tally.holds(6, fits, || format!("{id} is {state}: {cause:?}; its last attempt: {exit:?}"));
    let observed = matches!(exit, Some(Cause::ExitCode(_)));
    let consistent = match (new.exit_code, exit) {
        (Some(code), Some(Cause::ExitCode(seen))) => code == *seen,
        (None, _) => !(observed && matches!(new.state, TaskState::Succeeded | TaskState::Failed)),
        _ => false,
    };
    if last.is_some() {
        case.tally
            .holds(12, consistent, || format!("{id}: exit code {:?}, its attempt {exit:?}", new.exit_code));
    }
}

/// Whether the cause of an end goes with it, and with the end of its last attempt.
fn fits(new: &TaskRunRecord, exit: Option<&Cause>, cancelled: bool) -> bool {
    match (new.state, &new.cause) {
        (TaskState::Succeeded, Cause::ExitCode(0)) => exit == Some(&Cause::ExitCode(0)),
        (TaskState::Succeeded, cause) => {
            matches!(cause, Cause::Reused { .. } | Cause::Approved(_) | Cause::FannedOut { .. })
                || matches!(cause, Cause::ChildRun { state: RunState::Succeeded, .. })
        }
        (TaskState::Failed, Cause::ExitCode(code)) => *code != 0 && exit == Some(&Cause::ExitCode(*code)),
        (TaskState::Failed, cause @ (Cause::Signal(_) | Cause::OutOfMemory)) => exit == Some(cause),
        (TaskState::Failed, cause) => matches!(
            cause,
            Cause::Rejected(_) | Cause::ChildRun { .. } | Cause::CannotKeep(_) | Cause::Deadline(_)
        ),
        (TaskState::Lost, cause) => matches!(cause, Cause::Lost(_)),
        (TaskState::Errored, cause) => {
            matches!(cause, Cause::CannotStart(_) | Cause::ChildRun { .. } | Cause::CannotKeep(_))
        }
        (TaskState::Cancelled, cause) => cancelled || matches!(cause, Cause::ChildRun { .. }),
        (TaskState::TimedOut, cause) => {
            matches!(cause, Cause::Deadline(_) | Cause::RunDeadline(_) | Cause::ChildRun { .. })
        }
        _ => false,
    }
}

/// A task is skipped because a condition of it cannot hold, or because it was not meant.
fn skipped(case: &mut Case, run: &RunRef, new: &TaskRunRecord) {
    let Some(view) = case.ledger.runs.get(run) else { return };
    let id = &new.id;
    let config = case.ledger.config(&view.record);
    let wanted = config.and_then(|config| config.tasks.iter().find(|of| of.id.as_str() == id.task.base()));
    let fanned = |of: &TaskRunRecord| of.fan_out.is_some() && of.state == TaskState::Succeeded;
    let broken = wanted.is_some_and(|task| {
        task.depends_on.iter().any(|(parent, condition)| {
            let of_parent = view.tasks.values().filter(|of| of.id.task.base() == parent.as_str());
            let ended = of_parent.filter(|of| of.state.is_terminal() && !fanned(of));
            ended.into_iter().any(|of| !holds(*condition, of.state))
        })
    });
    let other = matches!(new.cause, Cause::NotChosen | Cause::NothingListed);
    let cause = &new.cause;
    case.tally.holds(4, broken || other, || format!("{id} is skipped: {cause:?}"));
}

/// No time limit ends a task before its time. That of an attempt counts from when it began, or was decided on, that of a run from when
/// it was let in: the times that are recorded, since a commit may take long.
fn in_time(case: &mut Case, run: &RunRef, new: &TaskRunRecord, now: Duration) {
    let Some(view) = case.ledger.runs.get(run) else { return };
    let last = new.attempts.last();
    let attempt = last.and_then(|last| view.attempts.values().find(|attempt| attempt.id == *last));
    let (limit, decided, committed) = match (new.state, &new.cause) {
        (TaskState::TimedOut, Cause::Deadline(limit)) => {
            let committed = last.and_then(|last| case.intended_at.get(last));
            (*limit, attempt.map(|attempt| attempt.created), committed)
        }
        (TaskState::TimedOut, Cause::RunDeadline(limit)) => {
            (*limit, view.record.started, case.began_at.get(run))
        }
        _ => return,
    };
    let (Some(decided), Some((committed, life))) = (decided, committed.copied()) else { return };
    // what an attempt was stopped for may have been its own limit, which counts from when it really began if that was told in time
    let own = matches!(new.cause, Cause::Deadline(_));
    let seen = last.and_then(|last| case.witness.tasks.get(last)).filter(|_| own);
    let told = last.and_then(|last| Some(case.told_at.get(last)? < case.over_at.get(last)?));
    let began = seen.filter(|_| told == Some(true));
    // once the wall has jumped its times say nothing about spans; a commit took a minute at most
    let decided = if case.wall_jumped { committed.saturating_sub(MINUTE) } else { monotonic(decided) };
    let since = began.map_or(decided, |seen| seen.began);
    let had = seen.and_then(|seen| seen.asked_to_stop).unwrap_or(now).saturating_sub(since);
    let late = had + BREATH >= limit || case.by_the_wall(life);
    let id = &new.id;
    case.tally.holds(37, late, || format!("{id} had {had:?} of {limit:?} before it was ended"));
}
