//! The store: opening logs for writing and reading, sealing, deleting.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use gofer_types::{PipelineRef, RunRef, TaskId, TaskRef};

use crate::disk::{self, Disk, RealDisk};
use crate::entry::{LogStream, ReadOptions};
use crate::error::LogError;
use crate::gates::{Gates, Threads, lock};
use crate::merge;
use crate::reader::{Reader, Ticket};
use crate::registry::{Doom, Registry};
use crate::shared::Shared;
use crate::writer::{LogWriter, WriterParts};

const MIB: u64 = 1024 * 1024;

/// How a store is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// The folder that the store owns. It is created, for the owner only, if it is not there.
    pub dir: PathBuf,
    /// A segment is closed when it would become longer; one batch may be longer.
    pub segment_bytes: u64,
    /// How much of the disk the log of one task run may take, without its indexes. 16 KiB of it are kept for telling of
    /// the limit.
    pub max_bytes_per_task: u64,
    /// How many followers there may be at once, of all logs.
    pub max_followers: usize,
}

impl LogOptions {
    /// Segments of 64 MiB, 512 MiB for each task run, 20,000 followers.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: 64 * MIB,
            max_bytes_per_task: 512 * MIB,
            max_followers: 20_000,
        }
    }
}

/// All logs below one folder. Clones share it. One process at a time may use a folder; the caller sees to that.
#[derive(Debug, Clone)]
pub struct LogStore {
    parts: WriterParts,
    gates: Gates,
    max_followers: usize,
    followers: Arc<AtomicUsize>,
}

impl LogStore {
    /// Opens the store, and removes what an earlier process had begun to delete. No log is read.
    pub async fn open(options: LogOptions) -> Result<Self, LogError> {
        Self::open_on(options, Arc::new(RealDisk), Threads::Blocking).await
    }

    /// Opens the store on a disk that fails as it is told to. All work is done in place: no thread but the caller's.
    #[cfg(feature = "fake")]
    pub async fn open_fake(options: LogOptions, disk: &crate::fake::FakeLogDisk) -> Result<Self, LogError> {
        Self::open_on(options, Arc::new(disk.clone()), Threads::None).await
    }

    pub(crate) async fn open_on(
        options: LogOptions,
        disk: Arc<dyn Disk>,
        threads: Threads,
    ) -> Result<Self, LogError> {
        let gates = Gates::new(threads);
        let root = options.dir.clone();
        let prepare = move || {
            disk::make_dirs(&root).map_err(LogError::io("create", &root))?;
            disk::empty_trash(&root).map_err(LogError::io("empty the trash of", &root))
        };
        gates.upkeep.run(prepare).await?;
        let parts = WriterParts {
            disk,
            registry: Registry::new(options.dir),
            segment_bytes: options.segment_bytes,
            max_bytes: options.max_bytes_per_task,
        };
        Ok(Self { parts, gates, max_followers: options.max_followers, followers: Arc::default() })
    }

    async fn log(&self, task: &TaskRef) -> Result<Arc<Shared>, LogError> {
        let shared = self.parts.registry.get(task);
        shared.load(&self.gates).await?;
        Ok(shared)
    }

    /// Waits until nothing is under way at the disk that a caller who went away had begun. Behind that, and with nobody who
    /// begins anything, another store may open the directory.
    pub async fn idle(&self) {
        self.gates.idle().await;
    }

    /// Opens a log for appending, and cuts a torn frame off its end. Creates it if it is not there.
    ///
    /// [`LogError::Busy`] while another writer of it lives, [`LogError::Sealed`] if it is complete.
    pub async fn writer(&self, task: &TaskRef) -> Result<LogWriter, LogError> {
        let shared = self.log(task).await?;
        LogWriter::open(shared, self.parts.clone(), self.gates.writers.clone()).await
    }

    /// Says that nothing follows, of a log that has no writer or that never was; followers end. May be repeated.
    ///
    /// [`LogError::Busy`] while a writer of it lives: that one seals.
    pub async fn seal(&self, task: &TaskRef) -> Result<(), LogError> {
        match self.writer(task).await {
            Ok(writer) => writer.seal().await,
            Err(LogError::Sealed { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether a log is complete.
    pub async fn is_sealed(&self, task: &TaskRef) -> Result<bool, LogError> {
        let shared = self.log(task).await?;
        let sealed = lock(&shared.state).sealed;
        Ok(sealed)
    }

    /// Reads a log. One that is not there is empty; a follower waits for it. See [`LogStream`].
    ///
    /// [`LogError::TooManyFollowers`] if it is to follow and the limit is reached.
    pub async fn read(&self, task: &TaskRef, options: ReadOptions) -> Result<LogStream, LogError> {
        let ticket = options.follow.then(|| Ticket::take(&self.followers, self.max_followers)).transpose()?;
        let shared = self.log(task).await?;
        Ok(Reader::new(shared, self.gates.readers.clone(), options, ticket).into_stream())
    }

    /// The number of the first of the last `n` entries; with 0, the number of the next entry.
    pub async fn tail_seq(&self, task: &TaskRef, n: u32) -> Result<u64, LogError> {
        let shared = self.log(task).await?;
        let next = lock(&shared.state).head.next_seq;
        Ok(next.saturating_sub(u64::from(n)).max(1))
    }

    /// Deletes all logs of a run; readers and writers of them are told. Logs that are not there are deleted already.
    ///
    /// They are out of sight in one step, then removed. No writer of this run may be opened meanwhile.
    pub async fn delete_run(&self, run: &RunRef) -> Result<(), LogError> {
        let dir = disk::run_dir(self.parts.registry.root(), run);
        self.delete(dir).await
    }

    /// How many bytes the logs of a run take on the disk; 0 if there are none.
    pub async fn run_bytes(&self, run: &RunRef) -> Result<u64, LogError> {
        let dir = disk::run_dir(self.parts.registry.root(), run);
        let measure = move || disk::bytes(&dir).map_err(LogError::io("measure", &dir));
        self.gates.upkeep.run(measure).await
    }

    /// [`LogStore::delete_run`] of all runs of a pipeline.
    pub async fn delete_pipeline(&self, pipeline: &PipelineRef) -> Result<(), LogError> {
        let dir = disk::pipeline_dir(self.parts.registry.root(), pipeline);
        self.delete(dir).await
    }

    pub(crate) fn doom(&self, dir: PathBuf) -> Doom {
        self.parts.registry.doom(dir)
    }

    async fn delete(&self, dir: PathBuf) -> Result<(), LogError> {
        let doom = self.doom(dir);
        let discard =
            move || disk::discard(doom.root(), &doom.dir).map_err(LogError::io("delete", &doom.dir));
        self.gates.upkeep.run(discard).await
    }

    /// Several logs as one, in the order of time; entries of one log keep their order. Gives no empty batch.
    ///
    /// What is stored is merged exactly. Behind it, entries come as they are written: a source holds back the others
    /// until it has said with an empty batch that it has caught up, as [`LogStore::read`] does. A source that fails is
    /// told by a [`LogError::Source`]; the others go on. One batch of each source is held in memory.
    #[must_use]
    pub fn merge(sources: Vec<(TaskId, LogStream)>) -> LogStream {
        merge::merge(sources)
    }
}
