//! The scheduler itself: each call of the trait in terms of folders and shims.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use gofer_backend::{BackendInfo, ErrorKind, Owner, Result};
use gofer_scheduler::{
    Capabilities, Files, LogCursor, LogStream, Scheduler, Started, TaskExit, TaskSpec, TaskStatus,
    TaskSummary,
};
use gofer_types::{AttemptId, Cause};

use crate::attempts::{Attempts, Look, delete};
use crate::config::ProcessConfig;
use crate::error::{KIND, error, host};
use crate::live::End;
use crate::protocol::ExitRecord;
use crate::reader::{self, Source};
use crate::shared::{Found, Shared};
use crate::start::{handle, start};
use gofer_scheduler::Removed;

/// How many folders are looked at at the same time for a list.
const LOOKS_AT_ONCE: usize = 16;

/// Runs each task as a process of this host. See the documentation of the crate.
///
/// Dropping it ends no task: whoever opens the same root again finds them.
#[derive(Debug)]
pub struct ProcessScheduler {
    pub(crate) shared: Arc<Shared>,
}

impl Drop for ProcessScheduler {
    fn drop(&mut self) {
        self.shared.closing.cancel();
    }
}

impl ProcessScheduler {
    /// Opens the root and makes it if it is not there. Must be called within a runtime, and used within the same.
    ///
    /// `name` is the configured instance, for people; tasks that carry another `owner` are neither seen nor touched.
    /// Errors: `InvalidInput` without a root, or the error of the host that stands in the way.
    pub async fn open(name: impl Into<String>, owner: Owner, config: ProcessConfig) -> Result<Self> {
        if config.root.as_os_str().is_empty() {
            return Err(error(ErrorKind::InvalidInput, "open", "no root is given for the tasks"));
        }
        let (root, sync) = (config.root.clone(), config.sync_starts);
        let opened = tokio::task::spawn_blocking(move || {
            let attempts = Attempts::open(&root, owner, sync)?;
            attempts.delete_leftovers();
            let removed = Removed::open(attempts.root())?;
            Ok((attempts, removed))
        });
        let opened = opened
            .await
            .map_err(|source| error(ErrorKind::Internal, "open", "opening broke off").source(source))?;
        let (attempts, removed) = opened.map_err(|source| {
            host("open", "the root cannot be opened", source).with("root", config.root.display())
        })?;
        Ok(Self { shared: Arc::new(Shared::new(name.into(), config, attempts, removed)) })
    }

    /// What stands under an id, once it is more than asked for.
    async fn settled(&self, id: &AttemptId, operation: &'static str) -> Result<Found> {
        loop {
            let mut settled = pin!(self.shared.settled.notified());
            settled.as_mut().enable();
            match self.shared.find(id, operation).await? {
                Found::Starting(_) => settled.await,
                found => return Ok(found),
            }
        }
    }

    /// Ends a task that was asked for and that no shim has claimed. False if a shim has, meanwhile.
    async fn end_unclaimed(&self, id: &AttemptId) -> Result<bool> {
        let _turn = self.shared.turns.take(id).await;
        let for_id = id.clone();
        let end = move |shared: &Shared| {
            let ours = shared.attempts.claim(&for_id)?;
            if ours {
                let why = "it was stopped before it was started".to_owned();
                shared.attempts.conclude(&for_id, Cause::CannotStart(why))?;
            }
            Ok(ours)
        };
        let ours = self.shared.blocking("stop", end).await?;
        self.shared.settled.notify_waiters();
        Ok(ours)
    }

    /// Remembers that an id that stands for nothing is never to be started. The caller holds its turn.
    async fn forbid(&self, id: &AttemptId) -> Result<()> {
        let id = id.clone();
        let forbid = move |shared: &Shared| {
            let mut removed = shared.removed();
            if removed.contains(&id) { Ok(()) } else { removed.add(&id) }
        };
        self.shared.blocking("remove", forbid).await
    }

    async fn summary(&self, id: AttemptId) -> Option<Result<TaskSummary>> {
        let (record, status) = match self.shared.find(&id, "list").await {
            Ok(Found::Starting(record)) => (record, TaskStatus::Starting),
            Ok(Found::Live(live)) => {
                ((*live.record).clone(), TaskStatus::Running { handle: handle(live.pid) })
            }
            Ok(Found::Ended(record, exit)) => (record, TaskStatus::Ended(task_exit(exit))),
            // Another owner's, or removed just now.
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) if error.kind() == ErrorKind::Unavailable => match self.shared.look(&id, "list").await
            {
                // One shim that does not answer must not hide the others.
                Ok(Look::Claimed(record)) => (record, TaskStatus::Starting),
                _ => return Some(Err(error)),
            },
            Err(error) => return Some(Err(error)),
        };
        Some(Ok(TaskSummary { id, digest: record.digest, status, created: record.created }))
    }
}

fn task_exit(exit: ExitRecord) -> TaskExit {
    TaskExit { cause: exit.cause, at: Some(exit.at) }
}

