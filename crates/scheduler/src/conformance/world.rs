//! What the cases share: starting, waiting with a limit, reading logs, comparing.

use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use gofer_backend::{ErrorKind, Result as Answer};
use gofer_types::{AttemptId, Cause};

use super::{Done, Harness, Step};
use crate::{LogChunk, LogCursor, LogItem, Scheduler, Started, StreamKind, TaskExit, TaskSpec};

/// One connected scheduler and the harness behind it.
pub(crate) struct World {
    pub(crate) harness: Arc<dyn Harness>,
    pub(crate) scheduler: Arc<dyn Scheduler>,
    made: Arc<Mutex<Vec<AttemptId>>>,
}

/// A name that no other case uses.
pub(crate) fn unique() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// Reads real time: what is measured here is the promise.
#[expect(clippy::disallowed_methods, reason = "the suite measures real backends in real time")]
fn now() -> Instant {
    Instant::now()
}

impl World {
    pub(crate) async fn open(harness: Arc<dyn Harness>) -> Self {
        let scheduler = harness.connect().await;
        Self { harness, scheduler, made: Arc::default() }
    }

    /// The same backend, seen by another installation.
    pub(crate) async fn open_stranger(harness: Arc<dyn Harness>) -> Self {
        let scheduler = harness.connect_stranger().await;
        Self { harness, scheduler, made: Arc::default() }
    }

    /// Drops this scheduler and connects as a freshly started server would.
    pub(crate) async fn restart(self) -> Self {
        self.closed().reopened().await
    }

    /// Drops this scheduler, so that no server lives.
    pub(crate) fn closed(self) -> Closed {
        Closed { harness: self.harness, made: self.made }
    }

    /// What tidies up after the case, however it ends.
    pub(crate) fn broom(&self) -> Broom {
        Broom { harness: self.harness.clone(), made: self.made.clone() }
    }

    /// A new id, which will be tidied up.
    pub(crate) fn id(&self) -> AttemptId {
        let id = AttemptId::from_u128(uuid::Uuid::now_v7().as_u128());
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(id.clone());
        id
    }

    pub(crate) fn spec(&self, steps: &[Step]) -> TaskSpec {
        with_digest(self.harness.task(steps), "one")
    }

    /// Starts a task that does these steps.
    pub(crate) async fn start(&self, steps: &[Step]) -> Result<(AttemptId, Started), String> {
        let id = self.id();
        let started = self.start_as(&id, &self.spec(steps)).await?;
        Ok((id, started))
    }

    pub(crate) async fn start_as(&self, id: &AttemptId, spec: &TaskSpec) -> Result<Started, String> {
        self.ok("start", self.scheduler.start(id, spec)).await
    }

    /// Starts a task that does these steps, and waits for its end.
    pub(crate) async fn run(&self, steps: &[Step]) -> Result<(AttemptId, Cause), String> {
        let (id, _) = self.start(steps).await?;
        let cause = self.end(&id).await?.cause;
        Ok((id, cause))
    }

    pub(crate) async fn end(&self, id: &AttemptId) -> Result<TaskExit, String> {
        self.ok("wait", self.scheduler.wait(id)).await
    }

    pub(crate) async fn stop(&self, id: &AttemptId, grace: Duration) -> Done {
        self.ok("stop", self.scheduler.stop(id, grace)).await
    }

    /// All that the log holds from a cursor on, until it ends.
    pub(crate) async fn log(&self, id: &AttemptId, from: LogCursor) -> Result<Vec<LogChunk>, String> {
        let read = async {
            let mut stream = self.scheduler.logs(id, from).await?;
            let mut chunks = Vec::new();
            while let Some(chunk) = stream.next().await {
                chunks.push(chunk?);
            }
            Ok(chunks)
        };
        let chunks = self.ok("reading the log to its end", read).await?;
        for chunk in &chunks {
            ensure(chunk.cursor.0.len() <= 128, || {
                format!("a cursor of more than 128 bytes: {:?}", chunk.cursor)
            })?;
            if let LogItem::Data { bytes, .. } = &chunk.item {
                ensure(bytes.len() <= 64 << 10, || format!("a piece of more than 64 KiB: {}", bytes.len()))?;
            }
        }
        Ok(chunks)
    }

    pub(crate) async fn whole_log(&self, id: &AttemptId) -> Result<Vec<LogChunk>, String> {
        self.log(id, LogCursor::start()).await
    }

    /// Reads the log of a running task until this text has come.
    pub(crate) async fn see(&self, id: &AttemptId, text: &str) -> Result<Vec<LogChunk>, String> {
        let read = async {
            let mut stream = self.scheduler.logs(id, LogCursor::start()).await?;
            let mut chunks = Vec::new();
            while let Some(chunk) = stream.next().await {
                chunks.push(chunk?);
                if String::from_utf8_lossy(&bytes(&chunks, StreamKind::Out)).contains(text) {
                    break;
                }
            }
            Ok(chunks)
        };
        let chunks = self.ok("following the log", read).await?;
        let seen = bytes(&chunks, StreamKind::Out);
        ensure(String::from_utf8_lossy(&seen).contains(text), || format!("the log ended without {text:?}"))?;
        Ok(chunks)
    }

