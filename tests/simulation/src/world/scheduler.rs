//! The scheduler as one process sees it: every call may be slow, fail before or behind its effect, or hang; all within the
//! contract of the trait. What really starts and ends is told to the court, by the backend and not by the server.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join;
use futures_util::{StreamExt, stream};
use gofer_backend::{BackendError, BackendInfo, Clock, ErrorKind, Result, RetryAdvice};
use gofer_scheduler::fake::FakeScheduler;
use gofer_scheduler::{
    Capabilities, Files, Images, LogCursor, LogStream, Scheduler, StartOutcome, Started, TaskExit, TaskSpec,
    TaskStatus, TaskSummary,
};
use gofer_types::AttemptId;
use tokio_util::task::TaskTracker;

use super::Weather;
use super::life::Life;
use crate::court::Court;

/// The scheduler of one process.
#[derive(Debug)]
pub struct SimScheduler {
    /// The connection to what runs the tasks.
    pub inner: Arc<FakeScheduler>,
    /// Whose it is.
    pub life: Arc<Life>,
    /// What goes wrong.
    pub weather: Arc<Weather>,
    /// Who is told.
    pub court: Arc<Court>,
    /// What watches the tasks, whoever is alive.
    pub beside: TaskTracker,
}

fn unavailable(what: &str) -> BackendError {
    BackendError::new(ErrorKind::Unavailable, what.to_owned()).retry(RetryAdvice::Later { after: None })
}

/// A start of which nobody is told.
const UNSEEN: &str = "start took effect unseen";

impl SimScheduler {
    async fn pause(&self, span: Duration) {
        let clock = &self.weather.clock;
        tokio::select! {
            biased;
            () = self.life.over() => {}
            () = clock.sleep_until(clock.monotonic() + span) => {}
        }
    }

    /// What stands before each call.
    async fn reach(&self) -> Result<()> {
        if self.weather.strikes(self.weather.scheduler().slow, "slow call") {
            self.pause(Duration::from_millis(self.weather.draw("slow call for", 8_000))).await;
        }
        self.life.ensure()?;
        if self.weather.is_scheduler_away() { Err(unavailable("the scheduler is away")) } else { Ok(()) }
    }

    fn fail(&self, rate: u32, name: &'static str, id: &AttemptId) -> Result<()> {
        if self.weather.strikes_at(rate, name, id.as_str()) { Err(unavailable(name)) } else { Ok(()) }
    }

    async fn hang(&self, name: &'static str, id: &AttemptId) {
        if self.weather.strikes_at(self.weather.scheduler().start_hangs, name, id.as_str()) {
            self.pause(Duration::from_millis(self.weather.draw("hangs for", 400_000))).await;
        }
    }

    /// Tells the court when the task has really ended, whoever is alive then.
    fn witness(&self, id: &AttemptId) {
        self.court.started(id);
        let (inner, court, id) = (Arc::clone(&self.inner), Arc::clone(&self.court), id.clone());
        self.beside.spawn(async move {
            let read = async {
                let Ok(mut output) = inner.logs(&id, LogCursor::start()).await else { return };
                while let Some(Ok(chunk)) = output.next().await {
                    court.printed(&id, &chunk.item);
                }
            };
            // both from the beginning: it may be removed as soon as it has ended
            let ((), exit) = join(read, inner.wait(&id)).await;
            court.ended(&id, exit.ok());
        });
    }
}

#[async_trait]
impl Scheduler for SimScheduler {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.reach().await?;
        self.inner.check().await
    }

    async fn start(&self, id: &AttemptId, spec: &TaskSpec) -> Result<Started> {
        self.reach().await?;
        self.hang("start hangs before its effect", id).await;
        self.life.ensure()?;
        let faults = self.weather.scheduler();
        self.fail(faults.start_refused, "start refused", id)?;
        self.court.asked_to_start(id);
        let started = self.inner.start(id, spec).await;
        let begins = matches!(&started, Ok(Started { outcome: StartOutcome::Created, .. }));
        if begins || (self.court.is_new(id) && self.inner.inspect(id).await.is_ok()) {
            self.witness(id);
        }
        let started = started?;
        if started.outcome == StartOutcome::Adopted {
            self.weather.struck("start found what runs");
        }
        self.hang("start hangs behind its effect", id).await;
        let told = self.life.ensure().and_then(|()| self.fail(faults.start_ambiguous, UNSEEN, id));
        if told.is_err() {
            self.court.untold(id);
        }
        told.map(|()| started)
    }

    async fn inspect(&self, id: &AttemptId) -> Result<TaskStatus> {
        self.reach().await?;
        self.fail(self.weather.scheduler().other_fails, "inspect fails", id)?;
        self.inner.inspect(id).await
    }

    async fn wait(&self, id: &AttemptId) -> Result<TaskExit> {
        self.reach().await?;
        let faults = self.weather.scheduler();
        self.fail(faults.wait_fails, "wait fails", id)?;
        let exit = self.inner.wait(id).await;
        if self.weather.strikes_at(faults.exit_late, "late exit", id.as_str()) {
            self.pause(Duration::from_millis(self.weather.draw("late exit by", 30_000))).await;
        }
        self.life.ensure()?;
        exit
    }

    async fn logs(&self, id: &AttemptId, from: LogCursor) -> Result<LogStream> {
        self.reach().await?;
        let faults = self.weather.scheduler();
        let output = self.inner.logs(id, from).await?;
        if self.weather.strikes_at(faults.logs_break, "broken stream of output", id.as_str()) {
            let pieces = usize::try_from(self.weather.draw("output breaks after", 4)).unwrap_or(0);
            let broken = stream::iter([Err(unavailable("the stream broke"))]);
            return Ok(output.take(pieces).chain(broken).boxed());
        }
        Ok(output)
    }

    async fn stop(&self, id: &AttemptId, grace: Duration) -> Result<()> {
        self.reach().await?;
        let faults = self.weather.scheduler();
        self.fail(faults.stop_fails, "stop fails before its effect", id)?;
        self.court.asked_to_stop(id);
        self.inner.stop(id, grace).await?;
        self.life.ensure()?;
        self.fail(faults.stop_fails, "stop fails behind its effect", id)
    }

    async fn remove(&self, id: &AttemptId) -> Result<()> {
        self.reach().await?;
        self.fail(self.weather.scheduler().other_fails, "remove fails", id)?;
        self.court.note(format_args!("scheduler: remove {id} by life {}", self.life.number));
        self.inner.remove(id).await
    }

    async fn list(&self) -> Result<Vec<TaskSummary>> {
        self.reach().await?;
        if self.weather.strikes(self.weather.scheduler().other_fails, "list fails") {
            return Err(unavailable("list fails"));
        }
        self.inner.list().await
    }

    fn files(&self) -> Option<&dyn Files> {
        if self.life.is_over() { None } else { self.inner.files() }
    }

    fn images(&self) -> Option<&dyn Images> {
        if self.life.is_over() { None } else { self.inner.images() }
    }
}
