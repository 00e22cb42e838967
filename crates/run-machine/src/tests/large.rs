//! Graphs of up to ten thousand tasks, judged at random points and at the end from the whole history.

use std::cell::Cell;
use std::collections::BTreeSet;

use gofer_types::RunState;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::bench::Bench;
use super::commands::Command;
use super::graphs::{Random, Shape, chain, large_graph, shape};
use super::histories::cases;
use super::model::{Event, Outcome};
use super::promises::Promises;
use crate::Fact;

const LARGEST: usize = 10_000;

/// Of any size: as often between 10 and 100 as between 1,000 and 10,000.
fn size() -> impl Strategy<Value = usize> {
    (0_u32..4, 0_usize..=1_000).prop_map(|(power, of)| {
        let low = 10_usize.pow(power);
        (low + 9 * low * of / 1_000).min(LARGEST)
    })
}

/// How a large history goes.
#[derive(Debug, Clone)]
struct Course {
    seed: u64,
    /// The steps, in thousandths of the size of the graph, behind which everything is judged.
    judged: Vec<usize>,
    /// When the run is cancelled, and whether with force.
    cancel: Option<(usize, bool)>,
    /// When the run is late.
    late: Option<usize>,
}

fn course() -> impl Strategy<Value = Course> {
    let point = || 0_usize..3_000;
    let seldom = prop::option::weighted(0.3, (point(), any::<bool>()));
    (any::<u64>(), prop::collection::vec(point(), 2), seldom, prop::option::weighted(0.2, point()))
        .prop_map(|(seed, judged, cancel, late)| Course { seed, judged, cancel, late })
}

fn an_outcome(random: &mut Random, calm: bool) -> Outcome {
    match random.below(if calm { 400 } else { 12 }) {
        0 => Outcome::Lost,
        1 => Outcome::Other,
        2 => Outcome::CannotStart,
        3 => Outcome::Signal,
        _ => Outcome::Zero,
    }
}

/// Something that may happen to one of those who are under way.
fn step(bench: &mut Bench<'_>, random: &mut Random, calm: bool) {
    let pick = |set: &BTreeSet<u32>, random: &mut Random| {
        let from = u32::try_from(random.below(bench.plan.count())).unwrap();
        set.range(from..).next().or_else(|| set.first()).map(|task| *task as usize)
    };
    let (waiting, holder) = (pick(&bench.waiting, random), pick(&bench.told.held, random));
    match (random.below(10), waiting, holder) {
        (0..=4, Some(place), _) | (_, Some(place), None) => bench.grant(place),
        (5..=6, _, Some(place)) => bench.started(place),
        (7, _, Some(place)) => {
            let limit = bench.plan.group_of(u32::try_from(place).unwrap()).timeout;
            if random.below(if calm { 400 } else { 8 }) == 0 {
                let (task, attempt) = (u32::try_from(place).unwrap(), bench.records.attempt(place));
                let event = Event::Deadline(place);
                bench.tell(Fact::Overdue(task, attempt, limit), Some(event));
            }
        }
        (_, _, Some(place)) => {
            let outcome = an_outcome(random, calm);
            bench.over(place, outcome, random.below(8) == 0);
            if bench.machine.rests(u32::try_from(place).unwrap(), bench.records.attempt(place)) {
                bench.put_away(place);
                bench.rested(place);
            }
        }
        (_, None, None) => {}
    }
}

fn play(bench: &mut Bench<'_>, course: &Course, calm: bool) {
    let mut random = Random(course.seed);
    let count = bench.plan.count();
    let at = |thousandths: usize| thousandths * count / 1_000;
    bench.obey(Command::Admit);
    let mut steps = 0;
    while !bench.machine.state().is_terminal() {
        if let Some((_, force)) = course.cancel.filter(|(when, _)| at(*when) == steps) {
            bench.obey(Command::Cancel { force });
        }
        if course.late.is_some_and(|when| at(when) == steps) {
            bench.obey(Command::RunDeadline);
        }
        if course.judged.iter().any(|when| at(*when) == steps) {
            bench.judge_history();
            bench.restart();
        }
        step(bench, &mut random, calm);
        steps += 1;
        assert!(steps <= 200 * count + 1_000, "INV-30: the run comes to an end");
    }
    bench.conclude();
}

#[test]
fn large_graphs_end_as_their_history_says() {
    let promises = Promises::default();
    let largest = Cell::new(0);
    let graphs = (shape(), size(), any::<u64>(), prop::bool::weighted(0.7), course());
    let result = TestRunner::new(cases(40)).run(&graphs, |(shape, size, seed, calm, course)| {
        let tasks = large_graph(shape, size, seed, calm);
        play(&mut Bench::new(&tasks, &promises).without_model(), &course, calm);
        largest.set(largest.get().max(size));
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(largest.get() > LARGEST / 10, "the largest graph had {} tasks", largest.get());
    // the small graphs see to those that a large one may do without
    promises.conclude(&["INV-6", "INV-35", "INV-36"]);
}

/// Every shape at its full size: none of them is gone through by recursion.
#[test]
fn every_shape_of_ten_thousand_tasks_comes_to_its_end() {
    let promises = Promises::default();
    let shapes = [Shape::Drawn, Shape::Chain, Shape::Diamonds, Shape::FanOut, Shape::FanIn, Shape::Layers];
    for (seed, shape) in (11..).zip(shapes) {
        let tasks = large_graph(shape, LARGEST, seed, true);
        let course = Course { seed, judged: vec![900], cancel: None, late: None };
        play(&mut Bench::new(&tasks, &promises).without_model(), &course, true);
    }
}

#[test]
fn a_chain_of_ten_thousand_is_gone_through_to_its_end() {
    let promises = Promises::default();
    let mut bench = Bench::new(&chain(LARGEST), &promises).without_model();
    bench.obey(Command::Admit);
    for place in 0..LARGEST {
        bench.grant(place);
        bench.over(place, Outcome::Zero, false);
    }
    assert_eq!(bench.machine.state(), RunState::Succeeded);
    bench.conclude();
}

#[test]
fn a_chain_of_ten_thousand_is_skipped_at_once() {
    let promises = Promises::default();
    let mut bench = Bench::new(&chain(LARGEST), &promises).without_model();
    bench.obey(Command::Admit);
    bench.grant(0);
    bench.over(0, Outcome::Other, false);
    assert_eq!(bench.machine.state(), RunState::Failed);
    bench.conclude();
}