    /// The value of an answer that must be good and must come in time.
    pub(crate) async fn ok<T>(
        &self,
        what: &str,
        answer: impl Future<Output = Answer<T>>,
    ) -> Result<T, String> {
        self.in_time(what, answer)
            .await?
            .map_err(|error| format!("{what}: {}: {}", error.kind(), error.chain()))
    }

    /// The kind of an answer that must be an error and must come in time.
    pub(crate) async fn refused<T>(
        &self,
        what: &str,
        answer: impl Future<Output = Answer<T>>,
        kind: ErrorKind,
    ) -> Result<String, String> {
        match self.in_time(what, answer).await? {
            Ok(_) => Err(format!("{what}: was answered well; wanted {kind}")),
            Err(error) if error.kind() == kind => Ok(error.chain()),
            Err(error) => Err(format!("{what}: {}: {}; wanted {kind}", error.kind(), error.chain())),
        }
    }

    pub(crate) async fn in_time<T>(&self, what: &str, future: impl Future<Output = T>) -> Result<T, String> {
        let patience = self.harness.patience();
        tokio::time::timeout(patience, future).await.map_err(|_| format!("{what}: no answer in {patience:?}"))
    }
}

/// A world in which no server lives.
pub(crate) struct Closed {
    pub(crate) harness: Arc<dyn Harness>,
    made: Arc<Mutex<Vec<AttemptId>>>,
}

impl Closed {
    /// Waits until a task has left this mark. Nothing tells of it: there is no scheduler.
    pub(crate) async fn until_marked(&self, mark: &str) -> Done {
        let marked = async {
            let mut look = tokio::time::interval(Duration::from_millis(5));
            while self.harness.witnesses(mark).await == 0 {
                look.tick().await;
            }
        };
        let marked = tokio::time::timeout(self.harness.patience(), marked).await;
        marked.map_err(|_| "the task did not go on while no server lived".to_owned())
    }

    pub(crate) async fn reopened(self) -> World {
        let scheduler = self.harness.connect().await;
        World { harness: self.harness, scheduler, made: self.made }
    }
}

/// Ends and forgets what a case started.
pub(crate) struct Broom {
    harness: Arc<dyn Harness>,
    made: Arc<Mutex<Vec<AttemptId>>>,
}

impl Broom {
    /// Best effort: a scheduler that cannot tidy up has failed its case already.
    pub(crate) async fn sweep(self) {
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        let scheduler = self.harness.connect().await;
        let sweep = async {
            for id in &made {
                let _ = scheduler.stop(id, Duration::ZERO).await;
                let _ = scheduler.remove(id).await;
            }
        };
        let _ = tokio::time::timeout(self.harness.patience(), sweep).await;
    }
}

pub(crate) fn with_digest(mut spec: TaskSpec, digest: &str) -> TaskSpec {
    digest.clone_into(&mut spec.digest);
    spec
}

/// Runs a future to its end and says how long it took.
pub(crate) async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let begin = now();
    let value = future.await;
    (value, now().duration_since(begin))
}

/// What a stream carries, joined.
pub(crate) fn bytes(chunks: &[LogChunk], wanted: StreamKind) -> Vec<u8> {
    let mut all = Vec::new();
    for chunk in chunks {
        if let LogItem::Data { stream, bytes } = &chunk.item
            && *stream == wanted
        {
            all.extend_from_slice(bytes);
        }
    }
    all
}

/// The bytes that the log says are missing; nothing if a gap does not know its size.
pub(crate) fn missing(chunks: &[LogChunk]) -> Option<u64> {
    chunks.iter().try_fold(0, |sum, chunk| match &chunk.item {
        LogItem::Gap { bytes, .. } => bytes.map(|bytes| sum + bytes),
        LogItem::Data { .. } => Some(sum),
    })
}

pub(crate) fn ensure(holds: bool, complaint: impl FnOnce() -> String) -> Done {
    if holds { Ok(()) } else { Err(complaint()) }
}

#[expect(clippy::needless_pass_by_value, reason = "a case reads better without a sign before every value")]
pub(crate) fn same<T: PartialEq + Debug>(what: &str, found: T, wanted: T) -> Done {
    ensure(found == wanted, || format!("{what}: found {found:?}, wanted {wanted:?}"))
}

/// As [`same`], for bytes that are too many to print.
pub(crate) fn same_bytes(what: &str, found: &[u8], wanted: &[u8]) -> Done {
    let at = found.iter().zip(wanted).position(|(a, b)| a != b).unwrap_or(found.len().min(wanted.len()));
    ensure(found == wanted, || {
        format!("{what}: {} bytes, wanted {}; the first difference is at {at}", found.len(), wanted.len())
    })
}
