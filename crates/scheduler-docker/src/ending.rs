//! Ends: finding out how a container ended, waiting for it, asking for it, and removing what is left.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::{KillContainerOptionsBuilder, LogsOptionsBuilder};
use futures_util::TryStreamExt;
use gofer_backend::{ErrorKind, Result};
use gofer_container::{Facts, Frame, Sight, bare, cause, needs_record};
use gofer_scheduler::TaskExit;
use gofer_task_init::{End, KILL_ALL};
use gofer_types::AttemptId;
use tokio::sync::watch;

use crate::error::error;
use crate::seen::{Seen, Stage};
use crate::shared::Shared;

/// How many of the last pieces are searched for the record of the first process: few, and then as many as can stand behind
/// it because another stream was copied more slowly.
const SEARCHES: [&str; 2] = ["64", "40000"];
/// How long a call that must succeed is put off when the engine cannot be asked.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a task that is killed may take to hand on what it wrote before.
const LAST_OUTPUT: Duration = Duration::from_secs(7);

/// Waits for the end of an attempt.
pub(crate) async fn wait(shared: &Shared, id: &AttemptId) -> Result<TaskExit> {
    loop {
        let mut changed = shared.book.watch(id);
        let seen = shared.seen(id, "wait").await.inspect_err(|fault| {
            if fault.kind() == ErrorKind::NotFound {
                shared.book.forget(id);
            }
        })?;
        if let Stage::Ended { .. } = seen.stage {
            return exit(shared, id, &seen, "wait").await;
        }
        change(shared, &mut changed).await;
    }
}

/// Waits for a change that an attempt is told of, and looks again after a while without one: nothing is told while the
/// engine's events cannot be followed.
async fn change(shared: &Shared, changed: &mut watch::Receiver<()>) {
    // A page that is gone says that something changed, too.
    let _ = tokio::time::timeout(shared.client.deadline(), changed.changed()).await;
}

/// How an ended container ended. Waits for the engine's events where that depends on them.
pub(crate) async fn exit(
    shared: &Shared,
    id: &AttemptId,
    seen: &Seen,
    operation: &'static str,
) -> Result<TaskExit> {
    if let Some(exit) = shared.book.exit(id) {
        return Ok(exit);
    }
    let settled = tokio::time::timeout(shared.client.deadline(), settle(shared, id, seen)).await;
    settled.unwrap_or_else(|_| {
        let message = "the engine has not told yet how the container ended";
        Err(error(ErrorKind::Unavailable, operation, message).with("id", id))
    })
}

async fn settle(shared: &Shared, id: &AttemptId, seen: &Seen) -> Result<TaskExit> {
    let Stage::Ended { code, out_of_memory, at } = seen.stage else {
        return Err(error(ErrorKind::Internal, "wait", "the container has not ended").with("id", id));
    };
    let record = if needs_record(code) { record(shared, seen).await? } else { None };
    let mut facts = Facts { code, out_of_memory, record, sight: Sight::NotYet };
    loop {
        let mut changed = shared.book.watch(id);
        facts.sight = shared.book.sight(id);
        if let Some(cause) = cause(&facts) {
            let exit = TaskExit { cause, at };
            shared.book.keep_exit(id, &exit);
            return Ok(exit);
        }
        let _ = changed.changed().await;
    }
}

/// What the first process recorded, if it did.
async fn record(shared: &Shared, seen: &Seen) -> Result<Option<End>> {
    for tail in SEARCHES {
        let name = seen.container.clone();
        let options = LogsOptionsBuilder::default().stdout(false).stderr(true).tail(tail).build();
        let read = |docker: bollard::Docker| async move {
            let ends = docker.logs(&name, Some(options)).try_filter_map(|line: LogOutput| {
                std::future::ready(Ok(match bare(&line.into_bytes()) {
                    Frame::End(end) => Some(end),
                    Frame::Output(_) => None,
                }))
            });
            ends.try_collect::<Vec<End>>().await
        };
        if let Some(end) = shared.client.call("record", read).await?.pop() {
            return Ok(Some(end));
        }
    }
    Ok(None)
}

