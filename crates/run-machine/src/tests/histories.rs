//! Random histories of small graphs: behind every step the machine stands where the model stands.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gofer_types::{TaskSet, TaskState};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestRunner};

use super::bench::Bench;
use super::commands::{Command, command, outcome};
use super::graphs::{ModelTask, TIMEOUT, Wanted, numbers, pipeline, small_graph, task_id};
use super::promises::Promises;
use crate::{Plan, Selection};

/// How many histories of small graphs are tried where nobody says how many.
const HISTORIES: u32 = 300;

/// So many cases, or in proportion as many as `PROPTEST_CASES` says that there shall be histories: for a night of them.
pub(super) fn cases(usual: u32) -> ProptestConfig {
    let wished = std::env::var_os("PROPTEST_CASES").map(|_| ProptestConfig::default().cases);
    let share = |wished: u32| u64::from(wished) * u64::from(usual) / u64::from(HISTORIES);
    let cases = wished.map_or(usual, |wished| u32::try_from(share(wished).max(1)).unwrap_or(u32::MAX));
    ProptestConfig {
        cases,
        source_file: Some(file!()),
        failure_persistence: Some(Box::new(FileFailurePersistence::SourceParallel("proptest-regressions"))),
        ..ProptestConfig::default()
    }
}

/// The graph once the late matrix of that task is known.
fn fanned(plan: &Plan, tasks: &[ModelTask], group: usize) -> Plan {
    let values = numbers(tasks[group].becomes.unwrap_or(0));
    let values = BTreeMap::from([("n".to_owned(), values)]);
    plan.fan_out(&pipeline(tasks), u32::try_from(group).unwrap(), &values).unwrap()
}

/// A run as it is asked for: mostly all of it.
fn asked<'p>(tasks: &[ModelTask], (part, seed): (u8, u64), promises: &'p Promises) -> Bench<'p> {
    let plan = Plan::new(&pipeline(tasks), Duration::from_secs(TIMEOUT)).unwrap();
    let pick = |seed: u64| task_id(usize::try_from(seed % tasks.len() as u64).unwrap());
    let places = |plan: &Plan, set: &TaskSet| {
        (0..plan.count()).filter(|at| set.contains(u32::try_from(*at).unwrap())).collect()
    };
    let selection = match part {
        0 => {
            Selection { only: vec![pick(seed), pick(seed >> 8)], with_parents: true, ..Selection::default() }
        }
        1 => Selection { from: vec![pick(seed)], with_parents: true, ..Selection::default() },
        2 => return retried(tasks, plan, seed, promises),
        _ => Selection::default(),
    };
    let chosen = plan.choose(&selection).unwrap().map(|set| places(&plan, &set)).unwrap_or_default();
    Bench::on(Arc::new(plan), tasks, Wanted { chosen, reused: Vec::new() }, promises)
}

/// The retry of a run all of whose late matrices had become something.
fn retried<'p>(tasks: &[ModelTask], plan: Plan, seed: u64, promises: &'p Promises) -> Bench<'p> {
    let late = (0..tasks.len()).rev().filter(|group| tasks[*group].becomes.is_some());
    let former = late.fold(plan, |plan, group| fanned(&plan, tasks, group));
    let state = |place: u32| {
        let empty = former.reads_values(place) && former.group_of(place).fanned.is_empty();
        match (seed >> (place % 60)) & 7 {
            0 => TaskState::Failed,
            1 => TaskState::Skipped,
            _ if empty => TaskState::Skipped,
            _ => TaskState::Succeeded,
        }
    };
    let reused = former.reusable(&[], state).unwrap();
    let plan = former.kept(&reused);
    let reused = former.places_in(&plan, &reused);
    let reused = (0..plan.count()).filter(|at| reused.contains(u32::try_from(*at).unwrap())).collect();
    Bench::on(Arc::new(plan), tasks, Wanted { chosen: Vec::new(), reused }, promises)
}

#[test]
fn the_machine_does_what_the_model_does() {
    let promises = Promises::default();
    let histories = (
        small_graph(),
        proptest::collection::vec(outcome(), 23),
        proptest::collection::vec(command(), 0..90),
        any::<bool>(),
        (0_u8..6, any::<u64>()),
    );
    let result =
        TestRunner::new(cases(HISTORIES)).run(&histories, |(tasks, outcomes, commands, early, part)| {
            let mut bench = asked(&tasks, part, &promises);
            if !early {
                bench.obey(Command::Admit);
            }
            for command in commands {
                bench.obey(command);
            }
            bench.judge_history();
            let order: Vec<usize> = (0..bench.plan.count()).collect();
            bench.drain(&outcomes, &order);
            Ok(())
        });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    promises.conclude(&["INV-6"]);
}

/// INV-6: the same outcomes give the same ends, in whatever order they become known.
#[test]
fn the_order_of_independent_facts_does_not_matter() {
    let promises = Promises::default();
    let orders = (
        small_graph(),
        proptest::collection::vec(outcome(), 23),
        Just((0..42_usize).collect::<Vec<_>>()).prop_shuffle(),
    );
    let result = TestRunner::new(cases(150)).run(&orders, |(tasks, outcomes, order)| {
        let (mut one, mut other) = (Bench::new(&tasks, &promises), Bench::new(&tasks, &promises));
        let forwards: Vec<usize> = (0..one.plan.count()).collect();
        one.drain(&outcomes, &forwards);
        other.drain(&outcomes, &order);
        prop_assert_eq!(one.ends(), other.ends());
        promises.count("INV-6");
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    promises.conclude(&["INV-35", "INV-36", "INV-37"]);
}
