//! Starting a task: at most once per id, whoever dies in between.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_scheduler::{StartOutcome, Started, TaskSpec};
use gofer_types::AttemptId;
use tokio::process::Child;

use crate::attempts::{Look, SpecRecord, delete};
use crate::error::error;
use crate::launch;
use crate::live::{Connection, pair};
use crate::protocol::{ExitRecord, FromShim, Launch, ToShim};
use crate::shared::{Found, Shared};

/// How often the disk is looked at anew when another server changes it meanwhile.
const LOOKS: usize = 8;

/// How long a shim may take to start a task. It takes milliseconds unless the host stands still.
const ANSWER: Duration = Duration::from_secs(60);

/// What stands on the disk after preparing a start.
enum Prepared {
    /// A shim was started for this record, and waits to be told what to run.
    Shim(SpecRecord, Connection, Child),
    /// It was started, or belongs to somebody else.
    Known(Look),
}

/// Starts a task. Whoever calls this must see it through: it is spawned, not awaited in place.
pub(crate) async fn start(shared: Arc<Shared>, id: AttemptId, spec: TaskSpec) -> Result<Started> {
    let launch = launch::plan(&shared.config, &spec)?;
    let _turn = shared.turns.take(&id).await;
    refuse_removed("start", &shared, &id)?;
    if let Some(live) = shared.live(&id) {
        return adopted(&id, &spec, &live.record, live.pid);
    }
    let (for_id, for_spec) = (id.clone(), spec.clone());
    match shared.blocking("start", move |shared| prepare(shared, &for_id, &for_spec)).await? {
        Prepared::Known(look) => known(&shared, &id, &spec, look).await,
        Prepared::Shim(record, connection, child) => {
            let mut shim = Spawned { shared: &shared, id: &id, spec: &spec, child: Some(child) };
            let started = shim.launch(record, connection, launch).await;
            let child = shim.child.take();
            if child.is_some() {
                let reaper = Arc::clone(&shared);
                shared.tracker.spawn(async move { reaper.reap(child).await });
            }
            shared.settled.notify_waiters();
            started
        }
    }
}

/// Makes the folder and the record, and starts a shim; unless a shim has claimed the task.
fn prepare(shared: &Shared, id: &AttemptId, spec: &TaskSpec) -> io::Result<Prepared> {
    match prepared(shared, id, spec)? {
        // Files were laid, or a server died after it had written the record. Its shim may still be on the way: only one
        // claims the task.
        Look::Unclaimed(record) if record.digest == spec.digest => {
            let (connection, child) = shared.spawn_shim(id)?;
            Ok(Prepared::Shim(record, connection, child))
        }
        look => Ok(Prepared::Known(look)),
    }
}

/// What stands on the disk under an id, once there is a folder with a record; the record is made if there is none.
pub(crate) fn prepared(shared: &Shared, id: &AttemptId, spec: &TaskSpec) -> io::Result<Look> {
    let attempts = &shared.attempts;
    for _ in 0..LOOKS {
        let look = if attempts.make(id)? { Look::Blank } else { attempts.look(id)? };
        match look {
            // Taken away between the two calls.
            Look::Absent => {}
            Look::Blank => {
                if let Some(record) = attempts.record(id, spec)? {
                    return Ok(Look::Unclaimed(record));
                }
            }
            look => return Ok(look),
        }
    }
    Err(io::Error::other("another server keeps changing the folder of the task"))
}

struct Spawned<'a> {
    shared: &'a Arc<Shared>,
    id: &'a AttemptId,
    spec: &'a TaskSpec,
    child: Option<Child>,
}

