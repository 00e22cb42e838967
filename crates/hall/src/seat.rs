//! What the hall knows of one run and of one pipeline, and how the run is reached from outside of its driver.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use gofer_attempt::{Report, Reporter};
use gofer_queue::SlotId;
use gofer_types::{PipelineRecord, RunRef, RunState, Timestamp};
use tokio::sync::{Notify, mpsc, watch};

use crate::message::Message;

/// How many messages may wait for a run's driver.
pub const MAILBOX: usize = 64;

/// A run, as it is reached from outside of its driver.
#[derive(Debug)]
pub struct RunHandle {
    /// Which run.
    pub run: RunRef,
    /// When the run was created.
    pub created: Timestamp,
    /// Where the driver takes its messages from.
    pub mailbox: mpsc::Sender<Message>,
    /// Wakes the driver for what it was granted.
    pub wake: Notify,
    granted: Mutex<Granted>,
    /// The tasks whose output is complete; told anew at every change.
    complete: watch::Sender<Complete>,
    /// How the run ended, once it has.
    end: watch::Sender<Option<RunState>>,
}

/// What the hall has granted since the driver looked last. Bounded by the number of tasks.
#[derive(Debug, Default)]
pub struct Granted {
    /// The run may run.
    pub admitted: bool,
    /// These tasks got a slot.
    pub tasks: Vec<u32>,
}

/// Which output is complete.
#[derive(Debug, Default, Clone)]
pub struct Complete {
    /// All of it.
    pub all: bool,
    /// That of these tasks.
    pub tasks: BTreeSet<u32>,
}

impl RunHandle {
    /// A handle, and the mailbox for the driver.
    pub fn new(run: RunRef, created: Timestamp) -> (Arc<Self>, mpsc::Receiver<Message>) {
        let (mailbox, receiver) = mpsc::channel(MAILBOX);
        let handle = Self {
            run,
            created,
            mailbox,
            wake: Notify::new(),
            granted: Mutex::default(),
            complete: watch::Sender::default(),
            end: watch::Sender::default(),
        };
        (Arc::new(handle), receiver)
    }

    /// A task of the run, as the queue names it.
    pub fn slot(&self, task: u32) -> SlotId {
        SlotId { run: self.run.clone(), task }
    }

    fn granted(&self) -> MutexGuard<'_, Granted> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the run in.
    pub fn admit(&self) {
        self.granted().admitted = true;
        self.wake.notify_one();
    }

    /// Gives a task its slot.
    pub fn grant(&self, task: u32) {
        self.granted().tasks.push(task);
        self.wake.notify_one();
    }

    /// Takes what was granted.
    pub fn take_granted(&self) -> Granted {
        std::mem::take(&mut *self.granted())
    }

    /// Says that nothing will be added to the output of these tasks.
    pub fn complete_tasks(&self, tasks: impl IntoIterator<Item = u32>) {
        self.complete.send_modify(|complete| complete.tasks.extend(tasks));
    }

    /// Says that nothing will be added to any output.
    pub fn complete(&self) {
        self.complete.send_modify(|complete| complete.all = true);
    }

    /// Says that the run has ended.
    pub fn ended(&self, state: RunState) {
        self.end.send_replace(Some(state));
    }

    /// Waits for the end of the run.
    pub async fn end(&self) -> Option<RunState> {
        let mut end = self.end.subscribe();
        end.wait_for(Option::is_some).await.ok().and_then(|end| *end)
    }

    /// Which output is complete, now and later.
    pub fn completion(&self) -> watch::Receiver<Complete> {
        self.complete.subscribe()
    }
}

#[async_trait]
impl Reporter for RunHandle {
    async fn report(&self, report: Report) {
        // a driver that is gone has stopped with the engine, or its run was set aside
        drop(self.mailbox.send(Message::Report(Box::new(report))).await);
    }
}

/// A pipeline in the hall.
#[derive(Debug, Default)]
pub struct Entry {
    /// Whether it was read.
    pub known: bool,
    /// Its record; `None` for one that is not there.
    pub record: Option<PipelineRecord>,
    /// The number of the next run.
    pub next_run: u64,
    /// Starts that are on their way to the disk.
    pub starting: u32,
}
