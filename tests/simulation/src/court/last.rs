//! The laws about the whole, when everything is well again and the time that this may take is over.

use std::collections::BTreeMap;
use std::time::Duration;

use gofer_proto::v1;
use gofer_types::{AttemptId, Cause, RunRef, RunState, TaskState};

use super::claims::Read;
use super::starts::base_of;
use super::{Case, EXPLAINED, RunView, Seen};
use crate::world::TASK_LIMIT;

/// What the server says when the history is over.
#[derive(Debug, Default)]
pub struct Answers {
    /// How it stands.
    pub status: v1::GetStatusResponse,
    /// What is said about each run: its explanation and those of its tasks.
    pub explained: BTreeMap<RunRef, (v1::ExplainRunResponse, Vec<v1::ExplainedTask>)>,
    /// The runs about which it says nothing, and what it says instead.
    pub refused: BTreeMap<RunRef, String>,
    /// The output of each task of each run.
    pub output: BTreeMap<(RunRef, String), Vec<Read>>,
    /// The whole log of events, as places.
    pub events: Vec<u64>,
    /// How many things are left at the scheduler.
    pub left: usize,
}

/// Judges the history as a whole.
pub fn judge(case: &mut Case, answers: &Answers) {
    ended(case, answers);
    overstayed(case);
    acknowledged(case);
    told(case, answers);
    counts(case, answers);
    output(case, answers);
    followed(case, answers);
    explained(case, answers);
}

/// Every run has ended.
fn ended(case: &mut Case, answers: &Answers) {
    let Case { ledger, tally, damaged, .. } = case;
    for (id, view) in &ledger.runs {
        if !damaged.contains(id) {
            let (state, cause) = (view.record.state, &view.record.cause);
            tally.holds(30, state.is_terminal(), || format!("{id} is still {state}: {cause:?}"));
        }
    }
    for id in damaged.iter() {
        let refused = answers.refused.get(id).is_some_and(|said| said.contains("set aside"));
        let known = ledger.runs.get(id).is_none_or(|view| view.record.state.is_terminal());
        tally.holds(25, refused || known, || format!("{id} is damaged: {:?}", answers.refused.get(id)));
    }
    let dense = answers.events.windows(2).all(|pair| pair[1] == pair[0] + 1);
    let whole = answers.events.last().copied().unwrap_or(0) >= answers.status.last_event;
    let (first, last) = (answers.events.first(), answers.events.last());
    let said = answers.status.last_event;
    tally.holds(29, dense && whole, || format!("events {first:?} to {last:?} of {said}, dense {dense}"));
}

/// How late a limit may be obeyed once all is well.
const LATE: Duration = Duration::from_secs(10);

/// Nothing runs for longer than it may, however often the server was killed meanwhile: the limit counts from when it was on disk that
/// the attempt runs, or else from when it really began; and what was over when all became well is ended then.
fn overstayed(case: &mut Case) {
    let Some(healed) = case.healed else { return };
    let all = case.ledger.runs.values().filter(|view| !case.damaged.contains(&view.record.id));
    let mut found = Vec::new();
    for (view, attempt) in all.flat_map(|view| view.attempts.values().map(move |attempt| (view, attempt))) {
        let Some(seen) = case.witness.tasks.get(&attempt.id) else { continue };
        let Some(task) = case.ledger.config(&view.record).and_then(|config| base_of(config, attempt)) else {
            continue;
        };
        let life = case.intended_at.get(&attempt.id).map_or(0, |(_, life)| *life);
        let limit = task.timeout.map_or(Duration::from_secs(TASK_LIMIT), gofer_types::Span::get);
        let from = case.told_at.get(&attempt.id).copied().unwrap_or(seen.began);
        let until = seen.asked_to_stop.into_iter().chain(seen.ended).min().unwrap_or(Duration::MAX);
        let most = (from + limit).max(healed) + LATE;
        if !case.by_the_wall(life) {
            found.push((attempt.id.clone(), until <= most, (seen.began, until, most)));
        }
    }
    for (id, holds, times) in found {
        case.tally.holds(37, holds, || format!("{id} began, was to end, and had to: {times:?}"));
    }
}

/// What clients were promised is there.
fn acknowledged(case: &mut Case) {
    let Case { ledger, tally, claims, deletes, wall_jumped, damaged, .. } = case;
    for run in &claims.runs {
        let there = ledger.runs.contains_key(run) || *deletes || damaged.contains(run);
        tally.holds(22, there, || format!("{run} was acknowledged and is not there"));
    }
    for ((pipeline, key), runs) in &claims.keys {
        let mut runs = runs.clone();
        runs.sort();
        runs.dedup();
        let stored = ledger.runs.values().filter(|view| {
            view.record.id.pipeline == *pipeline && view.record.idempotency_key.as_deref() == Some(key)
        });
        let once = *wall_jumped || *deletes || (runs.len() <= 1 && stored.count() <= 1);
        tally.holds(23, once, || format!("{key} of {pipeline} stands for {runs:?}"));
    }
}

