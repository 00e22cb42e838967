//! The runs: who waits in which line, who runs, and who is let in next. It tells no places; that is `place`.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use gofer_types::pipeline::QueuePolicy;
use gofer_types::{Namespace, PipelineRef, RunRef};

use crate::fair::Fair;
use crate::item::{Arrival, Item, Phase, Refused};
use crate::limits::Limits;
use crate::line::{Key, Lane, Space, Waiting};
use crate::rate::Bucket;

/// A run that was not forgotten.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) key: Key,
    pub(crate) phase: Phase,
}

/// All runs.
#[derive(Debug)]
pub(crate) struct Runs {
    pub(crate) limits: Limits,
    pub(crate) seats: HashMap<Arc<RunRef>, Seat>,
    pub(crate) lanes: HashMap<PipelineRef, Lane>,
    /// The namespaces in which something runs or waits.
    pub(crate) spaces: HashMap<Namespace, Space>,
    pub(crate) fair: Fair<Namespace>,
    pub(crate) bucket: Option<Bucket>,
    /// The heads of pipelines that wait for nothing but them: parts of runs that run.
    joined: BTreeSet<(Key, PipelineRef)>,
    pub(crate) running: usize,
    pub(crate) queued: usize,
    /// How many have arrived.
    order: u64,
    /// The newest time at which one was asked for.
    newest: u64,
}

