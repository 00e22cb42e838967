//! Random histories: after every step the queue stands where the model stands.

use std::collections::BTreeMap;
use std::time::Duration;

use gofer_types::pipeline::QueuePolicy;
use gofer_types::{Namespace, RunNumber, RunRef};
use proptest::prelude::*;

use super::model::Model;
use super::{pipeline, space};
use crate::{
    Bounds, Hold, Item, Limits, NamespaceLimits, Phase, Priority, Queue, Rate, Slot, SlotId, Weight,
};

const NAMESPACES: [&str; 3] = ["a", "b", "c"];
const PIPELINES: [&str; 3] = ["p", "q", "r"];

#[derive(Debug, Clone)]
enum Step {
    /// A new run of a pipeline; how much later it was asked for may be less than nothing.
    Arrive {
        pipeline: usize,
        parallelism: u32,
        policy: QueuePolicy,
        priority: i8,
        later: i64,
    },
    /// The same run once more.
    ArriveAgain(usize),
    End(usize),
    Forget(usize),
    Admit,
    Pass(u64),
    Ask {
        run: usize,
        task: u32,
        spare: bool,
    },
    Hold(usize),
    Release(usize, usize),
    Withdraw(usize),
    Grant,
    /// The process ends, and the next one has other limits.
    Restart(Limits),
}

fn policy() -> impl Strategy<Value = QueuePolicy> {
    prop_oneof![4 => Just(QueuePolicy::Wait), 2 => Just(QueuePolicy::Replace), 1 => Just(QueuePolicy::Refuse)]
}

