//! What is promised over time, whatever happens: a start for every namespace within its bound, no more starts than the
//! rate allows, and a queue of a hundred thousand that is emptied again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gofer_types::{Namespace, RunNumber};
use proptest::prelude::*;

use super::{T0, item, pipeline, run, server, slot, space, with_space};
use crate::{Item, Limits, Queue, Rate, Slot, SlotId};

/// How long each namespace has been waiting, counted in grants, and who else waited meanwhile.
#[derive(Default)]
struct Patience {
    weights: BTreeMap<Namespace, u8>,
    waiting: BTreeMap<Namespace, (usize, BTreeSet<Namespace>)>,
}

impl Patience {
    /// These wait now.
    fn wait(&mut self, waiting: &BTreeSet<Namespace>) {
        self.waiting.retain(|namespace, _| waiting.contains(namespace));
        for namespace in waiting {
            self.waiting.entry(namespace.clone()).or_default();
        }
        self.waiting.values_mut().for_each(|(_, others)| others.extend(waiting.iter().cloned()));
    }

    /// This one got something.
    fn grant(&mut self, to: &Namespace) {
        self.waiting.values_mut().for_each(|(grants, _)| *grants += 1);
        let Some((grants, others)) = self.waiting.remove(to) else { panic!("{to} does not wait") };
        assert!(grants <= 10 * others.len(), "INV-34: {to} waited for {grants} grants among {others:?}");
        let own = self.weights[to];
        let most: usize = others
            .iter()
            .map(|other| if other == to { 1 } else { usize::from(self.weights[other].div_ceil(own)) })
            .sum();
        assert!(grants <= most, "{to} waited for {grants} grants and not {most} among {others:?}");
    }

    /// Nobody still waits beyond the bound.
    fn check(&self) {
        for (namespace, (grants, others)) in &self.waiting {
            assert!(*grants < 10 * others.len(), "INV-34: {namespace} starves");
        }
    }
}

fn name(nth: usize) -> String {
    format!("n{nth}")
}

/// Weights of namespaces, mostly extreme ones.
fn weights() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![2 => Just(10_u8), 2 => Just(1), 1 => 1_u8..=10], 2..14)
}

/// For each round, how many things come from which namespace before something is granted.
fn rounds() -> impl Strategy<Value = Vec<Vec<(usize, usize)>>> {
    let flood = prop_oneof![4 => 1_usize..3, 1 => Just(12)];
    prop::collection::vec(prop::collection::vec((0_usize..14, flood), 0..4), 1..150)
}

