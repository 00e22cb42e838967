//! What the calls of the scheduler share: the folders, the running tasks, and the way from one to the other.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_types::AttemptId;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attempts::{Attempts, Look, SpecRecord};
use crate::config::ProcessConfig;
use crate::error::{error, host};
use crate::live::{Connection, End, Follower, Live, pair};
use crate::protocol::{ExitRecord, FromShim};
use gofer_porter::Carriers;
use gofer_scheduler::{Removed, Turns};

/// How long a shim may take to say who it is. It answers at once unless the host stands still.
const HELLO: Duration = Duration::from_secs(10);
/// How often a connection that breaks is made anew.
const CONNECTS: usize = 5;

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) config: ProcessConfig,
    pub(crate) attempts: Attempts,
    removed: Mutex<Removed>,
    live: Mutex<HashMap<AttemptId, Live>>,
    /// Whoever holds the turn of an id is the only one of this scheduler that changes what stands under it.
    pub(crate) turns: Turns,
    /// Whoever carries files. The turn of laying is taken first.
    pub(crate) carriers: Carriers,
    /// Wakes whoever waits for a task that was asked for and that nobody has started yet.
    pub(crate) settled: Notify,
    pub(crate) tracker: TaskTracker,
    pub(crate) closing: CancellationToken,
}

/// What is known under an id of ours.
#[derive(Debug)]
pub(crate) enum Found {
    /// It was asked for and not started: the server that did it died in between.
    Starting(SpecRecord),
    Live(Live),
    Ended(SpecRecord, ExitRecord),
}

/// What came of connecting to a shim.
pub(crate) enum Attached {
    Running {
        pid: u32,
        log: u64,
        connection: Connection,
    },
    Ended(SpecRecord, ExitRecord),
    /// No shim has the task.
    Unclaimed,
}

impl Shared {
    pub(crate) fn new(name: String, config: ProcessConfig, attempts: Attempts, removed: Removed) -> Self {
        Self {
            name,
            config,
            attempts,
            removed: Mutex::new(removed),
            live: Mutex::default(),
            turns: Turns::default(),
            carriers: Carriers::default(),
            settled: Notify::new(),
            tracker: TaskTracker::new(),
            closing: CancellationToken::new(),
        }
    }