/// What is told agrees with what is on disk.
fn told(case: &mut Case, answers: &Answers) {
    let Case { ledger, tally, .. } = case;
    for (id, (said, _)) in &answers.explained {
        // what was deleted since is told of no more
        let Some(view) = ledger.runs.get(id) else { continue };
        let stored = Some(view.record.state.as_str());
        let state = said.run.as_ref().map(|run| run.state().as_str_name().to_lowercase());
        let same = state.as_deref().and_then(|state| state.strip_prefix("run_state_")) == stored;
        tally.holds(28, same, || format!("{id} is {stored:?}, and told to be {state:?}"));
    }
}

/// Nothing is held any more.
fn counts(case: &mut Case, answers: &Answers) {
    let Case { tally, witness, ledger, damaged, .. } = case;
    let status = &answers.status;
    let alive: Vec<&AttemptId> = witness.tasks.keys().filter(|id| witness.is_alive(id)).collect();
    // what a run that is set aside had started is left alone, until somebody decides
    let excused = |id: &AttemptId| {
        damaged
            .iter()
            .filter_map(|run| ledger.runs.get(run))
            .any(|view| view.attempts.values().any(|attempt| attempt.id == *id))
    };
    let stray: Vec<_> = alive.iter().filter(|id| !excused(id)).collect();
    let none = stray.is_empty() && (answers.left == 0 || !damaged.is_empty());
    tally.holds(19, none, || format!("{} things are left, alive: {stray:?}", answers.left));
    let held = (status.queued_runs, status.running_runs, status.running_tasks);
    tally.holds(27, held == (0, 0, 0), || format!("queued, running, tasks: {held:?}"));
    let unended =
        ledger.runs.iter().filter(|(id, view)| !view.record.state.is_terminal() && !damaged.contains(*id));
    let count = unended.count() as u64;
    tally.holds(26, status.queued_runs + status.running_runs == count, || {
        format!("{count} runs have not ended, {} are looked after", status.queued_runs + status.running_runs)
    });
}

/// What was printed is there, or is told as missing.
fn output(case: &mut Case, answers: &Answers) {
    let attempts: Vec<_> = case
        .ledger
        .runs
        .iter()
        .filter(|(id, view)| readable(case, id, view))
        .flat_map(|(id, view)| view.attempts.values().map(move |attempt| (id.clone(), attempt.clone())))
        .filter(|(_, attempt)| attempt.scheduler.as_str() == "fake")
        .collect();
    for (run, attempt) in attempts {
        let key = (run, attempt.task.task.to_string());
        let Some(read) = answers.output.get(&key) else { continue };
        let Some(seen) = case.witness.tasks.get(&attempt.id).cloned() else { continue };
        if matches!(attempt.exit, Some(Cause::CannotStart(_))) {
            // it was forgotten before the server knew of it
            continue;
        }
        // the limit is told where it was reached, for all that follows
        let full =
            |entry: &Read| entry.gap.as_ref().is_some_and(|(_, why)| why.contains("reached its limit"));
        let own = |entry: &&Read| entry.attempt == attempt.number || full(entry);
        let read: Vec<&Read> = read.iter().filter(own).collect();
        one_output(case, &attempt, &read, &seen);
    }
}

/// Who followed the output of a run to its end was given all of it.
fn followed(case: &mut Case, answers: &Answers) {
    for (run, told) in std::mem::take(&mut case.claims.followed) {
        let Some(view) = case.ledger.runs.get(&run) else { continue };
        if case.deletes || !readable(case, &run, view) {
            continue;
        }
        let all = answers.output.iter().filter(|((of, _), _)| *of == run);
        let short: Vec<_> = all
            .map(|((_, task), read)| (task.clone(), told.get(task).map_or(0, Vec::len), read.len()))
            .filter(|(_, told, read)| told < read)
            .collect();
        case.tally.holds(51, short.is_empty(), || format!("a follower of {run} was told less: {short:?}"));
    }
}

fn readable(case: &Case, id: &RunRef, view: &RunView) -> bool {
    !case.damaged.contains(id)
        && view.record.state.is_terminal()
        && view.record.logs_deleted.is_none()
        && !case.claims.output_deleted.contains(id)
        && !matches!(view.record.cause, Cause::Quarantined(_))
}