impl Runs {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            bucket: limits.starts.map(Bucket::new),
            limits,
            seats: HashMap::new(),
            lanes: HashMap::new(),
            spaces: HashMap::new(),
            fair: Fair::new(),
            joined: BTreeSet::new(),
            running: 0,
            queued: 0,
            order: 0,
            newest: 0,
        }
    }

    pub(crate) fn arrive(&mut self, item: Item, now: Duration) -> Result<Arrival, Refused> {
        if let Some(seat) = self.seats.get(&item.run) {
            let admitted = seat.phase == Phase::Running;
            return Ok(Arrival { admitted, held: self.limit_of(&item.run), replaces: Vec::new() });
        }
        let key = self.next_key(&item);
        self.refuse_where_busy(&item, key)?;
        let admitted = self.starts_at_once(&item, key, now);
        let within = item.within;
        if !admitted && !within {
            self.refuse_where_full(&item.run.pipeline.namespace)?;
        }
        let run = item.run.clone();
        let replaces = self.sit_down(item, key, Phase::Queued);
        if admitted && within {
            self.start_joined();
        } else if admitted {
            self.start_next(now);
        }
        Ok(Arrival { admitted, held: self.limit_of(&run), replaces })
    }

    pub(crate) fn restore(&mut self, item: Item, phase: Phase) -> Vec<RunRef> {
        if self.seats.contains_key(&item.run) {
            return Vec::new();
        }
        let key = self.next_key(&item);
        self.sit_down(item, key, phase)
    }

    fn next_key(&self, item: &Item) -> Key {
        Key::new(item.at.max(self.newest), item.priority, self.limits.ageing, self.order + 1)
    }

    fn refuse_where_busy(&self, item: &Item, key: Key) -> Result<(), Refused> {
        let Some(lane) = self.lanes.get(&item.run.pipeline) else { return Ok(()) };
        let parallelism = item.parallelism;
        let ahead = if item.within { lane.parts.len() } else { lane.ahead(key, parallelism) };
        if item.policy == QueuePolicy::Refuse
            && parallelism > 0
            && lane.running + ahead >= parallelism as usize
        {
            return Err(Refused::PipelineBusy { parallelism, runs: lane.oldest() });
        }
        Ok(())
    }

    fn refuse_where_full(&self, namespace: &Namespace) -> Result<(), Refused> {
        let limit = self.limits.server.queued_runs;
        if self.queued >= limit {
            return Err(Refused::ServerFull { limit });
        }
        let limit = self.limits.of(namespace).bounds.queued_runs;
        if self.spaces.get(namespace).map_or(0, |space| space.line.len()) >= limit {
            return Err(Refused::NamespaceFull { namespace: namespace.clone(), limit });
        }
        Ok(())
    }

    /// Whether a run that arrives is the very next one, and may start now.
    fn starts_at_once(&self, item: &Item, key: Key, now: Duration) -> bool {
        let PipelineRef { namespace, .. } = &item.run.pipeline;
        let leads_lane = self.lanes.get(&item.run.pipeline).is_none_or(|lane| {
            let waiting = Waiting { parallelism: item.parallelism, replaced: false };
            if item.within {
                return lane.parts.is_empty() && lane.limit_of_part(waiting).is_none();
            }
            lane.line.first_key_value().is_none_or(|(first, _)| key < *first)
                && lane.limit_at(waiting, 0).is_none()
        });
        let leads_space = match self.spaces.get(namespace) {
            Some(space) => space.has_room() && space.heads.first().is_none_or(|first| key < *first),
            None => self.limits.of(namespace).bounds.running_runs > 0,
        };
        if item.within {
            return leads_lane;
        }
        leads_lane && leads_space && self.fair.would_lead(namespace) && self.has_room(now)
    }

    /// Whether the server lets one more run start.
    fn has_room(&self, now: Duration) -> bool {
        self.running < self.limits.server.running_runs
            && self.bucket.as_ref().is_none_or(|bucket| bucket.allows(now))
    }

    /// Seats a run and answers whom it replaces.
    fn sit_down(&mut self, item: Item, key: Key, phase: Phase) -> Vec<RunRef> {
        self.order = key.order;
        self.newest = self.newest.max(item.at);
        let run = Arc::new(item.run);
        let PipelineRef { namespace, .. } = &run.pipeline;
        let lane = self.lanes.entry(run.pipeline.clone()).or_default();
        lane.seated += 1;
        self.seats.insert(Arc::clone(&run), Seat { key, phase });
        if phase == Phase::Ended {
            return Vec::new();
        }
        let limits = &self.limits;
        let space = self.spaces.entry(namespace.clone()).or_insert_with(|| Space::new(limits.of(namespace)));
        let mut replaces = Vec::new();
        if phase == Phase::Queued {
            if item.policy == QueuePolicy::Replace {
                replaces = lane.replace(item.parallelism);
            }
            let waiting = Waiting { parallelism: item.parallelism, replaced: false };
            if item.within {
                lane.parts.insert(key, waiting);
                space.parts += 1;
            } else {
                lane.line.insert(key, waiting);
                space.line.insert(key, Arc::clone(&run));
            }
            self.queued += 1;
        } else {
            lane.running += 1;
            space.running += 1;
            self.running += 1;
        }
        lane.active.insert(key.order, (key, Arc::clone(&run)));
        lane.lasting.insert(key.order);
        self.refresh(&run.pipeline);
        replaces
    }

    /// Tells the namespace which head the pipeline has now, and the others whether the namespace can start something.
    fn refresh(&mut self, pipeline: &PipelineRef) {
        let Some(lane) = self.lanes.get_mut(pipeline) else { return };
        let Some(space) = self.spaces.get_mut(&pipeline.namespace) else { return };
        let head = lane.startable();
        if head != lane.head {
            if let Some(old) = lane.head {
                space.heads.remove(&old);
            }
            space.heads.extend(head);
            lane.head = head;
        }
        let part = lane.startable_part();
        if part != lane.part {
            if let Some(old) = lane.part {
                self.joined.remove(&(old, pipeline.clone()));
            }
            self.joined.extend(part.map(|part| (part, pipeline.clone())));
            lane.part = part;
        }
        self.fair.set_ready(&pipeline.namespace, space.limits.weight, space.is_ready());
    }

    pub(crate) fn admit(&mut self, now: Duration) -> Vec<RunRef> {
        let mut admitted = Vec::new();
        while let Some(run) = self.start_joined() {
            admitted.push(RunRef::clone(&run));
        }
        while self.has_room(now) {
            let Some(run) = self.start_next(now) else { break };
            admitted.push(RunRef::clone(&run));
        }
        admitted
    }

    /// Starts the first of those that wait for nothing but their pipeline, which lets it start.
    fn start_joined(&mut self) -> Option<Arc<RunRef>> {
        let (key, pipeline) = self.joined.first()?.clone();
        let lane = self.lanes.get_mut(&pipeline)?;
        let run = Arc::clone(&lane.active.get(&key.order)?.1);
        lane.parts.remove(&key);
        self.spaces.get_mut(&pipeline.namespace)?.parts -= 1;
        self.start(&run)?;
        self.refresh(&run.pipeline);
        Some(run)
    }

    /// Starts the run whose turn it is, whether the server has room or not.
    fn start_next(&mut self, now: Duration) -> Option<Arc<RunRef>> {
        let namespace = self.fair.first()?.clone();
        let key = *self.spaces.get(&namespace)?.heads.first()?;
        let run = self.spaces.get_mut(&namespace)?.line.remove(&key)?;
        self.lanes.get_mut(&run.pipeline)?.line.remove(&key);
        self.start(&run)?;
        if let Some(bucket) = &mut self.bucket {
            bucket.take(now);
        }
        self.fair.take(&namespace);
        self.refresh(&run.pipeline);
        Some(run)
    }

    /// Counts a run that has left its line.
    fn start(&mut self, run: &RunRef) -> Option<()> {
        self.lanes.get_mut(&run.pipeline)?.running += 1;
        self.spaces.get_mut(&run.pipeline.namespace)?.running += 1;
        self.running += 1;
        self.queued -= 1;
        if let Some(seat) = self.seats.get_mut(run) {
            seat.phase = Phase::Running;
        }
        Some(())
    }

    pub(crate) fn next_start(&self, now: Duration) -> Option<Duration> {
        self.fair.first()?;
        let room = self.running < self.limits.server.running_runs;
        self.bucket.as_ref().filter(|_| room)?.next(now)
    }

    pub(crate) fn end(&mut self, run: &RunRef) {
        let Some(seat) = self.seats.get_mut(run) else { return };
        let (key, phase) = (seat.key, std::mem::replace(&mut seat.phase, Phase::Ended));
        let Some(lane) = self.lanes.get_mut(&run.pipeline) else { return };
        let Some(space) = self.spaces.get_mut(&run.pipeline.namespace) else { return };
        match phase {
            Phase::Queued => {
                if lane.parts.remove(&key).is_some() {
                    space.parts -= 1;
                } else {
                    lane.line.remove(&key);
                    space.line.remove(&key);
                }
                self.queued -= 1;
            }
            Phase::Running => {
                lane.running -= 1;
                space.running -= 1;
                self.running -= 1;
            }
            Phase::Ended => return,
        }
        lane.active.remove(&key.order);
        lane.lasting.remove(&key.order);
        let is_empty = space.line.is_empty() && space.parts == 0 && space.running == 0;
        self.refresh(&run.pipeline);
        if is_empty {
            self.spaces.remove(&run.pipeline.namespace);
        }
    }

    pub(crate) fn spare(&mut self, run: &RunRef) {
        let Some(seat) = self.seats.get(run).filter(|seat| seat.phase != Phase::Ended) else { return };
        let Some(lane) = self.lanes.get_mut(&run.pipeline) else { return };
        lane.lasting.insert(seat.key.order);
        let key = &seat.key;
        if let Some(waiting) = lane.line.get_mut(key).or_else(|| lane.parts.get_mut(key)) {
            waiting.replaced = false;
        }
        self.refresh(&run.pipeline);
    }

    pub(crate) fn forget(&mut self, run: &RunRef) {
        self.end(run);
        if self.seats.remove(run).is_none() {
            return;
        }
        if let Some(lane) = self.lanes.get_mut(&run.pipeline) {
            lane.seated -= 1;
            if lane.seated == 0 {
                self.lanes.remove(&run.pipeline);
            }
        }
    }
}
