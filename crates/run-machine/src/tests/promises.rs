//! The promises about a run as named predicates. Each looks at what was told, decided and recorded, says how often it had
//! something to judge, and panics where the promise is broken. One that never had anything to judge proves nothing, and fails.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gofer_types::{Cause, RunState, TaskState};

use super::graphs::Layout;
use super::records::Records;
use super::rules::holds;
use crate::{Decision, Fact};

/// What the bench has told so far: the witness beside the records.
#[derive(Default)]
pub(super) struct Told {
    /// The attempts whose time limit passed.
    pub(super) overdue: BTreeSet<(u32, u32)>,
    pub(super) run_overdue: bool,
    pub(super) rested: BTreeSet<(u32, u32)>,
    pub(super) away: BTreeSet<(u32, u32)>,
    /// The tasks that have a slot.
    pub(super) held: BTreeSet<u32>,
    /// The exit codes of the tasks that ended with one.
    pub(super) codes: BTreeMap<u32, i32>,
    /// Whether the run had ended before the fact.
    pub(super) was_over: bool,
}

/// A moment: before one decision of a step is written, or, without one, behind the whole step.
pub(super) struct Moment<'a> {
    pub(super) records: &'a Records,
    pub(super) layout: &'a Layout,
    pub(super) told: &'a Told,
    pub(super) fact: &'a Fact,
    pub(super) decision: Option<&'a Decision>,
}