fn one_output(case: &mut Case, attempt: &gofer_types::AttemptRecord, read: &[&Read], seen: &Seen) {
    let gaps: Vec<Option<u64>> = read.iter().filter_map(|entry| Some(entry.gap.as_ref()?.0)).collect();
    let stored = |stream: &str| -> Vec<u8> {
        let of = read.iter().filter(|entry| entry.gap.is_none() && entry.stream == stream);
        of.flat_map(|entry| entry.data.clone()).collect()
    };
    let empty = Vec::new();
    let (mut same, mut part, mut missing, mut total) = (true, true, 0_u64, 0_u64);
    for stream in ["out", "err"] {
        let printed = seen.printed.get(stream).unwrap_or(&empty);
        let stored = stored(stream);
        same &= *printed == stored;
        part &= is_part(&stored, printed);
        missing += (printed.len() as u64).saturating_sub(stored.len() as u64);
        total += stored.len() as u64;
    }
    let (task, number) = (&attempt.task, attempt.number);
    let told: u64 = gaps.iter().flatten().sum();
    let unknown = gaps.iter().any(Option::is_none);
    // nobody knows what one that was forgotten had printed
    let accounted = part && (missing == 0 || unknown || told >= missing || seen.again);
    let what = || format!("{task} attempt {number}: {missing} bytes are missing, gaps {gaps:?}, part {part}");
    case.tally.holds(51, accounted, what);
    let lost_by_backend = seen.again || seen.lost != (0, false) || seen.exit.is_none() || is_lost(seen);
    if !case.logs_disturbed && !lost_by_backend && gaps.is_empty() {
        case.tally
            .holds(50, same, || format!("{task} attempt {number}: {missing} bytes are missing, and no gap"));
        let odd = seen.printed.values().any(|bytes| bytes.contains(&0));
        if odd {
            case.tally.holds(53, same, || format!("{task} attempt {number} printed odd bytes"));
        }
    }
    let limit = case.log_limit;
    case.tally.holds(54, total <= limit, || format!("{task}: {total} bytes are stored, {limit} may be"));
}

fn is_lost(seen: &Seen) -> bool {
    seen.exit.as_ref().is_some_and(|exit| matches!(exit.cause, Cause::Lost(_)))
}

/// Whether bytes are others with pieces left out.
fn is_part(some: &[u8], whole: &[u8]) -> bool {
    let mut rest = whole.iter();
    some.iter().all(|byte| rest.any(|other| other == byte))
}

/// What `run explain` says is true: it names the evidence for each end.
fn explained(case: &mut Case, answers: &Answers) {
    let Case { ledger, tally, .. } = case;
    for (id, (about, tasks)) in &answers.explained {
        let Some(view) = ledger.runs.get(id) else { continue };
        let text = about.about.as_ref().map(|about| about.text.to_lowercase()).unwrap_or_default();
        let words = run_words(view.record.state);
        let found = words.iter().any(|word| text.contains(word));
        tally.holds(EXPLAINED, found, || format!("{id} is {}: {text:?}", view.record.state));
        for told in tasks {
            let Some(task) = &told.task else { continue };
            let Some(stored) = view.tasks.values().find(|of| of.id.task.as_str() == task.task) else {
                continue;
            };
            let text = told.about.as_ref().map(|about| about.text.to_lowercase()).unwrap_or_default();
            let evidence = evidence(stored.state, &stored.cause);
            let found = evidence.iter().any(|word| text.contains(word.as_str()));
            let (state, cause) = (stored.state, &stored.cause);
            tally.holds(EXPLAINED, found, || format!("{}: {state}, {cause:?}: {text:?}", stored.id));
        }
    }
}

/// The words of which the explanation of a run has one.
fn run_words(state: RunState) -> &'static [&'static str] {
    match state {
        RunState::Queued => &["wait"],
        RunState::Running => &["run"],
        RunState::Succeeded => &["succe", "done", "nothing"],
        RunState::Failed => &["fail", "ran out of time", "cancel", "reject"],
        RunState::Errored => &["error", "lost", "could not be run"],
        RunState::Cancelled => &["cancel"],
        RunState::TimedOut => &["limit"],
    }
}

/// The words of which the explanation of an end has one.
fn evidence(state: TaskState, cause: &Cause) -> Vec<String> {
    let words: &[&str] = match (state, cause) {
        (_, Cause::ExitCode(code)) => return vec![format!("code {code}"), format!("code: {code}")],
        (_, Cause::Signal(signal)) => return vec![format!("signal {signal}")],
        (_, Cause::ParentState { task, .. }) => return vec![task.to_string()],
        (_, Cause::ChildRun { run, .. }) => return vec![run.run.to_string()],
        (_, Cause::OutOfMemory) => &["memory"],
        (_, Cause::Lost(_)) => &["lost", "known"],
        (_, Cause::CannotStart(_)) => &["start"],
        (_, Cause::Cancelled(_)) => &["cancel"],
        (_, Cause::Deadline(_) | Cause::RunDeadline(_)) => &["time", "limit", "answer"],
        (_, Cause::Reused { .. }) => &["earlier", "run"],
        (_, Cause::NotChosen) => &["only", "not", "chosen"],
        _ => &[""],
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}
