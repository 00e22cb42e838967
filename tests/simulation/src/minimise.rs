//! A failing plan made shorter: whatever can be left out while the same law stays broken is left out.
//!
//! Steps, then pipelines' tasks, then kinds of faults; halves first, then single ones (the delta debugging of Zeller and
//! Hildebrandt, 2002, without its complements).

use crate::child::play_apart;
use crate::plan::{Plan, SchedulerFaults, StorageFaults};

/// The law that a broken line names.
#[must_use]
pub fn law(line: &str) -> &str {
    line.split(':').next().unwrap_or_default()
}

/// Makes a failing plan shorter; `tried` hears of each attempt. Plans that do not fail are answered as they are.
pub fn minimise(plan: &Plan, mut tried: impl FnMut(&Plan, bool)) -> Plan {
    let broken_by = |plan: &Plan| play_apart(plan).map(|summary| summary.tally.broken).unwrap_or_default();
    let Some(first) = broken_by(plan).first().map(|line| law(line).to_owned()) else {
        return plan.clone();
    };
    let mut fails = |candidate: &Plan| {
        let broken = broken_by(candidate);
        let same = broken.iter().any(|line| law(line) == first);
        tried(candidate, same);
        same
    };
    let mut best = plan.clone();
    loop {
        let before = best.clone();
        best = fewer_steps(best, &mut fails);
        best = quieter(best, &mut fails);
        best = fewer_tasks(best, &mut fails);
        if best == before {
            return best;
        }
    }
}

fn fewer_steps(mut best: Plan, fails: &mut impl FnMut(&Plan) -> bool) -> Plan {
    let mut size = best.steps.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < best.steps.len() {
            let mut candidate = best.clone();
            candidate.steps.drain(at..(at + size).min(best.steps.len()));
            if fails(&candidate) {
                best = candidate;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    best
}

/// Kinds of faults that the failure does not need.
fn quieter(mut best: Plan, fails: &mut impl FnMut(&Plan) -> bool) -> Plan {
    let kinds: [fn(&mut Plan); 11] = [
        |plan| plan.setting.scheduler = SchedulerFaults::default(),
        |plan| plan.setting.storage = StorageFaults::default(),
        |plan| plan.setting.scheduler.slow = 0,
        |plan| plan.setting.scheduler.start_refused = 0,
        |plan| plan.setting.scheduler.start_ambiguous = 0,
        |plan| plan.setting.scheduler.start_hangs = 0,
        |plan| plan.setting.scheduler.exit_late = 0,
        |plan| plan.setting.scheduler.logs_break = 0,
        |plan| plan.setting.scheduler.stop_fails = 0,
        |plan| plan.setting.scheduler.other_fails = 0,
        |plan| plan.setting.scheduler.wait_fails = 0,
    ];
    for quiet in kinds {
        let mut candidate = best.clone();
        quiet(&mut candidate);
        if candidate != best && fails(&candidate) {
            best = candidate;
        }
    }
    best
}

fn fewer_tasks(mut best: Plan, fails: &mut impl FnMut(&Plan) -> bool) -> Plan {
    for pipeline in 0..best.pipelines.len() {
        let mut at = best.pipelines[pipeline].tasks.len();
        while at > 0 {
            at -= 1;
            if best.pipelines[pipeline].tasks.len() < 2 {
                break;
            }
            let mut candidate = best.clone();
            let gone = candidate.pipelines[pipeline].tasks.remove(at);
            for task in &mut candidate.pipelines[pipeline].tasks {
                task.parents.retain(|(parent, _)| *parent != gone.id);
            }
            if fails(&candidate) {
                best = candidate;
            }
        }
    }
    best
}
