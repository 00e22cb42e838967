//! A plan of a seed. Which kinds of faults a history has at all is drawn first, so that some histories are quiet in all but one.

use super::graphs::pipelines;
use super::{Act, CHAOS, Plan, SchedulerFaults, Setting, Step, StorageFaults};
use crate::chance::Dice;

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let setting = setting(&mut dice);
        let pipelines = pipelines(&mut dice);
        let mut steps = requests(&mut dice, pipelines.len());
        steps.extend(faults(&mut dice));
        steps.sort_by_key(|step| step.at);
        Self { seed, setting, pipelines, steps }
    }
}

/// A rate in a thousand: none in half of the histories.
fn rate(dice: &mut Dice, most: u64) -> u32 {
    if dice.per_mille(500) { 0 } else { u32::try_from(dice.between(1, most)).unwrap_or(0) }
}

fn setting(dice: &mut Dice) -> Setting {
    let all_well = dice.per_mille(100);
    let scheduler = SchedulerFaults {
        slow: rate(dice, 300),
        start_refused: rate(dice, 200),
        start_ambiguous: rate(dice, 200),
        start_hangs: rate(dice, 60),
        wait_fails: rate(dice, 200),
        exit_late: rate(dice, 200),
        logs_break: rate(dice, 200),
        stop_fails: rate(dice, 300),
        other_fails: rate(dice, 200),
    };
    let storage = StorageFaults { slow: rate(dice, 100), full: rate(dice, 50), read_fails: rate(dice, 20) };
    Setting {
        running_runs: (dice.weighted(&[(2, 1_000), (1, 3), (1, 1)]), dice.weighted(&[(3, 1_000), (1, 2)])),
        running_tasks: dice.weighted(&[(2, 1_000), (1, 4), (1, 1)]),
        starts_per_minute: dice.weighted(&[(4, 0), (1, 30)]),
        log_bytes: dice.weighted(&[(5, 1 << 20), (1, 20 << 10)]),
        keep: (dice.weighted(&[(3, 0), (1, 2)]), dice.weighted(&[(5, 0), (1, 3)])),
        scheduler: if all_well { SchedulerFaults::default() } else { scheduler },
        storage: if all_well { StorageFaults::default() } else { storage },
    }
}

/// What clients do. It begins with some runs, so that there is something to disturb.
fn requests(dice: &mut Dice, pipelines: usize) -> Vec<Step> {
    let mut steps: Vec<Step> = (0..pipelines)
        .map(|pipeline| Step { at: 10 * pipeline as u64, act: Act::Start { pipeline, key: 0, priority: 0 } })
        .collect();
    for _ in 0..dice.between(15, 50) {
        let at = dice.between(100, CHAOS);
        let pipeline = usize::try_from(dice.below(pipelines as u64)).unwrap_or(0);
        let run = usize::try_from(dice.below(40)).unwrap_or(0);
        steps.push(Step { at, act: request(dice, pipeline, run) });
    }
    steps
}

fn request(dice: &mut Dice, pipeline: usize, run: usize) -> Act {
    match dice.below(103) {
        100..=102 if dice.per_mille(500) => {
            Act::Put { pipeline, key: u32::try_from(dice.below(12)).unwrap_or(0) }
        }
        100..=102 => Act::Get { pipeline, key: u32::try_from(dice.below(3)).unwrap_or(0) },
        0..=34 => Act::Start {
            pipeline,
            key: u32::try_from(dice.below(4)).unwrap_or(0),
            priority: dice.weighted(&[(6, 0), (1, 5), (1, -5)]),
        },
        35..=44 => Act::Cancel { run, force: dice.per_mille(300) },
        45..=51 => Act::Retry { run, from_failed: dice.per_mille(500) },
        52..=56 => Act::Change { pipeline, parallelism: dice.weighted(&[(1, 0), (1, 1), (1, 3)]) },
        57..=60 => Act::Enable { pipeline, enabled: dice.per_mille(700) },
        61..=66 => Act::Answer { run, approve: dice.per_mille(700) },
        67..=78 => Act::Look { run },
        79..=87 => Act::Read { run, follow: dice.per_mille(600) },
        88..=94 => Act::Watch { run },
        95 => Act::Follow,
        96 => Act::Leave,
        97 => Act::Put { pipeline, key: u32::try_from(dice.below(3)).unwrap_or(0) },
        98 => Act::Get { pipeline, key: u32::try_from(dice.below(3)).unwrap_or(0) },
        _ => Act::DeleteLogs { run },
    }
}

/// What goes wrong. A tenth of the histories has nothing of it.
fn faults(dice: &mut Dice) -> Vec<Step> {
    let kinds: Vec<u64> = (0..14).filter(|_| dice.per_mille(350)).collect();
    if kinds.is_empty() || dice.per_mille(100) {
        return Vec::new();
    }
    let count = dice.between(1, 12);
    (0..count)
        .map(|_| {
            let kind = *dice.one_of(&kinds);
            Step { at: dice.between(50, CHAOS), act: fault(dice, kind) }
        })
        .collect()
}

fn fault(dice: &mut Dice, kind: u64) -> Act {
    let down = dice.weighted(&[(3, 100), (2, 3_000), (1, 60_000)]);
    let again = if dice.per_mille(200) { u32::try_from(dice.between(1, 8)).unwrap_or(1) } else { 0 };
    match kind {
        0 => Act::Crash { power: false, down, again },
        1 => Act::Crash { power: true, down, again },
        2 => Act::CrashAtCommit { nth: u32::try_from(dice.between(1, 20)).unwrap_or(1), behind: false },
        3 => Act::CrashAtCommit { nth: u32::try_from(dice.between(1, 20)).unwrap_or(1), behind: true },
        4 => Act::Restart { down },
        5 => Act::TakeOver,
        6 => Act::SyncFails,
        7 => Act::StorageFull(dice.between(100, 40_000)),
        8 => Act::LogsFull(dice.between(100, 40_000)),
        9 => Act::Away(dice.between(100, 90_000)),
        10 => Act::SchedulerLosesAll,
        11 => {
            Act::WallJumps(dice.weighted(&[(1, 86_400), (1, -86_400), (1, 3), (1, -3), (1, -1_900_000_000)]))
        }
        12 => Act::Damage { run: usize::try_from(dice.below(40)).unwrap_or(0) },
        _ => Act::Pause(dice.weighted(&[(2, 2_000), (1, 60_000), (1, 700_000)])),
    }
}
