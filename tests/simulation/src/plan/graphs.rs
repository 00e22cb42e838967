//! Pipelines by chance: graphs, scripts, retries, limits.

use super::{Does, PipelinePlan, RetryPlan, TaskPlan};
use crate::chance::Dice;

/// Pipelines that start none but those before them, so that no run waits for itself.
pub(super) fn pipelines(dice: &mut Dice) -> Vec<PipelinePlan> {
    let count = dice.between(1, 4);
    let mut all: Vec<PipelinePlan> = Vec::new();
    for number in (0..count).rev() {
        let later = all.last().map(|later| (later.namespace.clone(), later.id.clone()));
        let pipeline = pipeline(dice, number, later.as_ref());
        all.push(pipeline);
    }
    all
}

fn pipeline(dice: &mut Dice, number: u64, child: Option<&(String, String)>) -> PipelinePlan {
    let size = match dice.below(200) {
        0 => dice.between(50, 120),
        1..=30 => dice.between(8, 20),
        _ => dice.between(1, 7),
    };
    let density = dice.below(400);
    let mut tasks: Vec<TaskPlan> = Vec::new();
    for at in 0..size {
        let parents = parents(dice, &tasks, u32::try_from(density).unwrap_or(0));
        tasks.push(task(dice, at, parents, child));
    }
    PipelinePlan {
        id: format!("p{number}"),
        namespace: if dice.per_mille(700) { "default" } else { "other" }.to_owned(),
        parallelism: dice.weighted(&[(4, 0), (3, 1), (2, 2), (1, 5)]),
        queue: dice.weighted(&[(8, "wait"), (1, "replace"), (1, "refuse")]).to_owned(),
        timeout: dice.weighted(&[(6, 0), (1, 30), (1, 300)]),
        tasks,
    }
}

fn parents(dice: &mut Dice, tasks: &[TaskPlan], density: u32) -> Vec<(String, String)> {
    let chosen: Vec<String> =
        tasks.iter().filter(|_| dice.per_mille(density)).map(|task| task.id.clone()).collect();
    let with = |id: String| {
        let condition = dice.weighted(&[(6, "successful"), (2, "failure"), (2, "any"), (2, "always")]);
        (id, condition.to_owned())
    };
    chosen.into_iter().map(with).collect()
}

fn task(
    dice: &mut Dice,
    at: u64,
    parents: Vec<(String, String)>,
    child: Option<&(String, String)>,
) -> TaskPlan {
    let id = format!("t{at}");
    let does = match (dice.below(40), child) {
        (0, _) => Does::Ask(u32::try_from(dice.between(300, 400)).unwrap_or(300)),
        (1 | 2, Some((namespace, id))) => Does::Run(namespace.clone(), id.clone()),
        _ => Does::Script(script(dice, &id)),
    };
    let scripted = matches!(does, Does::Script(_));
    let matrix = if scripted && dice.per_mille(80) {
        (0..dice.between(1, 4)).map(|value| format!("v{value}")).collect()
    } else {
        Vec::new()
    };
    TaskPlan {
        does,
        parents,
        timeout: if scripted { dice.weighted(&[(5, 0), (2, 20), (2, 60)]) } else { 0 },
        retry: (scripted && dice.per_mille(300)).then(|| retry(dice)),
        allow_failure: dice.per_mille(150),
        cleanup: scripted && dice.per_mille(100),
        matrix,
        id,
    }
}

fn retry(dice: &mut Dice) -> RetryPlan {
    let all = ["failed", "errored", "lost", "timed_out"];
    let on = if dice.per_mille(400) {
        Vec::new()
    } else {
        all.iter().filter(|_| dice.per_mille(600)).map(|end| (*end).to_owned()).collect()
    };
    let attempts = u32::try_from(dice.between(2, 4)).unwrap_or(2);
    RetryPlan { attempts, backoff: dice.weighted(&[(1, 100), (2, 1_000), (1, 5_000)]), on }
}

/// What a task does: it prints, takes its time, and ends in one way or another.
fn script(dice: &mut Dice, id: &str) -> String {
    let mut steps = vec![format!("print={id} begins")];
    if dice.per_mille(100) {
        steps.push(dice.weighted(&[(2, "ignore_term"), (1, "on_term=9")]).to_owned());
    }
    for part in 0..dice.below(3) {
        steps.push(match dice.below(6) {
            0 => format!("count={}", dice.between(1, 300)),
            1 => format!("line={}", dice.between(1, 3_000)),
            2 => "hex=00ff1b5b324a0a".to_owned(),
            3 => format!("eprint={id} complains"),
            _ => format!("print={id} says {part}"),
        });
        steps.push(format!("run={}ms", duration(dice)));
    }
    let ends = [
        (66, "run=10ms"),
        (12, "exit=3"),
        (3, "signal=9"),
        (2, "oom"),
        (4, "hang"),
        (3, "lost=the node is gone"),
        (2, "vanish"),
        (2, "no_program"),
        (2, "ambiguous_start"),
        (2, "start_error_once=unavailable"),
        (1, "gap=100"),
        (1, "before=2,exit=1"),
    ];
    steps.push(dice.weighted(&ends).to_owned());
    steps.push(format!("print={id} ends"));
    steps.join(",")
}

fn duration(dice: &mut Dice) -> u64 {
    let most = dice.weighted(&[(3, 20), (4, 2_000), (2, 20_000), (1, 90_000)]);
    dice.between(1, most)
}