fn bounds(most: usize) -> impl Strategy<Value = Bounds> {
    let one = move || prop_oneof![1 => Just(usize::MAX), 6 => 0..=most];
    let queued = prop_oneof![3 => Just(usize::MAX), 1 => 0_usize..8];
    (one(), one(), queued).prop_map(|(running_runs, running_tasks, queued_runs)| Bounds {
        running_runs,
        running_tasks,
        queued_runs,
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let own = (bounds(3), 1_u8..=10)
        .prop_map(|(bounds, weight)| NamespaceLimits { bounds, weight: Weight::new(weight).unwrap() });
    let ageing = prop_oneof![Just(0), Just(7), Just(1_000)].prop_map(Duration::from_micros);
    let starts = prop_oneof![
        2 => Just(None),
        1 => (1_u32..4, 1_u64..2_000).prop_map(|(starts, per)| Rate::new(starts, Duration::from_micros(per)).ok()),
    ];
    let namespaces = prop::collection::btree_map(0_usize..2, own, 0..3);
    (bounds(5), bounds(3), namespaces, ageing, starts).prop_map(
        |(server, namespace, namespaces, ageing, starts)| {
            let namespaces: BTreeMap<Namespace, NamespaceLimits> =
                namespaces.into_iter().map(|(nth, own)| (space(NAMESPACES[nth]), own)).collect();
            Limits { server, namespace, namespaces, ageing, starts }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let pick = || 0_usize..1_000;
    let arrive = (0_usize..9, 0_u32..4, policy(), -2_i8..=2, -20_i64..40).prop_map(
        |(pipeline, parallelism, policy, priority, later)| Step::Arrive {
            pipeline,
            parallelism,
            policy,
            priority: if priority == 2 { 10 } else { priority },
            later,
        },
    );
    prop_oneof![
        60 => arrive,
        2 => pick().prop_map(Step::ArriveAgain),
        30 => pick().prop_map(Step::End),
        20 => pick().prop_map(Step::Forget),
        30 => Just(Step::Admit),
        20 => (0_u64..1_000).prop_map(Step::Pass),
        40 => (pick(), 0_u32..6, any::<bool>()).prop_map(|(run, task, spare)| Step::Ask { run, task, spare }),
        3 => (0_usize..3).prop_map(Step::Hold),
        25 => (0_usize..3, 0_usize..3).prop_map(|(namespace, count)| Step::Release(namespace, count)),
        10 => pick().prop_map(Step::Withdraw),
        20 => Just(Step::Grant),
        3 => limits().prop_map(Step::Restart),
    ]
}

/// The queue and the model side by side.
struct Bench {
    queue: Queue,
    model: Model,
    limits: Limits,
    now: Duration,
    wall: u64,
    numbers: [u64; 9],
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let (queue, model) = (Queue::new(limits.clone()), Model::new(&limits));
        Self { queue, model, limits, now: Duration::from_secs(1), wall: 1_000_000, numbers: [0; 9] }
    }

    fn pick(&self, pick: usize) -> Option<Item> {
        let seated = &self.model.runs;
        seated.get(pick.checked_rem(seated.len())?).map(|run| run.item.clone())
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Arrive { .. } => self.arrive(&step),
            Step::ArriveAgain(pick) => self.pick(pick).into_iter().for_each(|item| self.take_in(&item)),
            Step::End(pick) => self.pick(pick).iter().for_each(|item| self.end(&item.run)),
            Step::Forget(pick) => {
                if let Some(item) = self.pick(pick) {
                    self.queue.forget(&item.run);
                    self.model.forget(&item.run);
                }
            }
            Step::Admit => self.admit(),
            Step::Pass(micros) => self.now += Duration::from_micros(micros),
            Step::Ask { run, task, spare } => {
                if let Some(item) = self.pick(run) {
                    self.ask(&SlotId { run: item.run, task }, spare);
                }
            }
            Step::Hold(nth) => {
                self.queue.hold(&space(NAMESPACES[nth]));
                self.model.hold(&space(NAMESPACES[nth]));
            }
            Step::Release(nth, count) => {
                self.queue.release(&space(NAMESPACES[nth]), count);
                self.model.release(&space(NAMESPACES[nth]), count);
            }
            Step::Withdraw(pick) => {
                let line = &self.model.asking;
                if let Some(slot) = pick.checked_rem(line.len()).map(|nth| line[nth].clone()) {
                    self.queue.withdraw(&slot);
                    self.model.withdraw(&slot);
                }
            }
            Step::Grant => self.grant(),
            Step::Restart(limits) => self.restart(limits),
        }
        self.compare();
    }

    fn arrive(&mut self, step: &Step) {
        let Step::Arrive { pipeline: nth, parallelism, policy, priority, later } = *step else { return };
        self.numbers[nth] += 1;
        self.wall = self.wall.saturating_add_signed(later);
        let run = pipeline(NAMESPACES[nth / 3], PIPELINES[nth % 3]).run(RunNumber(self.numbers[nth]));
        let priority = Priority::new(priority).unwrap();
        self.take_in(&Item { run, parallelism, policy, priority, at: self.wall, within: false });
    }

    fn take_in(&mut self, item: &Item) {
        let known = self.queue.phase(&item.run).is_some();
        let before = format!("{:?}", self.queue);
        let arrival = self.queue.arrive(item.clone(), self.now);
        assert_eq!(arrival, self.model.arrive(item, self.now));
        match arrival {
            Ok(arrival) if arrival.admitted && !known => self.look_at_start(&item.run),
            Ok(_) => {}
            Err(_) if self.queue.counts().queued_runs == 0 && self.queue.active(&item.run.pipeline) == 0 => {
                let bounds = self.limits.of(&item.run.pipeline.namespace).bounds;
                let least = |of: fn(&Bounds) -> usize| of(&bounds).min(of(&self.limits.server));
                assert_eq!(least(|bounds| bounds.queued_runs), 0, "an idle queue refuses nothing else");
            }
            Err(_) => {}
        }
        if self.queue.phase(&item.run).is_none() {
            // maps print in an order of their own, but that of one map is stable while nothing is added
            assert_eq!(format!("{:?}", self.queue), before, "a refusal leaves no trace");
        }
    }

    fn end(&mut self, run: &RunRef) {
        self.queue.end(run);
        self.model.end(run);
    }

    fn admit(&mut self) {
        let admitted = self.queue.admit(self.now);
        assert_eq!(admitted, self.model.admit(self.now));
        admitted.iter().for_each(|run| self.look_at_start(run));
    }

    /// INV-32, INV-33: counted anew from what the model knows of phases, whatever it thinks of the order.
    fn look_at_start(&self, run: &RunRef) {
        let running = |wanted: &dyn Fn(&RunRef) -> bool| {
            let all = self.model.runs.iter().filter(|other| other.phase == Phase::Running);
            all.filter(|other| wanted(&other.item.run)).count()
        };
        let own = &self.model.runs.iter().find(|other| other.item.run == *run).unwrap().item;
        let namespace = &run.pipeline.namespace;
        let limit = self.limits.of(namespace).bounds.running_runs;
        let parallelism = if own.parallelism == 0 { usize::MAX } else { own.parallelism as usize };
        assert!(running(&|other| other.pipeline == run.pipeline) <= self.with_later(run, parallelism));
        assert!(running(&|other| other.pipeline.namespace == *namespace) <= limit, "INV-32: the namespace");
        assert!(running(&|_| true) <= self.limits.server.running_runs, "INV-32: the server");
        for other in &self.model.runs {
            let same = other.item.run.pipeline == run.pipeline && other.item.priority == own.priority;
            let overtaken = other.phase == Phase::Queued && other.item.run.run < run.run;
            assert!(!(same && overtaken), "INV-33: {run} before {}", other.item.run);
        }
    }

    /// Runs behind this one that were let in by the same call may have a greater parallelism of their own.
    fn with_later(&self, run: &RunRef, parallelism: usize) -> usize {
        let same = self
            .model
            .runs
            .iter()
            .filter(|other| other.phase == Phase::Running && other.item.run.pipeline == run.pipeline);
        let greatest = same.map(|other| other.item.parallelism.wrapping_sub(1)).max();
        parallelism.max(greatest.map_or(0, |greatest| greatest as usize + 1))
    }

    fn ask(&mut self, slot: &SlotId, spare: bool) {
        let answer = self.queue.ask(slot.clone(), spare);
        assert_eq!(answer, self.model.ask(slot, spare));
        if answer == Slot::Granted {
            self.look_at_slots(slot);
        }
    }

    fn grant(&mut self) {
        let granted = self.queue.grant();
        assert_eq!(granted, self.model.grant());
        granted.iter().for_each(|slot| self.look_at_slots(slot));
    }

    fn look_at_slots(&self, slot: &SlotId) {
        let namespace = &slot.run.pipeline.namespace;
        let limit = self.limits.of(namespace).bounds.running_tasks;
        assert!(self.queue.counts_of(namespace).running_tasks <= limit, "INV-32: the namespace's tasks");
        let server = self.limits.server.running_tasks;
        assert!(self.queue.counts().running_tasks <= server, "INV-32: the server's tasks");
    }

    /// Seats everything anew from what the records would know: the runs as they arrived with their phases, the slots
    /// that are held, and the tasks that ask.
    fn restart(&mut self, limits: Limits) {
        let before = self.model.clone();
        (self.queue, self.model) = (Queue::new(limits.clone()), Model::new(&limits));
        self.limits = limits;
        for run in &before.runs {
            let replaces = self.queue.restore(run.item.clone(), run.phase);
            assert_eq!(replaces, self.model.restore(run.item.clone(), run.phase));
            assert_eq!(self.queue.restore(run.item.clone(), Phase::Ended), []);
        }
        for (namespace, held) in &before.slots {
            for _ in 0..*held {
                self.queue.hold(namespace);
                self.model.hold(namespace);
            }
        }
        self.compare();
        for slot in &before.asking {
            self.ask(slot, false);
        }
    }

    fn compare(&self) {
        for run in &self.model.runs {
            let run_ref = &run.item.run;
            assert_eq!(self.queue.phase(run_ref), Some(run.phase), "{run_ref}");
            let held = self.queue.held(run_ref);
            assert_eq!(held, self.model.held(run_ref), "{run_ref}");
            assert_eq!(held.map(|hold| hold.limit), self.model.limit(run_ref), "{run_ref}");
            assert!(held.is_none_or(is_a_place), "{held:?}");
        }
        for slot in &self.model.asking {
            let held = self.queue.slots_held(&slot.run).get(&slot.task).copied();
            assert_eq!(held, self.model.slot_held(slot), "{slot:?}");
            assert!(held.is_none_or(is_a_place), "{held:?}");
        }
        assert_eq!(self.queue.counts(), self.model.counts(|_| true));
        for name in NAMESPACES {
            assert_eq!(self.queue.counts_of(&space(name)), self.model.counts(|other| *other == space(name)));
        }
        self.compare_pipelines();
        self.compare_time();
    }

    fn compare_pipelines(&self) {
        for nth in 0..9 {
            let pipeline = pipeline(NAMESPACES[nth / 3], PIPELINES[nth % 3]);
            let own = || self.model.runs.iter().filter(|run| run.item.run.pipeline == pipeline);
            assert_eq!(self.queue.seated(&pipeline), own().count());
            assert_eq!(self.queue.active(&pipeline), own().filter(|run| run.phase != Phase::Ended).count());
        }
    }

    fn compare_time(&self) {
        let next = self.queue.next_start(self.now);
        assert_eq!(next.is_some(), self.model.waits_for_rate(self.now), "{next:?}");
        if let Some(at) = next {
            assert!(self.model.rate_allows(at) && !self.model.rate_allows(at - Duration::from_nanos(1)));
        }
    }
}

fn is_a_place(hold: Hold) -> bool {
    (1..=hold.of).contains(&hold.place)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// INV-32, INV-33 and all of the order: after every step of any history the queue stands where the model stands.
    #[test]
    fn the_queue_does_what_the_model_does(
        limits in limits(),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut bench = Bench::new(limits);
        for step in steps {
            bench.step(step);
        }
    }
}