fn limits_with(weights: &[u8]) -> (Limits, Patience) {
    let mut limits = server(1, 1);
    let mut patience = Patience::default();
    for (nth, weight) in weights.iter().enumerate() {
        limits = with_space(&limits, &name(nth), usize::MAX, *weight);
        patience.weights.insert(space(&name(nth)), *weight);
    }
    (limits, patience)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// INV-34: among n namespaces each gets its first start within 10 n starts, whoever floods, idles or comes back.
    #[test]
    fn every_namespace_gets_a_start_within_its_bound(weights in weights(), rounds in rounds()) {
        let (limits, mut patience) = limits_with(&weights);
        let mut queue = Queue::new(limits);
        queue.arrive(item("first/p/1", 0), T0).unwrap();
        let (mut running, mut number) = (run("first/p/1"), 0);
        for round in rounds {
            for (nth, count) in round {
                for _ in 0..count {
                    number += 1;
                    let namespace = name(nth % weights.len());
                    let run = pipeline(&namespace, "p").run(RunNumber(number));
                    let arrival = queue.arrive(Item { run, ..item("a/p/1", 0) }, T0).unwrap();
                    prop_assert!(!arrival.admitted);
                }
            }
            let names = (0..weights.len()).map(|nth| space(&name(nth)));
            patience.wait(&names.filter(|name| queue.counts_of(name).queued_runs > 0).collect());
            if patience.waiting.is_empty() {
                continue;
            }
            queue.forget(&running);
            let admitted = queue.admit(T0);
            prop_assert_eq!(admitted.len(), 1);
            running = admitted[0].clone();
            patience.grant(&running.pipeline.namespace);
            patience.check();
        }
    }

    /// The same for slots, half of which are spare ones that change hands within a run.
    #[test]
    fn every_namespace_gets_a_slot_within_its_bound(weights in weights(), rounds in rounds()) {
        let (limits, mut patience) = limits_with(&weights);
        let mut queue = Queue::new(limits);
        prop_assert_eq!(queue.ask(slot("first/p/1", 0), false), Slot::Granted);
        let (mut holder, mut task) = (space("first"), 0);
        for round in rounds {
            for (nth, count) in round {
                for _ in 0..count {
                    task += 1;
                    let namespace = space(&name(nth % weights.len()));
                    let run = run(&format!("{namespace}/p/1"));
                    let waited = queue.counts().waiting_tasks > 0;
                    match queue.ask(SlotId { run, task }, holder == namespace) {
                        Slot::Granted => prop_assert!(false, "there is no room"),
                        Slot::Spare => {
                            prop_assert_eq!(&holder, &namespace);
                            if waited {
                                let names = (0..weights.len()).map(|nth| space(&name(nth)));
                                let waits = |name: &Namespace| queue.counts_of(name).waiting_tasks > 0;
                                let mut waiting: BTreeSet<Namespace> = names.filter(waits).collect();
                                waiting.insert(namespace.clone());
                                patience.wait(&waiting);
                                patience.grant(&namespace);
                            }
                        }
                        Slot::Wait(limit) => prop_assert!(limit.is_some()),
                    }
                }
            }
            let names = (0..weights.len()).map(|nth| space(&name(nth)));
            patience.wait(&names.filter(|name| queue.counts_of(name).waiting_tasks > 0).collect());
            if patience.waiting.is_empty() {
                continue;
            }
            queue.release(&holder, 1);
            let granted = queue.grant();
            prop_assert_eq!(granted.len(), 1);
            holder = granted[0].run.pipeline.namespace.clone();
            patience.grant(&holder);
            patience.check();
        }
    }

    /// In any span of time no more runs start than the rate and its burst allow.
    #[test]
    fn no_window_sees_more_starts_than_the_rate(
        (count, per) in (1_u32..6, 1_u64..5_000),
        steps in prop::collection::vec((0_u64..3_000, 0_u64..5, any::<bool>()), 1..80),
    ) {
        let starts = Some(Rate::new(count, Duration::from_nanos(per)).unwrap());
        let mut queue = Queue::new(Limits { starts, ..Limits::default() });
        let (mut now, mut number, mut times) = (T0, 0, Vec::new());
        for (later, arrivals, to_the_point) in steps {
            now = match queue.next_start(now) {
                Some(next) if to_the_point => next,
                _ => now + Duration::from_nanos(later),
            };
            times.extend(queue.admit(now).iter().map(|_| now));
            for _ in 0..arrivals {
                number += 1;
                let run = pipeline("a", "p").run(RunNumber(number));
                let arrival = queue.arrive(Item { run, ..item("a/p/1", 0) }, now).unwrap();
                times.extend(arrival.admitted.then_some(now));
            }
            if let Some(next) = queue.next_start(now) {
                prop_assert!(next > now);
            } else {
                prop_assert_eq!(queue.counts().queued_runs, 0, "the rate alone may hold back");
            }
        }
        for (first, from) in times.iter().enumerate() {
            for (last, to) in times.iter().enumerate().skip(first) {
                let (seen, elapsed) = (last - first + 1, (*to - *from).as_nanos());
                let most = u128::from(count) * u128::from(per) + u128::from(count) * elapsed;
                prop_assert!(seen as u128 * u128::from(per) <= most, "{seen} starts in {elapsed} ns");
            }
        }
    }

    /// Nobody waits for ever behind higher priorities: who is asked for more than twenty ageings later comes behind.
    #[test]
    fn no_priority_is_worth_more_than_its_ageing(
        ageing in 1_u64..100,
        others in prop::collection::vec((-10_i8..=10, 0_u64..4_000), 0..60),
        own in -10_i8..=10,
    ) {
        let mut queue = Queue::new(Limits { ageing: Duration::from_micros(ageing), ..server(1, 1) });
        queue.arrive(item("a/first/1", 0), T0).unwrap();
        queue.arrive(super::prior("a/own/1", own, 0), T0).unwrap();
        let mut at = 0;
        for (nth, (priority, later)) in others.iter().enumerate() {
            at += later % 300;
            queue.arrive(super::prior(&format!("a/p{}/{}", nth % 3, nth + 1), *priority, at), T0).unwrap();
        }
        let mut running = run("a/first/1");
        let mut before = 0;
        loop {
            queue.end(&running);
            running = queue.admit(T0).remove(0);
            if running == run("a/own/1") {
                break;
            }
            before += 1;
        }
        let (mut at, mut most) = (0, 0);
        for (priority, later) in &others {
            at += later % 300;
            most += usize::from(i64::try_from(at).unwrap() < i64::from(priority - own) * i64::try_from(ageing).unwrap());
        }
        prop_assert_eq!(before, most);
    }
}

#[test]
fn a_hundred_thousand_runs_arrive_and_leave_again() {
    let mut queue = Queue::new(Limits { server: server(100, 1).server, ..Limits::default() });
    let all: Vec<Item> = (0..100_000_u64)
        .map(|nth| {
            let (namespace, id) = (format!("n{}", nth % 20), format!("p{}", nth % 1_000));
            let run = pipeline(&namespace, &id).run(RunNumber(nth / 1_000 + 1));
            Item { run, at: nth, ..item("a/p/1", 2) }
        })
        .collect();
    let admitted = all.iter().filter(|item| queue.arrive(Item::clone(item), T0).unwrap().admitted).count();
    assert_eq!((admitted, queue.counts().queued_runs), (100, 99_900));
    for item in all.iter().rev().take(99_900).step_by(10_000) {
        let held = queue.held(&item.run).unwrap();
        assert!(held.place <= held.of, "{held:?}");
    }
    all.iter().rev().for_each(|item| queue.end(&item.run));
    assert_eq!(queue.counts().queued_runs + queue.counts().running_runs, 0);
    assert!(all.iter().step_by(10_000).all(|item| queue.held(&item.run).is_none()));
    all.iter().for_each(|item| queue.forget(&item.run));
    assert_eq!(queue.seated(&all[0].run.pipeline), 0);
    assert!(queue.runs.spaces.is_empty() && queue.runs.lanes.is_empty(), "nothing is remembered");
}