type Predicate = fn(&Moment<'_>) -> u64;

const PREDICATES: [(&str, Predicate); 14] = [
    ("INV-1 parents have ended before a task starts", parents_have_ended),
    ("INV-2 the conditions of a task that starts hold", conditions_hold),
    ("INV-3 what cannot start any more is skipped, and has no attempt", skipped_has_no_attempt),
    ("INV-4 nothing is skipped without a reason", skipped_for_a_reason),
    ("INV-7 a run ends with its last task, and no sooner", ends_with_its_tasks),
    ("INV-8 the result of a run follows from its tasks", result_is_the_fold),
    ("INV-9 an end is final", an_end_is_final),
    ("INV-10 states go forwards", states_go_forwards),
    ("INV-12 an exit code is there if one was observed, and only then", code_was_observed),
    ("INV-16 an attempt begins when nothing is left of the one before", one_attempt_at_a_time),
    ("INV-35 nothing but clean-up starts behind a cancel", nothing_starts_behind_a_cancel),
    ("INV-36 an exit before the cancel keeps its code", exit_before_cancel_stays),
    ("INV-37 no time limit ends anything before it passed", no_early_deadline),
    ("INV-38 there are no more attempts than allowed, nor shorter waits", retries_follow_the_rule),
];

/// What else the bench counts by name.
const COUNTED: [&str; 4] = [
    "INV-6 the order of independent facts does not matter",
    "INV-24 a restart goes on where the records stop",
    "INV-27 slots are held by attempts, and by nobody at the end",
    "INV-30 a run comes to its end",
];

/// How often each promise had something to judge.
#[derive(Default)]
pub(super) struct Promises {
    judged: [Cell<u64>; PREDICATES.len()],
    counted: [Cell<u64>; COUNTED.len()],
}

impl Promises {
    pub(super) fn judge(&self, moment: &Moment<'_>) {
        for ((_, predicate), judged) in PREDICATES.iter().zip(&self.judged) {
            judged.set(judged.get() + predicate(moment));
        }
    }

    /// Something was judged elsewhere, by this name.
    pub(super) fn count(&self, name: &str) {
        let at = COUNTED.iter().position(|known| known.split(' ').next() == Some(name)).unwrap();
        self.counted[at].set(self.counted[at].get() + 1);
    }

    /// Prints how often each was judged, and fails if one of these never was.
    pub(super) fn conclude(&self, not_here: &[&str]) {
        let judged = PREDICATES.iter().map(|(name, _)| *name).zip(&self.judged);
        let all: Vec<(&str, u64)> = judged
            .chain(COUNTED.iter().copied().zip(&self.counted))
            .map(|(name, count)| (name, count.get()))
            .collect();
        all.iter().for_each(|(name, count)| println!("{count:>10}  {name}"));
        let is_here = |name: &str| !not_here.iter().any(|other| name.split(' ').next() == Some(other));
        let never: Vec<&str> =
            all.iter().filter(|(name, count)| *count == 0 && is_here(name)).map(|(name, _)| *name).collect();
        assert!(never.is_empty(), "never judged, so not proven: {never:?}");
    }
}

/// The places whose ends a place asks for, with whether what it asks holds; `None` for those that have not ended.
fn parents<'a>(moment: &'a Moment<'_>, place: usize) -> impl Iterator<Item = (usize, Option<bool>)> + 'a {
    let asked = moment.layout.task(place).parents.iter();
    asked.flat_map(|(parent, condition)| {
        moment.layout.places_of[*parent].iter().map(|at| {
            let state = moment.records.state(*at);
            let became = state == TaskState::Succeeded && moment.layout.became[*at];
            (*at, state.is_terminal().then(|| became || holds(*condition, state)))
        })
    })
}

fn started(moment: &Moment<'_>) -> Option<(usize, u32)> {
    match moment.decision {
        Some(Decision::Start(task, attempt)) => Some((*task as usize, *attempt)),
        _ => None,
    }
}

fn parents_have_ended(moment: &Moment<'_>) -> u64 {
    let Some((place, _)) = started(moment) else { return 0 };
    let mut judged = 0;
    for (parent, held) in parents(moment, place) {
        assert!(held.is_some(), "place {place} starts before its parent {parent} has ended");
        assert!(
            !moment.told.held.contains(&u32::try_from(parent).unwrap()),
            "an attempt of {parent} is there"
        );
        judged += 1;
    }
    judged
}

fn conditions_hold(moment: &Moment<'_>) -> u64 {
    let Some((place, _)) = started(moment) else { return 0 };
    let mut judged = 0;
    for (parent, held) in parents(moment, place) {
        assert_eq!(held, Some(true), "place {place} starts in spite of its parent {parent}");
        judged += 1;
    }
    judged
}

fn skipped_has_no_attempt(moment: &Moment<'_>) -> u64 {
    if moment.decision.is_some() {
        return 0;
    }
    let mut judged = 0;
    for place in 0..moment.layout.of.len() {
        match moment.records.state(place) {
            // reading an empty list is no attempt of the author's task
            TaskState::Skipped if !moment.layout.reads_values(place) => {
                assert_eq!(moment.records.attempt(place), 0, "place {place} is skipped");
                judged += 1;
            }
            TaskState::Waiting if moment.records.run.state == RunState::Running => {
                let lost = parents(moment, place).any(|(_, holds)| holds == Some(false));
                assert!(!lost, "place {place} waits in vain");
                let ready = parents(moment, place).all(|(_, holds)| holds == Some(true));
                assert!(!ready, "place {place} waits for nobody");
            }
            _ => {}
        }
    }
    judged
}

fn skipped_for_a_reason(moment: &Moment<'_>) -> u64 {
    let Some(Decision::Task { task, state: TaskState::Skipped, cause, .. }) = moment.decision else {
        return 0;
    };
    let place = *task as usize;
    let named = moment.layout.read_by[place].unwrap_or(place);
    let right = match cause {
        Cause::NotChosen => {
            let named = u32::try_from(named).unwrap();
            moment.records.run.chosen.as_ref().is_some_and(|chosen| !chosen.contains(named))
        }
        Cause::NothingListed => moment.layout.reads_values(place),
        _ => parents(moment, place).any(|(_, holds)| holds == Some(false)),
    };
    assert!(right, "place {place} is skipped because of {cause:?}");
    1
}

fn ends_with_its_tasks(moment: &Moment<'_>) -> u64 {
    if moment.decision.is_some() {
        let silent = matches!(moment.decision, Some(Decision::Free(_)));
        assert!(!moment.told.was_over || silent, "something follows the end of the run");
        return 0;
    }
    let mut places = 0..moment.layout.of.len();
    let all = places.all(|place| moment.records.state(place).is_terminal());
    let over = moment.records.run.state.is_terminal();
    assert_eq!(over, all, "whether the run is over, and whether its tasks are");
    u64::from(over)
}

fn result_is_the_fold(moment: &Moment<'_>) -> u64 {
    let Some(Decision::Run(state, _)) = moment.decision else { return 0 };
    if !state.is_terminal() {
        return 0;
    }
    let run = &moment.records.run;
    let ends = (0..moment.layout.of.len())
        .map(|place| (moment.records.state(place), moment.layout.task(place).allow_failure));
    let (mut failed, mut errored) = (false, false);
    for (end, excused) in ends {
        failed |= matches!(end, TaskState::Failed | TaskState::TimedOut | TaskState::Cancelled) && !excused;
        errored |= matches!(end, TaskState::Errored | TaskState::Lost);
    }
    let right = match state {
        RunState::Cancelled => run.cancel.is_some(),
        RunState::TimedOut => run.cancel.is_none() && moment.told.run_overdue,
        RunState::Failed => failed,
        RunState::Errored => errored && !failed,
        _ => !failed && !errored && run.cancel.is_none(),
    };
    assert!(right, "the run ends as {state}");
    1
}

fn an_end_is_final(moment: &Moment<'_>) -> u64 {
    let Some(Decision::Task { task, .. }) = moment.decision else { return 0 };
    let state = moment.records.state(*task as usize);
    assert!(!state.is_terminal(), "place {task} had ended as {state}");
    1
}

fn states_go_forwards(moment: &Moment<'_>) -> u64 {
    let Some(Decision::Task { task, state, cause, .. }) = moment.decision else { return 0 };
    let rank = |state: TaskState| match state {
        TaskState::Waiting => 0,
        TaskState::Pending => 1,
        TaskState::Running => 2,
        _ => 3,
    };
    let was = moment.records.state(*task as usize);
    let again = matches!(cause, Cause::WaitingForRetry { .. });
    assert!(rank(*state) >= rank(was) || again, "{state} after {was}");
    u64::from(rank(*state) > rank(was))
}

fn code_was_observed(moment: &Moment<'_>) -> u64 {
    let Some(Decision::Task { task, state, exit_code, .. }) = moment.decision else { return 0 };
    let observed = match moment.fact {
        Fact::Ended(of, _, Cause::ExitCode(code)) | Fact::EndedInTime(of, _, Cause::ExitCode(code)) => {
            Some(*code).filter(|_| of == task)
        }
        _ => None,
    };
    let expected = observed.filter(|_| state.is_terminal());
    assert_eq!(*exit_code, expected, "the exit code of place {task}, which is {state}");
    u64::from(expected.is_some())
}

fn one_attempt_at_a_time(moment: &Moment<'_>) -> u64 {
    let Some((place, attempt)) = started(moment) else { return 0 };
    assert_eq!(moment.records.attempt(place) + 1, attempt, "the number of an attempt of {place}");
    let Some(before) = attempt.checked_sub(1).filter(|before| *before > 0) else { return 0 };
    let former = (u32::try_from(place).unwrap(), before);
    assert!(moment.told.away.contains(&former), "something may be left of {former:?}");
    assert!(moment.told.rested.contains(&former), "the wait behind {former:?} is not over");
    1
}

fn nothing_starts_behind_a_cancel(moment: &Moment<'_>) -> u64 {
    if moment.records.run.cancel.is_none() {
        return 0;
    }
    match moment.decision {
        Some(Decision::Start(task, _)) => {
            assert!(moment.layout.task(*task as usize).cleanup, "place {task} starts behind the cancel");
            1
        }
        Some(Decision::Run(state, _)) if state.is_terminal() => {
            assert_eq!(*state, RunState::Cancelled);
            1
        }
        _ => 0,
    }
}

fn exit_before_cancel_stays(moment: &Moment<'_>) -> u64 {
    if moment.decision.is_some() || !matches!(moment.fact, Fact::Cancel(_)) {
        return 0;
    }
    for (task, code) in &moment.told.codes {
        let record = &moment.records.tasks[task];
        assert_eq!(record.exit_code, Some(*code), "place {task} had ended before the cancel");
    }
    u64::try_from(moment.told.codes.len()).unwrap()
}

fn no_early_deadline(moment: &Moment<'_>) -> u64 {
    let told = moment.told;
    match moment.decision {
        Some(Decision::Task { task, state: TaskState::TimedOut, cause, .. }) => {
            let attempt = moment.records.attempt(*task as usize);
            let right = match cause {
                Cause::Deadline(limit) => {
                    assert!(*limit > Duration::ZERO);
                    told.overdue.contains(&(*task, attempt))
                }
                Cause::ChildRun { .. } => true,
                _ => told.run_overdue,
            };
            assert!(right, "place {task} timed out because of {cause:?}");
            1
        }
        Some(Decision::Stop(task, attempt, _)) => {
            let ours = moment.records.run.cancel.is_some() || told.run_overdue;
            assert!(ours || told.overdue.contains(&(*task, *attempt)), "place {task} is stopped");
            1
        }
        _ => 0,
    }
}

fn retries_follow_the_rule(moment: &Moment<'_>) -> u64 {
    match moment.decision {
        Some(Decision::Start(task, attempt)) => {
            let of = moment.layout.task(*task as usize).attempts;
            assert!(*attempt <= of, "attempt {attempt} of {of}");
            u64::from(*attempt > 1)
        }
        Some(Decision::Rest(task, attempt, wait)) => {
            let rule = moment.layout.task(*task as usize).wait(*attempt);
            assert!(*wait >= Duration::from_secs(rule), "a wait of {wait:?} behind attempt {attempt}");
            1
        }
        _ => 0,
    }
}