    pub(crate) fn removed(&self) -> MutexGuard<'_, Removed> {
        self.removed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lives(&self) -> MutexGuard<'_, HashMap<AttemptId, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn live(&self, id: &AttemptId) -> Option<Live> {
        self.lives().get(id).cloned()
    }

    /// Does something that may block.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        operation: &'static str,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        done.map_err(|source| error(ErrorKind::Internal, operation, "the call broke off").source(source))?
            .map_err(|source| host(operation, "the folder of the tasks cannot be used", source))
    }

    pub(crate) async fn look(self: &Arc<Self>, id: &AttemptId, operation: &'static str) -> Result<Look> {
        let id = id.clone();
        self.blocking(operation, move |shared| shared.attempts.look(&id)).await
    }

    /// What stands under an id. Error: `NotFound` if nothing of ours does.
    pub(crate) async fn find(self: &Arc<Self>, id: &AttemptId, operation: &'static str) -> Result<Found> {
        if let Some(live) = self.live(id) {
            return Ok(Found::Live(live));
        }
        let _turn = self.turns.take(id).await;
        if let Some(live) = self.live(id) {
            return Ok(Found::Live(live));
        }
        match self.look(id, operation).await? {
            Look::Absent | Look::Blank | Look::Foreign => Err(unknown(id, operation)),
            Look::Unclaimed(record) => Ok(Found::Starting(record)),
            Look::Ended(record, exit) => Ok(Found::Ended(record, exit)),
            Look::Claimed(record) => self.adopt(id, record, operation).await,
        }
    }

    /// Connects to the shim of a claimed task, or finds out how it ended. The caller holds the turn.
    pub(crate) async fn adopt(
        self: &Arc<Self>,
        id: &AttemptId,
        record: SpecRecord,
        operation: &'static str,
    ) -> Result<Found> {
        match self.attach(id, operation).await? {
            Attached::Ended(record, exit) => Ok(Found::Ended(record, exit)),
            Attached::Running { pid, log, connection } => {
                Ok(Found::Live(self.follow(id, pair(record, pid, log, connection), None)))
            }
            Attached::Unclaimed => Ok(Found::Starting(record)),
        }
    }

    /// Keeps a running task in sight from now on.
    pub(crate) fn follow(
        self: &Arc<Self>,
        id: &AttemptId,
        (live, follower): (Live, Follower),
        child: Option<Child>,
    ) -> Live {
        self.lives().insert(id.clone(), live.clone());
        self.tracker.spawn(Arc::clone(self).follow_to_end(id.clone(), follower, child));
        live
    }

    async fn follow_to_end(self: Arc<Self>, id: AttemptId, mut follower: Follower, child: Option<Child>) {
        let end = tokio::select! {
            () = self.closing.cancelled() => End::Unknown("the scheduler was closed"),
            end = self.hear_to_end(&id, &mut follower) => end,
        };
        self.lives().remove(&id);
        follower.progress.send_modify(|progress| progress.end = Some(end));
        drop(follower);
        self.reap(child).await;
    }

    /// Waits for a shim that is our child, so that it does not stay behind as a zombie.
    pub(crate) async fn reap(&self, child: Option<Child>) {
        if let Some(mut child) = child {
            tokio::select! {
                () = self.closing.cancelled() => {}
                // How it ended does not matter: the end of the task is on the disk.
                _ = child.wait() => {}
            }
        }
    }

    async fn hear_to_end(self: &Arc<Self>, id: &AttemptId, follower: &mut Follower) -> End {
        let mut asked = None;
        for _ in 0..CONNECTS {
            if let Ok(exit) = follower.follow(&mut asked).await {
                return End::Exit(exit);
            }
            match self.attach(id, "wait").await {
                Ok(Attached::Ended(_, exit)) => return End::Exit(exit),
                Ok(Attached::Running { connection, log, .. }) => {
                    follower.connection = connection;
                    follower.progress.send_modify(|progress| progress.log = progress.log.max(log));
                }
                Ok(Attached::Unclaimed) | Err(_) => break,
            }
        }
        End::Unknown("the shim of the task cannot be reached")
    }

    /// Connects to the shim of a task. A shim that refuses has died: then the task has ended, or is lost.
    pub(crate) async fn attach(
        self: &Arc<Self>,
        id: &AttemptId,
        operation: &'static str,
    ) -> Result<Attached> {
        for _ in 0..CONNECTS {
            match self.greet(id).await {
                Ok((pid, log, connection)) => return Ok(Attached::Running { pid, log, connection }),
                Err(error) => match self.look(id, operation).await? {
                    Look::Ended(record, exit) => return Ok(Attached::Ended(record, exit)),
                    Look::Claimed(_) if is_refusal(&error) => {
                        let id = id.clone();
                        self.blocking(operation, move |shared| shared.attempts.conclude_lost(&id)).await?;
                    }
                    // It is ending, or has too many connections just now.
                    Look::Claimed(_) if is_hang_up(&error) => {}
                    Look::Claimed(_) => return Err(unreachable_shim(operation).source(error)),
                    Look::Unclaimed(_) => return Ok(Attached::Unclaimed),
                    Look::Absent | Look::Blank | Look::Foreign => return Err(unknown(id, operation)),
                },
            }
        }
        Err(unreachable_shim(operation))
    }

    async fn greet(&self, id: &AttemptId) -> io::Result<(u32, u64, Connection)> {
        let greet = async {
            let mut connection = Connection::open(&self.attempts.folder(id)).await?;
            match connection.next().await? {
                FromShim::Running { pid, log } => Ok((pid, log, connection)),
                other => Err(io::Error::other(format!("the shim said {other:?}"))),
            }
        };
        tokio::time::timeout(HELLO, greet).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// Starts a shim for an attempt whose folder is there. Blocks for as long as a process takes to be made.
    pub(crate) fn spawn_shim(&self, id: &AttemptId) -> io::Result<(Connection, Child)> {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        let shim = &self.config.shim;
        let mut command = Command::new(&shim.program);
        command.args(&shim.args).arg(id.as_str()).env_clear().current_dir(self.attempts.folder(id));
        command
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn()?;
        Ok((Connection::new(UnixStream::from_std(ours)?), child))
    }
}

/// Whether nobody listens where a shim once did.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused)
}

/// Whether somebody listened and then hung up.
fn is_hang_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}

fn unreachable_shim(operation: &'static str) -> BackendError {
    error(ErrorKind::Unavailable, operation, "the shim of the task cannot be reached")
}

pub(crate) fn unknown(id: &AttemptId, operation: &'static str) -> BackendError {
    error(ErrorKind::NotFound, operation, "there is no such task").with("id", id)
}
