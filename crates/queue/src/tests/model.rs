//! An independent model of the queue, written from the rules: everything is a list, and every question walks all of it.
//! Where the queue predicts, the model tries and goes back.

use std::collections::BTreeMap;
use std::time::Duration;

use gofer_types::pipeline::QueuePolicy;
use gofer_types::{Namespace, RunRef};

use crate::{Arrival, Counts, Hold, Item, Limit, Limits, NamespaceLimits, Phase, Refused, Slot, SlotId};

/// The turns of the namespaces: from when, since which tick, and whether it could take one.
#[derive(Debug, Clone, Default)]
struct Turns {
    present: u64,
    tick: u64,
    of: BTreeMap<Namespace, (u64, u64, bool)>,
}

impl Turns {
    /// Whether a namespace could take a turn.
    fn settle(&mut self, namespace: &Namespace, ready: bool) {
        self.tick += 1;
        let turn = self.of.entry(namespace.clone()).or_default();
        if ready && !turn.2 && turn.0 <= self.present {
            (turn.0, turn.1) = (self.present, self.tick);
        }
        turn.2 = ready;
    }

    fn first(&self) -> Option<Namespace> {
        let ready = self.of.iter().filter(|(_, turn)| turn.2);
        ready.min_by_key(|(_, turn)| (turn.0, turn.1)).map(|(namespace, _)| namespace.clone())
    }

    fn take(&mut self, namespace: &Namespace, weight: u8) {
        self.tick += 1;
        let turn = self.of.get_mut(namespace).unwrap();
        self.present = turn.0;
        (turn.0, turn.1) = (turn.0 + 2520 / u64::from(weight), self.tick);
    }