impl Spawned<'_> {
    /// Tells the shim what to run, and hears what came of it.
    async fn launch(
        &mut self,
        record: SpecRecord,
        mut connection: Connection,
        launch: Launch,
    ) -> Result<Started> {
        let answer = async {
            connection.tell(&ToShim::Launch(launch)).await?;
            connection.next().await
        };
        let answer = tokio::time::timeout(ANSWER, answer)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match answer {
            Ok(FromShim::Running { pid, log }) => {
                let pair = pair(record, pid, log, connection);
                self.shared.follow(self.id, pair, self.child.take());
                Ok(answered(self.spec, StartOutcome::Created, pid))
            }
            Ok(FromShim::Refused { kind, message, cause }) => {
                self.forget().await?;
                Err(refused(kind, message, cause))
            }
            Ok(FromShim::Unclaimed { kind, message, cause }) => {
                self.not_claimed(refused(kind, message, cause)).await
            }
            // Another shim has it, or this one died: the disk knows.
            _ => {
                let look = self.shared.look(self.id, "start").await?;
                known(self.shared, self.id, self.spec, look).await
            }
        }
    }

    /// Answers for a shim that could not claim the task. The shim of an earlier server may have: only who has the claim may
    /// say that nothing runs.
    async fn not_claimed(&self, refusal: BackendError) -> Result<Started> {
        let id = self.id.clone();
        let claimed = self.shared.blocking("start", move |shared| Ok(shared.attempts.claim(&id))).await?;
        match claimed {
            Ok(true) => {
                self.forget().await?;
                Err(refusal)
            }
            Ok(false) => {
                let look = self.shared.look(self.id, "start").await?;
                known(self.shared, self.id, self.spec, look).await
            }
            Err(_) => {
                Err(error(ErrorKind::Unavailable, "start", "the task cannot be claimed yet").source(refusal))
            }
        }
    }

    /// Leaves no trace of a task that never ran; the same id may be tried again.
    async fn forget(&self) -> Result<()> {
        let id = self.id.clone();
        let discard = move |shared: &Shared| delete(&shared.attempts.discard(&id)?);
        self.shared.blocking("start", discard).await
    }
}

/// Answers a start for what is there already.
async fn known(shared: &Arc<Shared>, id: &AttemptId, spec: &TaskSpec, look: Look) -> Result<Started> {
    match look {
        Look::Ended(record, ExitRecord { pid, .. }) => adopted(id, spec, &record, pid),
        Look::Claimed(record) => match shared.adopt(id, record, "start").await? {
            Found::Live(live) => adopted(id, spec, &live.record, live.pid),
            Found::Ended(record, exit) => adopted(id, spec, &record, exit.pid),
            Found::Starting(_) => Err(never_started()),
        },
        Look::Unclaimed(record) if record.digest != spec.digest => {
            Err(conflict("start", id, "this id stands for another task"))
        }
        Look::Foreign => Err(conflict("start", id, "this id belongs to another owner")),
        Look::Unclaimed(_) | Look::Blank | Look::Absent => Err(never_started()),
    }
}

fn refused(kind: ErrorKind, message: String, cause: Option<String>) -> BackendError {
    let error = error(kind, "start", message);
    match cause {
        Some(cause) => error.source(cause),
        None => error,
    }
}

fn never_started() -> BackendError {
    error(ErrorKind::Unavailable, "start", "the shim died before it had claimed the task")
}

pub(crate) fn refuse_removed(operation: &'static str, shared: &Shared, id: &AttemptId) -> Result<()> {
    let removed = shared.removed().contains(id);
    if removed { Err(conflict(operation, id, "this id was removed")) } else { Ok(()) }
}

pub(crate) fn conflict(operation: &'static str, id: &AttemptId, why: &str) -> BackendError {
    error(ErrorKind::Conflict, operation, why).with("id", id)
}

fn adopted(id: &AttemptId, spec: &TaskSpec, record: &SpecRecord, pid: u32) -> Result<Started> {
    if record.digest != spec.digest {
        return Err(conflict("start", id, "this id stands for another task"));
    }
    Ok(answered(spec, StartOutcome::Adopted, pid))
}

fn answered(spec: &TaskSpec, outcome: StartOutcome, pid: u32) -> Started {
    Started { outcome, handle: handle(pid), image: None, notes: launch::notes(spec) }
}

/// What people call a task: its process id.
pub(crate) fn handle(pid: u32) -> String {
    if pid == 0 { "no process".to_owned() } else { pid.to_string() }
}