#[async_trait]
impl Scheduler for ProcessScheduler {
    fn info(&self) -> BackendInfo {
        let target =
            format!("unsandboxed processes of this host, in {}", self.shared.attempts.root().display());
        BackendInfo { kind: KIND, name: self.shared.name.clone(), target }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { memory_limit: true, survives_restart: true, files: true, ..Capabilities::default() }
    }

    async fn check(&self) -> Result<()> {
        let check = |shared: &Shared| {
            shared.attempts.probe()?;
            std::fs::metadata(&shared.config.shim.program).map(drop)
        };
        self.shared.blocking("check", check).await
    }

    async fn start(&self, id: &AttemptId, spec: &TaskSpec) -> Result<Started> {
        // A start that was begun is carried out, also when nobody waits for it.
        let started =
            self.shared.tracker.spawn(start(Arc::clone(&self.shared), id.clone(), spec.clone())).await;
        started
            .map_err(|source| error(ErrorKind::Unavailable, "start", "the start broke off").source(source))?
    }

    async fn inspect(&self, id: &AttemptId) -> Result<TaskStatus> {
        Ok(match (self.shared.find(id, "inspect").await?, self.shared.look(id, "inspect").await) {
            (Found::Ended(_, exit), _) | (_, Ok(Look::Ended(_, exit))) => TaskStatus::Ended(task_exit(exit)),
            (Found::Starting(_), _) => TaskStatus::Starting,
            (Found::Live(live), _) => TaskStatus::Running { handle: handle(live.pid) },
        })
    }

    async fn wait(&self, id: &AttemptId) -> Result<TaskExit> {
        match self.settled(id, "wait").await? {
            Found::Live(live) => match live.end().await {
                End::Exit(exit) => Ok(task_exit(exit)),
                End::Unknown(why) => Err(error(ErrorKind::Unavailable, "wait", why)),
            },
            Found::Ended(_, exit) => Ok(task_exit(exit)),
            Found::Starting(_) => Err(error(ErrorKind::Unavailable, "wait", "the task was not started")),
        }
    }

    async fn logs(&self, id: &AttemptId, from: LogCursor) -> Result<LogStream> {
        let found = self.settled(id, "logs").await?;
        let place = reader::place(id, &from)?;
        let source = match found {
            Found::Live(live) => Source::Running(live.progress),
            Found::Ended(_, exit) => Source::Ended(exit),
            Found::Starting(_) => {
                return Err(error(ErrorKind::Unavailable, "logs", "the task was not started"));
            }
        };
        let id = id.clone();
        let open = move |shared: &Shared| reader::open(&shared.attempts.folder(&id), &id, place, source);
        self.shared.blocking("logs", open).await
    }

    async fn stop(&self, id: &AttemptId, grace: Duration) -> Result<()> {
        loop {
            match self.shared.find(id, "stop").await? {
                Found::Ended(..) => return Ok(()),
                Found::Starting(_) => {
                    if self.end_unclaimed(id).await? {
                        return Ok(());
                    }
                }
                Found::Live(live) => {
                    // If nobody takes it, the end is known: both come from the same place.
                    let _ = live.stops.send(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX)).await;
                    return match live.end().await {
                        End::Exit(_) => Ok(()),
                        End::Unknown(why) => Err(error(ErrorKind::Unavailable, "stop", why)),
                    };
                }
            }
        }
    }

    async fn remove(&self, id: &AttemptId) -> Result<()> {
        if let Ok(Found::Starting(_)) = self.shared.find(id, "remove").await {
            self.end_unclaimed(id).await?;
        }
        let turn = self.shared.turns.take(id).await;
        let conflict = |why| Err(error(ErrorKind::Conflict, "remove", why).with("id", id));
        match self.shared.look(id, "remove").await? {
            Look::Absent => return self.forbid(id).await,
            Look::Foreign => return conflict("this id belongs to another owner"),
            Look::Claimed(_) | Look::Unclaimed(_) => return conflict("the task runs"),
            Look::Blank | Look::Ended(..) => {}
        }
        let for_id = id.clone();
        let discard = move |shared: &Shared| {
            let noted = shared.removed().add(&for_id).is_ok();
            Ok((shared.attempts.discard(&for_id)?, noted))
        };
        let (gone, noted) = self.shared.blocking("remove", discard).await?;
        drop(turn);
        self.shared.settled.notify_waiters();
        let for_id = id.clone();
        let free = move |shared: &Shared| {
            delete(&gone)?;
            // On a full disk there is room for the note only now.
            if noted { Ok(()) } else { shared.removed().add(&for_id) }
        };
        self.shared.blocking("remove", free).await
    }

    async fn list(&self) -> Result<Vec<TaskSummary>> {
        let ids = self.shared.blocking("list", |shared| shared.attempts.ids()).await?;
        let summaries = stream::iter(ids).map(|id| self.summary(id)).buffer_unordered(LOOKS_AT_ONCE);
        let summaries: Vec<Result<TaskSummary>> = summaries.filter_map(std::future::ready).collect().await;
        summaries.into_iter().collect()
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(self)
    }
}
