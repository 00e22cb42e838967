//! The hall where runs and tasks wait: the queue with the runs behind its entries, under one short lock that is never held
//! across I/O. Who is next is decided by `gofer_queue`; it is rebuilt from records at start, and decides nothing that a record
//! does not tell.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gofer_backend::Clock;
use gofer_queue::{Counts, Hold, Item, Limit, Limits, Phase, Priority, Queue, Refused, SlotId};
use gofer_types::{AttemptId, Pipeline, PipelineRef, RunRecord, RunRef, Timestamp};
use tokio::sync::Notify;

use crate::seat::{Entry, RunHandle};

/// Whether a run may run, and which others it replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The limit that holds it back; `None` for one that may run.
    pub held: Option<String>,
    /// The older runs that are to end.
    pub replaces: Vec<RunRef>,
}

/// The answer to who asks for a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// Here is one.
    Granted,
    /// The one that is given back anyway.
    Spare,
    /// Not now: this limit is reached. The task is in the line.
    Wait(String),
}

/// Who runs and who waits.
pub struct Hall {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Wakes who waits for a start to be over or for a run to be put away.
    pub calmer: Notify,
    /// Wakes who opens the doors when the rate of starts allows the next one.
    bell: Notify,
}

impl fmt::Debug for Hall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hall").finish_non_exhaustive()
    }
}

/// What the lock guards.
#[derive(Debug)]
pub(crate) struct State {
    queue: Queue,
    handles: HashMap<RunRef, Arc<RunHandle>>,
    pub(crate) pipelines: HashMap<PipelineRef, Entry>,
    /// The runs that have not ended, newest first.
    listed: BTreeSet<(Reverse<Timestamp>, RunRef)>,
    in_hand: HashSet<AttemptId>,
    set_aside: BTreeMap<RunRef, String>,
    /// The idempotency keys of starts that are on their way.
    pub(crate) keys: HashSet<(PipelineRef, String)>,
    /// Grows when pipelines are forgotten.
    pub(crate) generation: u64,
}

/// A run, as the queue sees it.
pub fn item(run: &RunRecord, config: &Pipeline) -> Item {
    Item {
        run: run.id.clone(),
        parallelism: config.parallelism,
        policy: config.queue,
        priority: Priority::new(run.priority).unwrap_or_default(),
        at: u64::try_from(run.created.as_micros()).unwrap_or_default(),
        within: run.parent.is_some(),
    }
}

