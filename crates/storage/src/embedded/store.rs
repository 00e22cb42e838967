//! A storage made of an engine.
//!
//! Reads go straight to the engine, on the caller's thread: they take microseconds. Only long scans move to a blocking thread.
//! Commits go through a bounded queue to the writer.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use gofer_backend::{BackendError, BackendInfo, ErrorKind, Result};
use tokio::sync::{Semaphore, oneshot, watch};

use super::engine::Engine;
use super::envelope;
use super::home::Home;
use super::writer::{GROUP_BATCHES, Job, Request, Shared, Writer, repeat};
use crate::watchers::Watchers;
use crate::{Batch, Capabilities, KeyRange, MAX_BATCH, Revision, Row, Storage, WatchStream};

/// How many bytes the commits that wait or are being written may hold together; the next one waits for a place.
const QUEUE_BYTES: usize = 2 * MAX_BATCH;
/// How many commits may wait or be written: one group that is being written, and the next.
const QUEUE: usize = 2 * GROUP_BATCHES;
/// What a small commit counts for, so that the bytes also limit the number.
const LEAST_SHARE: usize = QUEUE_BYTES / QUEUE;
/// A scan of at most that many rows runs on the caller's thread.
const INLINE_ROWS: usize = 512;

/// What a storage says about itself.
#[derive(Debug, Clone)]
pub struct Options {
    /// The kind of backend, which also names its errors.
    pub kind: &'static str,
    /// The name of the configured instance.
    pub name: String,
}

/// A storage on an [`Engine`]. Dropping it without [`Storage::close`] also finishes what was accepted, and waits for that.
pub struct Embedded<E: Engine> {
    info: BackendInfo,
    shared: Arc<Shared<E>>,
    closing: AtomicBool,
    queue: Mutex<Option<Sender<Job>>>,
    budget: Arc<Semaphore>,
    done: watch::Receiver<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<E: Engine> Embedded<E> {
    /// Starts the writer on an engine that lives in this home. Reads the state row; writes nothing.
    pub fn start(engine: E, home: Home, options: Options) -> Result<Self> {
        let kind = options.kind;
        let target = home.path().display().to_string();
        let state = engine
            .state()
            .and_then(|raw| raw.map_or(Ok(Revision::default()), |raw| envelope::decode_state(&raw)));
        let revision = state.map_err(|error| error.with("path", &target).at(kind, "open"))?;
        let shared = Arc::new(Shared { engine, watchers: Watchers::default(), broken: OnceLock::new() });
        let (sender, queue) = channel();
        let (done, closed) = watch::channel(false);
        let (shared_too, unsettled) = (Arc::clone(&shared), false);
        let writer = Writer { shared: shared_too, queue, revision, unsettled, home: Some(home), done };
        let thread = std::thread::Builder::new().name(format!("storage-{kind}")).spawn(move || writer.run());
        let thread = thread.map_err(|error| {
            BackendError::new(ErrorKind::Exhausted, "the writer thread could not be started")
                .source(error)
                .at(kind, "open")
        })?;
        Ok(Self {
            info: BackendInfo { kind, name: options.name, target },
            shared,
            closing: AtomicBool::new(false),
            queue: Mutex::new(Some(sender)),
            budget: Arc::new(Semaphore::new(QUEUE_BYTES)),
            done: closed,
            thread: Mutex::new(Some(thread)),
        })
    }

    fn ensure_open(&self) -> Result<()> {
        if self.closing.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }

    async fn request(&self, request: Request, size: usize) -> Result<Revision> {
        self.ensure_open()?;
        if let Some(error) = self.shared.broken.get() {
            return Err(repeat(error));
        }
        let size = u32::try_from(size.max(LEAST_SHARE)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.budget).acquire_many_owned(size).await.map_err(|_| closed())?;
        let (answer, outcome) = oneshot::channel();
        self.enqueue(Job { request, answer, _permit: permit })?;
        outcome.await.map_err(|_| {
            BackendError::new(
                ErrorKind::Unavailable,
                "the writer ended; the outcome is unknown until the server is restarted",
            )
        })?
    }

    fn enqueue(&self, job: Job) -> Result<()> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.as_ref().ok_or_else(closed)?.send(job).map_err(|_| closed())
    }

    async fn read_range(&self, range: KeyRange, limit: usize) -> Result<Vec<Row>> {
        if limit == 0 {
            return Err(BackendError::new(ErrorKind::InvalidInput, "the limit of a scan is 0"));
        }
        self.ensure_open()?;
        if range.is_empty() {
            return Ok(Vec::new());
        }
        if limit <= INLINE_ROWS {
            return collect(&self.shared.engine, &range, limit);
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return collect(&self.shared.engine, &range, limit);
        };
        let shared = Arc::clone(&self.shared);
        let scanned = runtime.spawn_blocking(move || collect(&shared.engine, &range, limit)).await;
        scanned.map_err(|error| BackendError::new(ErrorKind::Internal, "a scan ended early").source(error))?
    }

    fn stop_queue(&self) {
        self.closing.store(true, Ordering::Release);
        self.budget.close();
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

#[async_trait]
impl<E: Engine> Storage for Embedded<E> {
    fn info(&self) -> BackendInfo {
        self.info.clone()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true, shared: false }
    }

    async fn check(&self) -> Result<()> {
        let read = self.ensure_open().and_then(|()| self.shared.engine.state());
        read.map_err(|error| error.at(self.info.kind, "check"))?;
        self.request(Request::Probe, 0).await.map_err(|error| error.at(self.info.kind, "check"))?;
        Ok(())
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Row>> {
        let read = self.ensure_open().and_then(|()| self.shared.engine.get(key));
        let row = read.and_then(|raw| raw.map(|raw| envelope::decode(key, &raw)).transpose());
        row.map_err(|error| error.at(self.info.kind, "get"))
    }

    async fn scan(&self, range: KeyRange, limit: usize) -> Result<Vec<Row>> {
        self.read_range(range, limit).await.map_err(|error| error.at(self.info.kind, "scan"))
    }

    async fn commit(&self, batch: Batch) -> Result<Revision> {
        let named = |error: BackendError| error.at(self.info.kind, "commit");
        batch.validate().map_err(named)?;
        let size = batch.size();
        self.request(Request::Commit(batch), size).await.map_err(named)
    }

    fn watch(&self, prefix: &[u8]) -> WatchStream {
        if self.closing.load(Ordering::Acquire) {
            return stream::empty().boxed();
        }
        self.shared.watchers.watch(prefix)
    }

    async fn close(&self) -> Result<()> {
        self.stop_queue();
        let mut done = self.done.clone();
        // an error means that the writer has gone, which is what is waited for
        let _ = done.wait_for(|done| *done).await;
        match self.shared.broken.get() {
            Some(error) => Err(repeat(error).at(self.info.kind, "close")),
            None => Ok(()),
        }
    }
}

impl<E: Engine> Drop for Embedded<E> {
    fn drop(&mut self) {
        self.stop_queue();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // a panic of the writer was already told to every caller
            let _ = thread.join();
        }
    }
}

impl<E: Engine> fmt::Debug for Embedded<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("info", &self.info).finish_non_exhaustive()
    }
}

fn collect<E: Engine>(engine: &E, range: &KeyRange, limit: usize) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    engine.scan(range, &mut |key, raw| {
        rows.push(envelope::decode(key, &Bytes::copy_from_slice(raw))?);
        Ok(if rows.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(rows)
}

/// The answer of every call after closing.
#[must_use]
pub fn closed() -> BackendError {
    BackendError::new(ErrorKind::Unavailable, "the storage is closed")
}
