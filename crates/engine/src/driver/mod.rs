//! The driver: everything that waits, writes or acts on behalf of the run machine.
//!
//! One light task per active run takes facts in, lets the machine decide, commits the decisions as one batch, and only
//! then performs them; what the schedulers report comes back as facts. This module is the only one that spawns, and
//! every task belongs to the engine's tracker. It must not decide what the machine decides.

mod inside;
mod leftovers;
mod objects;
mod perform;
mod recovery;
mod reports;
mod retention;
mod run;
mod shelf;
mod spec;
mod ticket;

use std::sync::Arc;
use std::time::Duration;

use gofer_attempt::{Context, Limits as AttemptLimits};
use gofer_backend::Clock;
use gofer_hall::Hall;
use gofer_journal::{Committer, EventLog, Fate, committer};
use gofer_logs::LogStore;
use gofer_objects::Objects;
use gofer_records::{Ownership, Records, Tx};
use gofer_scheduler::Scheduler;
use gofer_storage::Storage;
use gofer_types::{Actor, EventKind, Namespace, NamespaceRecord, SchedulerName};
use gofer_versions::Versions;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use objects::Broken;
pub(crate) use run::{NewRun, launch};

use crate::error::{EngineError, Result};
use crate::options::{EngineOptions, EngineParts, NewId, Schedulers};

/// Everything that the parts of an engine share.
pub(crate) struct Inner {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) records: Records,
    pub(crate) logs: LogStore,
    pub(crate) objects: Objects,
    pub(crate) schedulers: Schedulers,
    /// Tasks that no scheduler runs.
    pub(crate) inside: inside::Inside,
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
    /// The pipelines of which something may have to be deleted.
    pub(crate) household: retention::Household,
    /// What all attempts share.
    pub(crate) attempts: Arc<Context>,
    tracker: TaskTracker,
    /// Ends the one writer, after everybody else has ended.
    close: CancellationToken,
}

impl Inner {
    /// Takes the state over and recovers what is under way.
    pub(crate) async fn open(parts: EngineParts) -> Result<Arc<Self>> {
        let records = Records::new(Arc::clone(&parts.storage));
        let owner = records.take_ownership().await?;
        let inside =
            inside::Inside::new().map_err(|error| EngineError::Failed { reason: error.to_string() })?;
        let inner = Self::assemble(parts, records, (owner, inside));
        inner.inside.open(&inner);
        inner.announce(owner.epoch).await?;
        recovery::recover(&inner).await?;
        inner.spawn(leftovers::reap(Arc::clone(&inner)));
        inner.spawn(keep_rate(Arc::clone(&inner)));
        inner.spawn(retention::keep_house(Arc::clone(&inner)));
        inner.spawn(crate::face::finish_deletions(Arc::clone(&inner)));
        Ok(inner)
    }

    fn assemble(
        parts: EngineParts,
        records: Records,
        (owner, inside): (Ownership, inside::Inside),
    ) -> Arc<Self> {
        let EngineParts { storage, logs, objects, schedulers, clock, new_id, options } = parts;
        let fate = Arc::new(Fate::new());
        let events = Arc::new(EventLog::new(records.clone(), owner.next_seq - 1));
        let writes_to = (Arc::clone(&storage), Arc::clone(&clock));
        let (committer, writer) = committer(owner, writes_to, Arc::clone(&events), &fate);
        let context = Context {
            clock: Arc::clone(&clock),
            logs: logs.clone(),
            stop: fate.stop().clone(),
            uncertain: Arc::new(Notify::new()),
            limits: AttemptLimits {
                stop_grace: options.stop_grace.get(),
                collect_timeout: options.collect_timeout.get(),
                image_retries: options.image_retries,
            },
        };
        let tracker = TaskTracker::new();
        let close = CancellationToken::new();
        tracker.spawn(writer.run(close.clone()));
        Arc::new(Self {
            versions: Versions::new(records.clone(), options.default_task_timeout.get()),
            since: clock.monotonic(),
            epoch: owner.epoch,
            hall: Arc::new(Hall::new(options.queue.clone(), Arc::clone(&clock))),
            followers: Arc::new(Semaphore::new(options.max_followers.min(Semaphore::MAX_PERMITS))),
            admin: tokio::sync::Mutex::new(()),
            household: retention::Household::default(),
            attempts: Arc::new(context),
            storage,
            records,
            logs,
            objects,
            schedulers,
            inside,
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
        self.committer.commit(tx).await?;
        Ok(())
    }

    /// The scheduler of that name, be it one of the operator's or none at all.
    pub(crate) fn scheduler(&self, name: &SchedulerName) -> Option<&Arc<dyn Scheduler>> {
        self.schedulers.named.get(name).or_else(|| self.inside.get(name))
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
            Err(_) => Err(self.fate.error().into()),
        }
    }

    /// Waits on the clock; ends early, with `false`, when the engine stops.
    pub(crate) async fn pause(&self, span: Duration) -> bool {
        self.attempts.pause(span).await
    }

    /// Ends all work. Tasks go on at their schedulers.
    pub(crate) async fn shut_down(&self) {
        self.fate.shut_down();
        self.tracker.close();
        self.close.cancel();
        self.tracker.wait().await;
        self.logs.idle().await;
    }
}

/// Lets runs in when the rate of starts allows it, for as long as the engine lives.
async fn keep_rate(inner: Arc<Inner>) {
    tokio::select! {
        biased;
        () = inner.fate.stop().cancelled() => {}
        () = inner.hall.keep_rate() => {}
    }
}