    /// Plays all turns and looks when the wanted one comes.
    fn place(
        mut self,
        limits: &Limits,
        own: &Namespace,
        nth: usize,
        mut left: BTreeMap<Namespace, usize>,
    ) -> Option<usize> {
        let (mut place, mut own_turns) = (0, 0);
        loop {
            for (namespace, turn) in &mut self.of {
                turn.2 &= left.get(namespace).is_some_and(|left| *left > 0);
            }
            let next = self.first()?;
            place += 1;
            own_turns += usize::from(next == *own);
            if own_turns == nth {
                return Some(place);
            }
            *left.get_mut(&next).unwrap() -= 1;
            self.take(&next, limits.of(&next).weight.get());
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct ModelRun {
    pub(super) item: Item,
    pub(super) phase: Phase,
    /// Its place in the order; the number of its arrival is the last word.
    key: (i128, u64),
    replaced: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Model {
    limits: Limits,
    pub(super) runs: Vec<ModelRun>,
    number: u64,
    newest: u64,
    turns: Turns,
    starts: Vec<Duration>,
    pub(super) asking: Vec<SlotId>,
    pub(super) slots: BTreeMap<Namespace, usize>,
    slot_turns: Turns,
}

impl Model {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            runs: Vec::new(),
            number: 0,
            newest: 0,
            turns: Turns::default(),
            starts: Vec::new(),
            asking: Vec::new(),
            slots: BTreeMap::new(),
            slot_turns: Turns::default(),
        }
    }

    fn find(&self, run: &RunRef) -> Option<&ModelRun> {
        self.runs.iter().find(|other| other.item.run == *run)
    }

    fn count(&self, phase: Phase, wanted: impl Fn(&RunRef) -> bool) -> usize {
        self.runs.iter().filter(|run| run.phase == phase && wanted(&run.item.run)).count()
    }

    fn of(&self, run: &RunRef) -> NamespaceLimits {
        self.limits.of(&run.pipeline.namespace)
    }

    /// The waiting runs in front of one in its pipeline, first come first.
    fn in_front(&self, run: &ModelRun) -> Vec<&ModelRun> {
        let mut front: Vec<&ModelRun> = self
            .runs
            .iter()
            .filter(|other| other.phase == Phase::Queued && other.item.run.pipeline == run.item.run.pipeline)
            .filter(|other| other.key < run.key)
            .collect();
        front.sort_by_key(|run| run.key);
        front
    }

    /// What the pipeline has against a waiting run.
    fn pipeline_limit(&self, run: &ModelRun) -> Option<Limit> {
        let front = self.in_front(run);
        let running = self.count(Phase::Running, |other| other.pipeline == run.item.run.pipeline);
        let parallelism = run.item.parallelism;
        if run.replaced {
            Some(Limit::Replaced)
        } else if parallelism > 0 && running + front.len() >= parallelism as usize {
            Some(Limit::Pipeline { parallelism })
        } else if front.first().is_some_and(|first| self.pipeline_limit(first).is_some()) {
            Some(Limit::Predecessors)
        } else {
            None
        }
    }

    fn namespace_has_room(&self, namespace: &Namespace) -> bool {
        let running = self.count(Phase::Running, |run| run.pipeline.namespace == *namespace);
        running < self.limits.of(namespace).bounds.running_runs
    }

    fn server_has_room(&self) -> bool {
        self.count(Phase::Running, |_| true) < self.limits.server.running_runs
    }

    /// The waiting runs of a namespace that their pipelines let start, in order.
    fn eligible(&self, namespace: &Namespace) -> Vec<&ModelRun> {
        let mut runs: Vec<&ModelRun> = self
            .runs
            .iter()
            .filter(|run| run.phase == Phase::Queued && run.item.run.pipeline.namespace == *namespace)
            .filter(|run| self.pipeline_limit(run).is_none())
            .collect();
        runs.sort_by_key(|run| run.key);
        runs
    }

    fn settle(&mut self, namespace: &Namespace) {
        let ready = self.namespace_has_room(namespace) && !self.eligible(namespace).is_empty();
        self.turns.settle(namespace, ready);
    }

    /// Whether the rate lets something start: the bucket is filled and emptied anew from the first start on.
    pub(super) fn rate_allows(&self, now: Duration) -> bool {
        let Some(rate) = self.limits.starts else { return true };
        let (per, starts) = (rate.per().as_nanos(), u128::from(rate.starts()));
        let (mut level, mut at) = (per * starts, Duration::ZERO);
        for start in &self.starts {
            level = (level + (*start - at).as_nanos() * starts).min(per * starts) - per;
            at = *start;
        }
        (level + now.saturating_sub(at).as_nanos() * starts).min(per * starts) >= per
    }

    /// Whether the rate is all that is in the way of a start.
    pub(super) fn waits_for_rate(&self, now: Duration) -> bool {
        self.server_has_room() && self.turns.first().is_some() && !self.rate_allows(now)
    }

    fn next(&self, now: Duration) -> Option<RunRef> {
        if !self.server_has_room() || !self.rate_allows(now) {
            return None;
        }
        Some(self.eligible(&self.turns.first()?)[0].item.run.clone())
    }

    fn start(&mut self, run: &RunRef, now: Duration) {
        self.runs.iter_mut().find(|other| other.item.run == *run).unwrap().phase = Phase::Running;
        let latest = self.starts.last().copied().unwrap_or_default();
        self.starts.push(now.max(latest));
        self.turns.take(&run.pipeline.namespace, self.of(run).weight.get());
        self.settle(&run.pipeline.namespace);
    }

    fn sit_down(&mut self, item: Item, phase: Phase) -> Vec<RunRef> {
        let mut replaces = Vec::new();
        if item.policy == QueuePolicy::Replace && phase == Phase::Queued && item.parallelism > 0 {
            let lasting = |run: &&mut ModelRun| {
                run.phase != Phase::Ended && !run.replaced && run.item.run.pipeline == item.run.pipeline
            };
            let many = self.runs.iter_mut().filter(lasting).count() + 1;
            for run in
                self.runs.iter_mut().filter(lasting).take(many.saturating_sub(item.parallelism as usize))
            {
                run.replaced = true;
                replaces.push(run.item.run.clone());
            }
        }
        self.number += 1;
        self.newest = self.newest.max(item.at);
        let namespace = item.run.pipeline.namespace.clone();
        let worth = i128::from(item.priority.get()) * self.limits.ageing.as_micros() as i128;
        let key = (i128::from(self.newest) - worth, self.number);
        self.runs.push(ModelRun { item, phase, key, replaced: false });
        self.settle(&namespace);
        replaces
    }

    pub(super) fn restore(&mut self, item: Item, phase: Phase) -> Vec<RunRef> {
        if self.find(&item.run).is_some() { Vec::new() } else { self.sit_down(item, phase) }
    }

    pub(super) fn arrive(&mut self, item: &Item, now: Duration) -> Result<Arrival, Refused> {
        if let Some(run) = self.find(&item.run) {
            let admitted = run.phase == Phase::Running;
            return Ok(Arrival { admitted, held: self.limit(&item.run), replaces: Vec::new() });
        }
        let before = self.clone();
        let replaces = self.sit_down(item.clone(), Phase::Queued);
        let refused = self.refusal(item, &before, now);
        if let Some(refused) = refused {
            *self = before;
            return Err(refused);
        }
        let admitted = self.next(now).as_ref() == Some(&item.run);
        if admitted {
            self.start(&item.run, now);
        }
        Ok(Arrival { admitted, held: self.limit(&item.run), replaces })
    }

    fn refusal(&self, item: &Item, before: &Self, now: Duration) -> Option<Refused> {
        let run = self.find(&item.run).unwrap();
        if item.policy == QueuePolicy::Refuse
            && let Some(Limit::Pipeline { parallelism }) = self.pipeline_limit(run)
        {
            let others = before
                .runs
                .iter()
                .filter(|other| other.phase != Phase::Ended && other.item.run.pipeline == item.run.pipeline);
            let runs = others.take(10).map(|other| other.item.run.clone()).collect();
            return Some(Refused::PipelineBusy { parallelism, runs });
        }
        if self.next(now).as_ref() == Some(&item.run) {
            return None;
        }
        let limit = self.limits.server.queued_runs;
        if before.count(Phase::Queued, |_| true) >= limit {
            return Some(Refused::ServerFull { limit });
        }
        let namespace = item.run.pipeline.namespace.clone();
        let limit = self.limits.of(&namespace).bounds.queued_runs;
        let full = before.count(Phase::Queued, |run| run.pipeline.namespace == namespace) >= limit;
        full.then_some(Refused::NamespaceFull { namespace, limit })
    }

    pub(super) fn admit(&mut self, now: Duration) -> Vec<RunRef> {
        let mut admitted = Vec::new();
        while let Some(run) = self.next(now) {
            self.start(&run, now);
            admitted.push(run);
        }
        admitted
    }

    pub(super) fn end(&mut self, run: &RunRef) {
        self.asking.retain(|slot| slot.run != *run);
        self.settle_slots(&run.pipeline.namespace);
        if let Some(found) = self.runs.iter_mut().find(|other| other.item.run == *run) {
            found.phase = Phase::Ended;
            self.settle(&run.pipeline.namespace);
        }
    }

    pub(super) fn forget(&mut self, run: &RunRef) {
        self.end(run);
        self.runs.retain(|other| other.item.run != *run);
    }

    pub(super) fn limit(&self, run: &RunRef) -> Option<Limit> {
        let found = self.find(run).filter(|run| run.phase == Phase::Queued)?;
        if let Some(limit) = self.pipeline_limit(found) {
            Some(limit)
        } else if !self.namespace_has_room(&run.pipeline.namespace) {
            Some(Limit::Namespace { runs: self.of(run).bounds.running_runs })
        } else if !self.server_has_room() {
            Some(Limit::Server { runs: self.limits.server.running_runs })
        } else {
            self.limits.starts.map(Limit::Rate)
        }
    }

    pub(super) fn held(&self, run: &RunRef) -> Option<Hold> {
        let limit = self.limit(run)?;
        let found = self.find(run)?;
        let nth = |line: &[&ModelRun]| 1 + line.iter().position(|other| other.key == found.key).unwrap();
        let namespace = &run.pipeline.namespace;
        let (place, of) = match limit {
            Limit::Namespace { .. } => (nth(&self.eligible(namespace)), self.eligible(namespace).len()),
            Limit::Server { .. } | Limit::Rate(_) => {
                let ready = self.turns.of.iter().filter(|(_, turn)| turn.2);
                let left: BTreeMap<Namespace, usize> =
                    ready.map(|(other, _)| (other.clone(), self.eligible(other).len())).collect();
                let (nth, of) = (nth(&self.eligible(namespace)), left.values().sum());
                (self.turns.clone().place(&self.limits, namespace, nth, left)?, of)
            }
            _ => {
                let all = self.count(Phase::Queued, |other| other.pipeline == run.pipeline);
                (self.in_front(found).len() + 1, all)
            }
        };
        Some(Hold { limit, place, of })
    }

    fn held_slots(&self, namespace: &Namespace) -> usize {
        self.slots.get(namespace).copied().unwrap_or(0)
    }

    fn slots_fit(&self, namespace: &Namespace) -> bool {
        self.held_slots(namespace) < self.limits.of(namespace).bounds.running_tasks
    }

    fn server_fits(&self) -> bool {
        self.slots.values().sum::<usize>() < self.limits.server.running_tasks
    }

    fn line(&self, namespace: &Namespace) -> Vec<&SlotId> {
        self.asking.iter().filter(|slot| slot.run.pipeline.namespace == *namespace).collect()
    }

    fn settle_slots(&mut self, namespace: &Namespace) {
        let ready = self.slots_fit(namespace) && !self.line(namespace).is_empty();
        self.slot_turns.settle(namespace, ready);
    }

    fn next_slot(&self) -> Option<SlotId> {
        if !self.server_fits() {
            return None;
        }
        Some(self.line(&self.slot_turns.first()?)[0].clone())
    }

    fn grant_one(&mut self, slot: &SlotId) {
        let namespace = &slot.run.pipeline.namespace;
        self.asking.retain(|other| other != slot);
        self.slot_turns.take(namespace, self.limits.of(namespace).weight.get());
        self.hold(namespace);
    }

    pub(super) fn ask(&mut self, slot: &SlotId, spare: bool) -> Slot {
        let namespace = &slot.run.pipeline.namespace;
        if self.asking.contains(slot) {
            return Slot::Wait(self.slot_limit(namespace));
        }
        let before = self.clone();
        let joins = |model: &mut Self| {
            model.asking.push(slot.clone());
            model.settle_slots(namespace);
            model.next_slot().as_ref() == Some(slot)
        };
        if joins(self) {
            self.grant_one(slot);
            return Slot::Granted;
        }
        if spare && before.held_slots(namespace) > 0 {
            *self = before.clone();
            // what would be if that slot were given back first
            *self.slots.get_mut(namespace).unwrap() -= 1;
            if joins(self) {
                self.grant_one(slot);
                return Slot::Spare;
            }
            *self = before;
            joins(self);
        }
        Slot::Wait(self.slot_limit(namespace))
    }

    pub(super) fn hold(&mut self, namespace: &Namespace) {
        *self.slots.entry(namespace.clone()).or_default() += 1;
        self.settle_slots(namespace);
    }

    pub(super) fn release(&mut self, namespace: &Namespace, count: usize) {
        let held = self.held_slots(namespace);
        self.slots.insert(namespace.clone(), held.saturating_sub(count));
        self.settle_slots(namespace);
    }

    pub(super) fn withdraw(&mut self, slot: &SlotId) {
        self.asking.retain(|other| other != slot);
        self.settle_slots(&slot.run.pipeline.namespace);
    }

    pub(super) fn grant(&mut self) -> Vec<SlotId> {
        let mut granted = Vec::new();
        while let Some(slot) = self.next_slot() {
            self.grant_one(&slot);
            granted.push(slot);
        }
        granted
    }

    fn slot_limit(&self, namespace: &Namespace) -> Option<Limit> {
        if !self.slots_fit(namespace) {
            Some(Limit::NamespaceTasks { tasks: self.limits.of(namespace).bounds.running_tasks })
        } else if !self.server_fits() {
            Some(Limit::ServerTasks { tasks: self.limits.server.running_tasks })
        } else {
            None
        }
    }

    pub(super) fn slot_held(&self, slot: &SlotId) -> Option<Hold> {
        let namespace = &slot.run.pipeline.namespace;
        let line = self.line(namespace);
        let nth = 1 + line.iter().position(|other| *other == slot)?;
        let limit = self.slot_limit(namespace)?;
        if let Limit::NamespaceTasks { .. } = limit {
            return Some(Hold { limit, place: nth, of: line.len() });
        }
        let ready = self.slot_turns.of.iter().filter(|(_, turn)| turn.2);
        let left: BTreeMap<Namespace, usize> =
            ready.map(|(other, _)| (other.clone(), self.line(other).len())).collect();
        let of = left.values().sum();
        Some(Hold { limit, place: self.slot_turns.clone().place(&self.limits, namespace, nth, left)?, of })
    }

    pub(super) fn counts(&self, wanted: impl Fn(&Namespace) -> bool) -> Counts {
        let runs = |phase| self.count(phase, |run| wanted(&run.pipeline.namespace));
        Counts {
            queued_runs: runs(Phase::Queued),
            running_runs: runs(Phase::Running),
            waiting_tasks: self.asking.iter().filter(|slot| wanted(&slot.run.pipeline.namespace)).count(),
            running_tasks: self.slots.iter().filter(|(name, _)| wanted(name)).map(|(_, held)| held).sum(),
        }
    }
}
