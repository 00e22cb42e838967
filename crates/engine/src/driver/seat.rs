//! What the hall knows of one run and of one pipeline, and how the run is reached from outside of its driver.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gofer_types::{PipelineRecord, RunRef, Timestamp};
use tokio::sync::{Notify, mpsc, watch};

use super::message::Message;

/// How many messages may wait for a run's driver.
pub(crate) const MAILBOX: usize = 64;

/// A run, as it is reached from outside of its driver.
#[derive(Debug)]
pub(crate) struct RunHandle {
    /// Which run.
    pub(crate) run: RunRef,
    /// A number that no other handle of this engine has.
    pub(crate) serial: u64,
    /// When the run was created.
    pub(crate) created: Timestamp,
    /// Where the driver takes its messages from.
    pub(crate) mailbox: mpsc::Sender<Message>,
    /// Wakes the driver for what it was granted.
    pub(crate) wake: Notify,
    granted: Mutex<Granted>,
    /// The tasks whose output is complete; told anew at every change.
    complete: watch::Sender<Complete>,
}

/// What the hall has granted since the driver looked last. Bounded by the number of tasks.
#[derive(Debug, Default)]
pub(crate) struct Granted {
    /// The run may run.
    pub(crate) admitted: bool,
    /// These tasks got a slot.
    pub(crate) tasks: Vec<u32>,
}

/// Which output is complete.
#[derive(Debug, Default, Clone)]
pub(crate) struct Complete {
    /// All of it.
    pub(crate) all: bool,
    /// That of these tasks.
    pub(crate) tasks: BTreeSet<u32>,
}

impl RunHandle {
    /// A handle, and the mailbox for the driver.
    pub(crate) fn new(run: RunRef, serial: u64, created: Timestamp) -> (Arc<Self>, mpsc::Receiver<Message>) {
        let (mailbox, receiver) = mpsc::channel(MAILBOX);
        let handle = Self {
            run,
            serial,
            created,
            mailbox,
            wake: Notify::new(),
            granted: Mutex::default(),
            complete: watch::Sender::default(),
        };
        (Arc::new(handle), receiver)
    }

    fn granted(&self) -> MutexGuard<'_, Granted> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the run in.
    pub(crate) fn admit(&self) {
        self.granted().admitted = true;
        self.wake.notify_one();
    }

    /// Gives a task its slot.
    pub(crate) fn grant(&self, task: u32) {
        self.granted().tasks.push(task);
        self.wake.notify_one();
    }

    /// Takes what was granted.
    pub(crate) fn take_granted(&self) -> Granted {
        std::mem::take(&mut *self.granted())
    }

    /// Says that nothing will be added to the output of these tasks.
    pub(crate) fn complete_tasks(&self, tasks: impl IntoIterator<Item = u32>) {
        self.complete.send_modify(|complete| complete.tasks.extend(tasks));
    }

    /// Says that nothing will be added to any output.
    pub(crate) fn complete(&self) {
        self.complete.send_modify(|complete| complete.all = true);
    }

    /// Which output is complete, now and later.
    pub(crate) fn completion(&self) -> watch::Receiver<Complete> {
        self.complete.subscribe()
    }
}

/// Where a run stands in the hall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It waits, at that place.
    Queued(u64),
    /// It runs.
    Running,
    /// It has ended, and something of it is still to be put away.
    Ended,
}

/// A run in the hall.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) handle: Arc<RunHandle>,
    pub(crate) phase: Phase,
}

/// A pipeline in the hall.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Whether it was read.
    pub(crate) known: bool,
    /// Its record; `None` for one that is not there.
    pub(crate) record: Option<PipelineRecord>,
    /// The number of the next run.
    pub(crate) next_run: u64,
    /// Starts that are on their way to the disk.
    pub(crate) starting: u32,
    /// Its runs that run.
    pub(crate) running: u32,
    /// Its runs that have not ended.
    pub(crate) active: u64,
    /// Its runs that have not been put away.
    pub(crate) seated: u64,
    /// Its runs that wait, with their limits.
    pub(crate) queue: BTreeMap<u64, (Arc<RunHandle>, u32)>,
    /// Its place among the heads.
    pub(crate) head: Option<u64>,
}

impl Entry {
    /// Whether nothing of the pipeline is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.starting == 0 && self.seated == 0
    }
}
