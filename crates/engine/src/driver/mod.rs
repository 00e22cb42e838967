//! The driver: everything that waits, writes or acts on behalf of the run machine.
//!
//! One light task per active run takes facts in, lets the machine decide, commits the decisions as one batch, and only
//! then performs them; what the schedulers report comes back as facts. This module is the only one that spawns, and
//! every task belongs to the engine's tracker. It must not decide what the machine decides.

mod attempt;
mod book;
mod committer;
mod event_log;
mod fate;
mod hall;
mod image;
mod leftovers;
mod message;
mod perform;
mod pump;
mod recovery;
mod run;
mod seat;
mod spec;
mod ticket;
mod timers;
mod versions;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gofer_backend::Clock;
use gofer_logs::LogStore;
use gofer_records::{Ownership, Records, Tx};
use gofer_storage::Storage;
use gofer_types::{Actor, EventKind, Namespace, NamespaceRecord};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use committer::Committer;
pub(crate) use event_log::EventLog;
pub(crate) use fate::Fate;
pub(crate) use hall::{Hall, Limits};
pub(crate) use message::Message;
pub(crate) use run::{NewRun, launch};
pub(crate) use seat::{Complete, Entry, RunHandle};
pub(crate) use spec::hex;
pub(crate) use ticket::StartTicket;
pub(crate) use versions::{Version, Versions};

use crate::error::Result;
use crate::options::{EngineOptions, EngineParts, NewId, Schedulers};

/// Everything that the parts of an engine share.
pub(crate) struct Inner {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) records: Records,
    pub(crate) logs: LogStore,
    pub(crate) schedulers: Schedulers,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) new_id: NewId,
    pub(crate) options: EngineOptions,
    pub(crate) epoch: u64,
    pub(crate) since: Duration,
    pub(crate) committer: Committer,
    pub(crate) events: Arc<EventLog>,
    pub(crate) hall: Arc<Hall>,
    pub(crate) versions: Versions,
    pub(crate) fate: Arc<Fate>,
    pub(crate) followers: Arc<Semaphore>,
    /// One change of namespaces and pipelines at a time.
    pub(crate) admin: tokio::sync::Mutex<()>,
    /// Wakes who looks for leftovers.
    pub(crate) uncertain: Notify,
    serial: AtomicU64,
    tracker: TaskTracker,
    /// Ends the one writer, after everybody else has ended.
    close: CancellationToken,
}

impl Inner {
    /// Takes the state over and recovers what is under way.
    pub(crate) async fn open(parts: EngineParts) -> Result<Arc<Self>> {
        let records = Records::new(Arc::clone(&parts.storage));
        let owner = records.take_ownership().await?;
        let inner = Self::assemble(parts, records, owner);
        inner.announce(owner.epoch).await?;
        recovery::recover(&inner).await?;
        inner.spawn(leftovers::reap(Arc::clone(&inner)));
        inner.spawn(crate::face::finish_deletions(Arc::clone(&inner)));
        Ok(inner)
    }

    fn assemble(parts: EngineParts, records: Records, owner: Ownership) -> Arc<Self> {
        let EngineParts { storage, logs, schedulers, clock, new_id, options } = parts;
        let fate = Arc::new(Fate::new());
        let events = Arc::new(EventLog::new(records.clone(), owner.next_seq - 1));
        let writes_to = (Arc::clone(&storage), Arc::clone(&clock));
        let (committer, writer) = committer::committer(owner, writes_to, Arc::clone(&events), &fate);
        let limits = Limits {
            tasks: options.max_running_tasks,
            runs: options.max_running_runs,
            queued: options.max_queued_runs,
        };
        let tracker = TaskTracker::new();
        let close = CancellationToken::new();
        tracker.spawn(writer.run(close.clone()));
        Arc::new(Self {
            versions: Versions::new(records.clone(), options.default_task_timeout.get()),
            since: clock.monotonic(),
            epoch: owner.epoch,
            hall: Arc::new(Hall::new(limits)),
            followers: Arc::new(Semaphore::new(options.max_followers.min(Semaphore::MAX_PERMITS))),
            admin: tokio::sync::Mutex::new(()),
            uncertain: Notify::new(),
            serial: AtomicU64::new(0),
            storage,
            records,
            logs,
            schedulers,
            clock,
            new_id,
            options,
            committer,
            events,
            fate,
            tracker,
            close,
        })
    }

    /// Tells of the new epoch, and sees to it that the default namespace is there.
    async fn announce(&self, epoch: u64) -> Result<()> {
        let now = self.clock.now();
        let mut tx = Tx::default();
        let version = self.options.version.clone();
        tx.event(now, Actor::System, EventKind::ServerStarted { epoch, version });
        let name = Namespace::default_name();
        if self.records.namespace(&name).await?.is_none() {
            let description = "The namespace that is meant when none is named.".to_owned();
            tx.put_namespace(&NamespaceRecord { name: name.clone(), description, created: now });
            tx.event(now, Actor::System, EventKind::NamespaceCreated { namespace: name });
        }
        self.committer.commit(tx).await.map(drop)
    }

    /// A number that no other handle has.
    pub(crate) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// Runs something that belongs to the engine and that its caller may drop.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(work);
    }

    /// Runs something to its end, even if the caller goes away in between.
    pub(crate) async fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let handle = self.tracker.spawn(work);
        match handle.await {
            Ok(result) => result,
            Err(_) => Err(self.fate.error()),
        }
    }

    /// Waits on the clock; ends early, with `false`, when the engine stops.
    pub(crate) async fn pause(&self, span: Duration) -> bool {
        let until = self.clock.monotonic().saturating_add(span);
        tokio::select! {
            biased;
            () = self.fate.stop().cancelled() => false,
            () = self.clock.sleep_until(until) => true,
        }
    }

    /// Ends all work. Tasks go on at their schedulers.
    pub(crate) async fn shut_down(&self) {
        self.fate.shut_down();
        self.tracker.close();
        self.close.cancel();
        self.tracker.wait().await;
    }
}

/// Waits that grow from try to try, up to a limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    /// The first wait.
    const FIRST: Duration = Duration::from_millis(50);

    /// The longest wait.
    const LONGEST: Duration = Duration::from_secs(15);

    pub(crate) fn new() -> Self {
        Self(Self::FIRST)
    }

    /// The next wait; no shorter than what the backend asks for, within reason.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let wait = self.0;
        self.0 = (self.0 * 2).min(Self::LONGEST);
        asked.map_or(wait, |asked| asked.clamp(wait, Self::LONGEST * 4))
    }
}
