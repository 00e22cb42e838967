//! A scheduler that may be away, whose news may come late, that may be slow to clear up, and that remembers what it was asked for and when.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gofer_backend::{BackendError, BackendInfo, Clock, ErrorKind, Owner, Result};
use gofer_engine::Engine;
use gofer_scheduler::fake::FakeScheduler;
use gofer_scheduler::{
    Capabilities, LogCursor, LogStream, Scheduler, Started, TaskExit, TaskSpec, TaskStatus, TaskSummary,
};
use gofer_storage::fake::FaultPlan;
use gofer_types::AttemptId;
use tokio::sync::watch;

use crate::support::*;

/// What the scheduler did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Did {
    Start(AttemptId),
    Stop(AttemptId, Duration),
    Remove(AttemptId),
}

/// The scheduler.
#[derive(Debug)]
pub struct Remote {
    inner: FakeScheduler,
    clock: Arc<TestClock>,
    away: AtomicBool,
    /// Whether starts and the news of ends are held back: so it is for a server that sleeps.
    silent: watch::Sender<bool>,
    /// How long a removal takes.
    removal: Duration,
    /// Whether the grace of a stop is counted by the call, and is over with it: a second stop begins a grace of its own.
    own_grace: bool,
    did: Mutex<Vec<(Duration, Did)>>,
}

impl Remote {
    pub fn new(world: &World) -> Self {
        Self {
            inner: world.backend.connect(&Owner("test".to_owned())),
            clock: Arc::clone(&world.clock),
            away: AtomicBool::new(false),
            silent: watch::Sender::new(false),
            removal: Duration::ZERO,
            own_grace: false,
            did: Mutex::default(),
        }
    }

    pub fn slow_to_remove(world: &World, removal: Duration) -> Self {
        Self { removal, ..Self::new(world) }
    }

    pub fn with_own_grace(world: &World) -> Self {
        Self { own_grace: true, ..Self::new(world) }
    }

    pub async fn open(self: &Arc<Self>, world: &World) -> Engine {
        world.open_on(FaultPlan::none(), Arc::clone(self) as Arc<dyn Scheduler>).await.unwrap()
    }

    /// Lets it be away, or back.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// Holds back starts and the news of ends, or lets them come.
    pub fn set_silent(&self, silent: bool) {
        self.silent.send_replace(silent);
    }

    async fn may_speak(&self) {
        let _ = self.silent.subscribe().wait_for(|silent| !silent).await;
    }

    /// What it did so far, with the time.
    pub fn did(&self) -> Vec<(Duration, Did)> {
        self.did.lock().unwrap().clone()
    }

    fn note(&self, did: Did) {
        self.did.lock().unwrap().push((self.clock.monotonic(), did));
    }

    fn present(&self) -> Result<()> {
        let away = self.away.load(Ordering::SeqCst);
        if away { Err(BackendError::new(ErrorKind::Unavailable, "not reachable")) } else { Ok(()) }
    }

    async fn pass(&self, span: Duration) {
        self.clock.sleep_until(self.clock.monotonic() + span).await;
    }
}

#[async_trait]
impl Scheduler for Remote {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.present()
    }

    async fn start(&self, id: &AttemptId, spec: &TaskSpec) -> Result<Started> {
        self.present()?;
        self.note(Did::Start(id.clone()));
        self.may_speak().await;
        let started = self.inner.start(id, spec).await?;
        self.present()?;
        Ok(started)
    }

    async fn inspect(&self, id: &AttemptId) -> Result<TaskStatus> {
        self.present()?;
        self.inner.inspect(id).await
    }

    async fn wait(&self, id: &AttemptId) -> Result<TaskExit> {
        self.present()?;
        let exit = self.inner.wait(id).await?;
        self.may_speak().await;
        self.present()?;
        Ok(exit)
    }

    async fn logs(&self, id: &AttemptId, from: LogCursor) -> Result<LogStream> {
        self.present()?;
        self.inner.logs(id, from).await
    }

    async fn stop(&self, id: &AttemptId, grace: Duration) -> Result<()> {
        self.present()?;
        self.note(Did::Stop(id.clone(), grace));
        if !self.own_grace {
            return self.inner.stop(id, grace).await;
        }
        // asked politely, which it ignores; the kill is this call's
        self.pass(grace).await;
        self.inner.stop(id, Duration::ZERO).await
    }

    async fn remove(&self, id: &AttemptId) -> Result<()> {
        self.present()?;
        self.pass(self.removal).await;
        self.inner.remove(id).await?;
        self.note(Did::Remove(id.clone()));
        Ok(())
    }

    async fn list(&self) -> Result<Vec<TaskSummary>> {
        self.present()?;
        self.inner.list().await
    }
}