impl Hall {
    /// An empty hall with these limits.
    pub fn new(limits: Limits, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            queue: Queue::new(limits),
            handles: HashMap::new(),
            pipelines: HashMap::new(),
            listed: BTreeSet::new(),
            in_hand: HashSet::new(),
            set_aside: BTreeMap::new(),
            keys: HashSet::new(),
            generation: 0,
        };
        Self { clock, state: Mutex::new(state), calmer: Notify::new(), bell: Notify::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seats a new run. It is refused when too many wait, or when its pipeline lets none wait.
    pub fn seat(&self, handle: &Arc<RunHandle>, item: Item) -> Result<Admission, Refused> {
        let mut state = self.lock();
        let arrival = state.queue.arrive(item, self.clock.monotonic())?;
        state.sit_down(handle);
        let held = (!arrival.admitted).then(|| named(arrival.held));
        drop(state);
        self.bell.notify_one();
        Ok(Admission { held, replaces: arrival.replaces })
    }

    /// Seats a run from the records; the runs that it replaces.
    pub fn seat_again(&self, handle: &Arc<RunHandle>, item: Item, phase: Phase) -> Vec<RunRef> {
        let mut state = self.lock();
        let replaces = state.queue.restore(item, phase);
        state.sit_down(handle);
        if phase == Phase::Ended {
            state.unlist(handle);
        }
        replaces
    }

    /// Lets in what the limits allow.
    pub fn open_doors(&self) {
        let mut state = self.lock();
        state.admit(self.clock.monotonic());
        state.grant();
        drop(state);
        self.bell.notify_one();
    }

    /// Opens the doors whenever the rate of starts allows the next one, for as long as it is polled.
    pub async fn keep_rate(&self) {
        loop {
            let next = self.lock().queue.next_start(self.clock.monotonic());
            let due = async {
                match next {
                    Some(at) => self.clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.bell.notified() => {}
                () = due => {
                    let mut state = self.lock();
                    state.admit(self.clock.monotonic());
                }
            }
        }
    }

    /// Runs that were to be replaced stay: the run that was to replace them did not come to be.
    pub fn spare(&self, runs: &[RunRef]) {
        let mut state = self.lock();
        runs.iter().for_each(|run| state.queue.spare(run));
        state.admit(self.clock.monotonic());
    }

    /// The run has ended. Its seat stays until it is put away.
    pub fn run_ended(&self, handle: &RunHandle) {
        let mut state = self.lock();
        state.queue.end(&handle.run);
        state.unlist(handle);
        state.admit(self.clock.monotonic());
        drop(state);
        self.bell.notify_one();
    }

    /// Nothing is left to do for the run. Slots that it was granted and never looked at are given back.
    pub fn put_away(&self, handle: &RunHandle) {
        let mut state = self.lock();
        state.queue.forget(&handle.run);
        state.unlist(handle);
        state.handles.remove(&handle.run);
        let granted = handle.take_granted().tasks.len();
        state.queue.release(&handle.run.pipeline.namespace, granted);
        state.grant();
        state.admit(self.clock.monotonic());
        drop(state);
        handle.complete();
        self.bell.notify_one();
        self.calmer.notify_waiters();
    }

    /// Asks for a slot. `spare` says that the asking run has one to give back in the same transaction.
    pub fn ask_slot(&self, handle: &RunHandle, task: u32, spare: bool) -> Slot {
        let mut state = self.lock();
        match state.queue.ask(handle.slot(task), spare) {
            gofer_queue::Slot::Granted => Slot::Granted,
            gofer_queue::Slot::Spare => Slot::Spare,
            gofer_queue::Slot::Wait(limit) => {
                state.grant();
                Slot::Wait(named(limit))
            }
        }
    }

    /// Counts a slot that an attempt from the records holds already.
    pub fn hold_slot(&self, handle: &RunHandle) {
        self.lock().queue.hold(&handle.run.pipeline.namespace);
    }

    /// Puts a task from the records back into the line.
    pub fn wait_for_slot(&self, handle: &RunHandle, task: u32) {
        let mut state = self.lock();
        if state.queue.ask(handle.slot(task), false) == gofer_queue::Slot::Granted {
            handle.grant(task);
        }
    }

    /// Gives slots back.
    pub fn free_slots(&self, handle: &RunHandle, count: usize) {
        if count > 0 {
            let mut state = self.lock();
            state.queue.release(&handle.run.pipeline.namespace, count);
            state.grant();
        }
    }

    /// Takes a task out of the line.
    pub fn forget(&self, handle: &RunHandle, task: u32) {
        let mut state = self.lock();
        state.queue.withdraw(&handle.slot(task));
        state.grant();
    }

    /// Takes an attempt into the engine's hands, or lets go of it.
    pub fn in_hand(&self, id: &AttemptId, is: bool) {
        let mut state = self.lock();
        if is {
            state.in_hand.insert(id.clone());
        } else {
            state.in_hand.remove(id);
        }
    }

    /// Whether an attempt is in the engine's hands.
    pub fn is_in_hand(&self, id: &AttemptId) -> bool {
        self.lock().in_hand.contains(id)
    }

    /// The run with that address, while it is seated.
    pub fn find(&self, run: &RunRef) -> Option<Arc<RunHandle>> {
        self.lock().handles.get(run).map(Arc::clone)
    }

    /// What a run waits for, and its place in that line. Walks along the line.
    pub fn held(&self, run: &RunRef) -> Option<Hold> {
        self.lock().queue.held(run)
    }

    /// What the tasks of a run wait for, and their places in that line. Walks along the line, once.
    pub fn slots_held(&self, run: &RunRef) -> BTreeMap<u32, Hold> {
        self.lock().queue.slots_held(run)
    }

    /// The runs that have not ended, newest first, behind one of them.
    pub fn listed(
        &self,
        after: Option<(Timestamp, RunRef)>,
        wanted: impl Fn(&RunRef) -> bool,
        limit: usize,
    ) -> Vec<(Timestamp, RunRef)> {
        let state = self.lock();
        let start = after.map_or(std::ops::Bound::Unbounded, |(created, run)| {
            std::ops::Bound::Excluded((Reverse(created), run))
        });
        let behind = state.listed.range((start, std::ops::Bound::Unbounded)).filter(|(_, run)| wanted(run));
        behind.take(limit).map(|(created, run)| (created.0, run.clone())).collect()
    }

    /// How many wait and run.
    pub fn counts(&self) -> Counts {
        self.lock().queue.counts()
    }

    /// How many runs of a pipeline have not ended, and how many have not been put away.
    pub fn runs_of(&self, pipeline: &PipelineRef) -> (usize, usize) {
        let state = self.lock();
        (state.queue.active(pipeline), state.queue.seated(pipeline))
    }

    /// Notes that a run was set aside.
    pub fn set_aside(&self, run: RunRef, reason: String) {
        self.lock().set_aside.insert(run, reason);
    }

    /// Why a run was set aside, if it was.
    pub fn why_set_aside(&self, run: &RunRef) -> Option<String> {
        self.lock().set_aside.get(run).cloned()
    }

    /// How many runs were set aside.
    pub fn count_set_aside(&self) -> usize {
        self.lock().set_aside.len()
    }
}

/// The limit that something waits for, in words.
fn named(limit: Option<Limit>) -> String {
    limit.map_or_else(|| "its turn".to_owned(), |limit| limit.to_string())
}

impl State {
    fn sit_down(&mut self, handle: &Arc<RunHandle>) {
        self.listed.insert((Reverse(handle.created), handle.run.clone()));
        self.handles.insert(handle.run.clone(), Arc::clone(handle));
    }

    fn unlist(&mut self, handle: &RunHandle) {
        self.listed.remove(&(Reverse(handle.created), handle.run.clone()));
    }

    fn admit(&mut self, now: Duration) {
        for run in self.queue.admit(now) {
            if let Some(handle) = self.handles.get(&run) {
                handle.admit();
            }
        }
    }

    fn grant(&mut self) {
        for SlotId { run, task } in self.queue.grant() {
            match self.handles.get(&run) {
                Some(handle) => handle.grant(task),
                // cannot be: whoever is put away has left every line
                None => self.queue.release(&run.pipeline.namespace, 1),
            }
        }
    }

    /// Whether nothing of a pipeline is under way.
    pub(crate) fn is_idle(&self, pipeline: &PipelineRef, entry: &Entry) -> bool {
        entry.starting == 0 && self.queue.seated(pipeline) == 0
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use gofer_queue::Bounds;
    use gofer_types::pipeline::QueuePolicy;
    use gofer_types::{Namespace, PipelineId, RunNumber};

    use super::*;

    #[derive(Debug)]
    struct Stopped;

    #[async_trait::async_trait]
    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp::default()
        }
        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
        async fn sleep_until(&self, _: Duration) {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) fn hall(server: Bounds) -> Hall {
        Hall::new(Limits { server, ..Limits::default() }, Arc::new(Stopped))
    }

    fn seated(hall: &Hall, number: u64) -> Arc<RunHandle> {
        let pipeline =
            PipelineRef { namespace: Namespace::default_name(), pipeline: PipelineId::new("p").unwrap() };
        let (handle, _) = RunHandle::new(pipeline.run(RunNumber(number)), Timestamp::default());
        let (policy, priority) = (QueuePolicy::Wait, Priority::default());
        let run = handle.run.clone();
        let item = Item { run, parallelism: 0, policy, priority, at: number, within: false };
        hall.seat(&handle, item).unwrap();
        handle
    }

    #[test]
    fn a_slot_that_was_granted_to_a_run_at_its_end_goes_to_the_next() {
        let hall = hall(Bounds { running_tasks: 1, ..Bounds::NONE });
        let [first, last, next] = [1, 2, 3].map(|number| seated(&hall, number));
        assert_eq!(hall.ask_slot(&first, 0, false), Slot::Granted);
        assert!(matches!(hall.ask_slot(&last, 0, false), Slot::Wait(_)));
        hall.free_slots(&first, 1);
        assert!(matches!(hall.ask_slot(&next, 0, false), Slot::Wait(_)));
        hall.put_away(&last);
        assert_eq!((next.take_granted().tasks, hall.counts().running_tasks), (vec![0], 1));
        hall.free_slots(&next, 1);
        assert_eq!(hall.counts().running_tasks, 0);
    }
}
