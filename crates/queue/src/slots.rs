//! The slots of tasks: who holds how many, who waits, and who gets the next one. It knows namespaces, not runs.

use std::collections::{BTreeMap, HashMap};

use gofer_types::{Namespace, RunRef};

use crate::fair::Fair;
use crate::hold::{Hold, Limit};
use crate::item::{Slot, SlotId};
use crate::limits::{Limits, NamespaceLimits};

/// A namespace in which tasks run or wait.
#[derive(Debug)]
pub(crate) struct Tasks {
    limits: NamespaceLimits,
    line: BTreeMap<u64, SlotId>,
    running: usize,
}

impl Tasks {
    fn has_room(&self) -> bool {
        self.running < self.limits.bounds.running_tasks
    }
}

/// All slots.
#[derive(Debug)]
pub(crate) struct Slots {
    limits: Limits,
    /// The namespaces in which something runs or waits.
    pub(crate) spaces: HashMap<Namespace, Tasks>,
    /// Who waits, by the number of its asking.
    places: BTreeMap<SlotId, u64>,
    fair: Fair<Namespace>,
    running: usize,
    order: u64,
}

impl Slots {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            spaces: HashMap::new(),
            places: BTreeMap::new(),
            fair: Fair::new(),
            running: 0,
            order: 0,
        }
    }

    pub(crate) fn ask(&mut self, slot: SlotId, spare: bool) -> Slot {
        let namespace = slot.run.pipeline.namespace.clone();
        if self.places.contains_key(&slot) {
            return Slot::Wait(self.limit_of(&namespace));
        }
        let space = self.space(&namespace);
        let (running, limit, alone) =
            (space.running, space.limits.bounds.running_tasks, space.line.is_empty());
        let leads = alone && self.fair.would_lead(&namespace);
        let fits = |spare: usize| {
            running.saturating_sub(spare) < limit
                && self.running.saturating_sub(spare) < self.limits.server.running_tasks
        };
        let answer = match (leads && fits(0), leads && spare && running > 0 && fits(1)) {
            (true, _) => Slot::Granted,
            (_, true) => Slot::Spare,
            _ => {
                self.wait(slot, &namespace);
                return Slot::Wait(self.limit_of(&namespace));
            }
        };
        self.charge(&namespace);
        if answer == Slot::Granted {
            self.hold(&namespace);
        }
        answer
    }

    fn space(&mut self, namespace: &Namespace) -> &mut Tasks {
        let limits = &self.limits;
        self.spaces.entry(namespace.clone()).or_insert_with(|| Tasks {
            limits: limits.of(namespace),
            line: BTreeMap::new(),
            running: 0,
        })
    }

    /// Lets the namespace pay for a slot that it was given without waiting.
    fn charge(&mut self, namespace: &Namespace) {
        let weight = self.limits.of(namespace).weight;
        self.fair.set_ready(namespace, weight, true);
        self.fair.take(namespace);
        self.refresh(namespace);
    }

    fn wait(&mut self, slot: SlotId, namespace: &Namespace) {
        self.order += 1;
        let order = self.order;
        self.places.insert(slot.clone(), order);
        self.space(namespace).line.insert(order, slot);
        self.refresh(namespace);
    }

    /// Tells the others whether the namespace has a task that could run.
    fn refresh(&mut self, namespace: &Namespace) {
        let Some(space) = self.spaces.get(namespace) else { return };
        let ready = space.has_room() && !space.line.is_empty();
        self.fair.set_ready(namespace, space.limits.weight, ready);
        if space.running == 0 && space.line.is_empty() {
            self.spaces.remove(namespace);
        }
    }

    pub(crate) fn hold(&mut self, namespace: &Namespace) {
        self.space(namespace).running += 1;
        self.running += 1;
        self.refresh(namespace);
    }

    pub(crate) fn release(&mut self, namespace: &Namespace, count: usize) {
        let Some(space) = self.spaces.get_mut(namespace) else { return };
        let count = count.min(space.running);
        space.running -= count;
        self.running -= count;
        self.refresh(namespace);
    }

    pub(crate) fn withdraw(&mut self, slot: &SlotId) {
        let Some(order) = self.places.remove(slot) else { return };
        let namespace = &slot.run.pipeline.namespace;
        if let Some(space) = self.spaces.get_mut(namespace) {
            space.line.remove(&order);
        }
        self.refresh(namespace);
    }

    /// Takes all tasks of a run out of the line.
    pub(crate) fn withdraw_all(&mut self, run: &RunRef) {
        let slots: Vec<SlotId> = self.waiting(run).map(|(slot, _)| slot.clone()).collect();
        slots.iter().for_each(|slot| self.withdraw(slot));
    }

    pub(crate) fn grant(&mut self) -> Vec<SlotId> {
        let mut granted = Vec::new();
        while self.running < self.limits.server.running_tasks {
            let Some(namespace) = self.fair.first().cloned() else { break };
            let Some(space) = self.spaces.get_mut(&namespace) else { break };
            let Some((_, slot)) = space.line.pop_first() else { break };
            self.places.remove(&slot);
            self.fair.take(&namespace);
            self.hold(&namespace);
            granted.push(slot);
        }
        granted
    }

    /// What the waiting tasks of a run wait for, and their places, at the cost of one walk along the line.
    pub(crate) fn held(&self, run: &RunRef) -> BTreeMap<u32, Hold> {
        let namespace = &run.pipeline.namespace;
        let mut own: BTreeMap<u64, u32> =
            self.waiting(run).map(|(slot, order)| (*order, slot.task)).collect();
        let (Some(space), Some(limit)) = (self.spaces.get(namespace), self.limit_of(namespace)) else {
            return BTreeMap::new();
        };
        if own.is_empty() {
            return BTreeMap::new();
        }
        let mut nths = Vec::with_capacity(own.len());
        let mut tasks = Vec::with_capacity(own.len());
        for (nth, order) in (1..).zip(space.line.keys()) {
            let Some(task) = own.remove(order) else { continue };
            nths.push(nth);
            tasks.push(task);
            if own.is_empty() {
                break;
            }
        }
        let (places, of) = if space.has_room() {
            let waiting = |other: &_| self.spaces.get(other).map_or(0, |space| space.line.len());
            self.fair.places(namespace, &nths, waiting)
        } else {
            (nths, space.line.len())
        };
        tasks.into_iter().zip(places).map(|(task, place)| (task, Hold { limit, place, of })).collect()
    }

    fn waiting(&self, run: &RunRef) -> impl Iterator<Item = (&SlotId, &u64)> {
        let [first, last] = [0, u32::MAX].map(|task| SlotId { run: run.clone(), task });
        self.places.range(first..=last)
    }

    /// What the namespace or the server has against one more slot.
    fn limit_of(&self, namespace: &Namespace) -> Option<Limit> {
        let server = self.limits.server.running_tasks;
        let space = self.spaces.get(namespace);
        if let Some(space) = space.filter(|space| !space.has_room()) {
            Some(Limit::NamespaceTasks { tasks: space.limits.bounds.running_tasks })
        } else if self.running >= server {
            Some(Limit::ServerTasks { tasks: server })
        } else {
            None
        }
    }

    /// Tasks that wait and tasks that hold a slot, in all.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.places.len(), self.running)
    }

    /// The same in one namespace.
    pub(crate) fn counts_of(&self, namespace: &Namespace) -> (usize, usize) {
        self.spaces.get(namespace).map_or((0, 0), |space| (space.line.len(), space.running))
    }
}