/// Asks a task to end, and kills it when its grace has passed. Carried out to its end, also when nobody waits.
pub(crate) async fn stop(shared: Arc<Shared>, id: AttemptId, grace: Duration) -> Result<()> {
    match shared.seen(&id, "stop").await?.stage {
        Stage::Ended { .. } => return Ok(()),
        Stage::Created(_) => {
            never_start(&shared, &id).await?;
            // Not `Ok`: nothing has ended that could be waited for.
            let message = "the task had not begun, and never will";
            return Err(error(ErrorKind::NotFound, "stop", message).with("id", id));
        }
        Stage::Runs => {}
    }
    let ended = pin!(ended(&shared, &id));
    let end = async {
        if !grace.is_zero() {
            if shared.book.ask(&id)
                && let Err(fault) = signal(&shared, &id, "SIGTERM").await
            {
                shared.book.not_asked(&id);
                return Err(fault);
            }
            // sleeps: the grace is a span of time by its nature
            tokio::time::sleep(grace).await;
        }
        shared.book.kill(&id);
        // The first process kills all others and hands on what they wrote; if it cannot, it goes with them.
        kill(&shared, &id, &KILL_ALL.to_string()).await?;
        // sleeps: a grace is a span of time by its nature
        tokio::time::sleep(LAST_OUTPUT).await;
        kill(&shared, &id, "SIGKILL").await
    };
    let mut end = pin!(end);
    tokio::select! {
        ended = ended => ended,
        asked = &mut end => match asked {
            Ok(()) => self::ended(&shared, &id).await,
            Err(fault) => Err(fault),
        },
    }
}

/// Waits until it has ended or is gone, however it ended.
async fn ended(shared: &Shared, id: &AttemptId) -> Result<()> {
    loop {
        let mut changed = shared.book.watch(id);
        match shared.seen(id, "stop").await {
            Ok(Seen { stage: Stage::Ended { .. }, .. }) => return Ok(()),
            Err(fault) if fault.kind() == ErrorKind::NotFound => {
                shared.book.forget(id);
                return Err(fault);
            }
            Err(_) => {
                // sleeps: a back-off; what happened while the engine did not answer is told by nobody
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            Ok(_) => {}
        }
        change(shared, &mut changed).await;
    }
}

/// Sends a signal that was promised, also if the engine is away for a while.
async fn kill(shared: &Shared, id: &AttemptId, signal_name: &str) -> Result<()> {
    while let Err(fault) = signal(shared, id, signal_name).await {
        if !fault.kind().outcome_unknown() {
            return Err(fault);
        }
        // sleeps: a back-off; nobody tells when the engine is back
        tokio::time::sleep(AGAIN).await;
    }
    Ok(())
}

async fn signal(shared: &Shared, id: &AttemptId, signal: &str) -> Result<()> {
    let name = id.to_string();
    let options = KillContainerOptionsBuilder::default().signal(signal).build();
    let kill = |docker: bollard::Docker| async move { docker.kill_container(&name, Some(options)).await };
    match shared.client.call("kill", kill).await {
        // It does not run any more.
        Err(fault) if fault.kind() == ErrorKind::Conflict => Ok(()),
        answer => answer,
    }
}

/// A container that never ran is not to run any more.
async fn never_start(shared: &Shared, id: &AttemptId) -> Result<()> {
    let _turn = shared.turns.take(id).await;
    let seen = shared.seen(id, "stop").await?;
    if !matches!(seen.stage, Stage::Created(_)) {
        return Err(error(ErrorKind::Unavailable, "stop", "it was started meanwhile").with("id", id));
    }
    shared.forbid(id)?;
    // Not by force: a start may be on its way at the engine, and what runs after all is to end as what has run.
    shared.discard(&seen.container, false).await?;
    shared.book.forget(id);
    Ok(())
}

/// Removes what is left of an attempt, and remembers that it is never to be started again.
pub(crate) async fn remove(shared: &Shared, id: &AttemptId) -> Result<()> {
    let conflict = |why| Err(error(ErrorKind::Conflict, "remove", why).with("id", id));
    let _turn = shared.turns.take(id).await;
    match shared.look(id, "remove").await {
        Ok(None) => return conflict("this id belongs to another owner"),
        Ok(Some(Seen { stage: Stage::Runs, .. })) => return conflict("the task runs"),
        Ok(Some(seen)) => {
            shared.forbid(id)?;
            shared.discard(&seen.container, false).await?;
        }
        Err(fault) if fault.kind() == ErrorKind::NotFound => shared.forbid(id)?,
        Err(fault) => return Err(fault),
    }
    shared.book.forget(id);
    Ok(())
}
