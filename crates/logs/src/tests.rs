//! What happens when the disk is full, with a disk that takes only so many bytes, and what a reader is told of a log that
//! is going.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use gofer_types::{Namespace, PipelineId, PipelineRef, RunNumber, TaskId, TaskRef, Timestamp};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::disk::{self, Disk, RealDisk, SegmentFile};
use crate::gates::Threads;
use crate::{LogEntry, LogError, LogOptions, LogStore, LogWriter, Piece, PieceItem, ReadOptions, StreamKind};

/// A disk with so many bytes left; a write that does not fit is written in part and fails, as it is on a real one.
#[derive(Debug)]
struct SmallDisk {
    left: Arc<Left>,
}

#[derive(Debug)]
struct Left {
    bytes: AtomicU64,
    cannot_cut: AtomicBool,
}

impl Left {
    fn take(&self, wanted: usize) -> usize {
        let wanted = wanted as u64;
        let left = self.bytes.load(Ordering::Acquire);
        self.bytes.store(left.saturating_sub(wanted), Ordering::Release);
        usize::try_from(left.min(wanted)).unwrap_or(0)
    }

    fn fill(&self) {
        self.bytes.store(0, Ordering::Release);
    }

    fn free(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Release);
    }
}

#[derive(Debug)]
struct SmallFile {
    file: Box<dyn SegmentFile>,
    left: Arc<Left>,
}

impl Disk for SmallDisk {
    fn open(&self, path: &Path, new: bool) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(SmallFile { file: RealDisk.open(path, new)?, left: Arc::clone(&self.left) }))
    }

    fn replace(&self, path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
        if self.left.take(bytes.len()) < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        RealDisk.replace(path, bytes, durable)
    }

    fn sync_dirs(&self, root: &Path, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dirs(root, dir)
    }
}

impl SegmentFile for SmallFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let fits = self.left.take(bytes.len());
        self.file.write_at(&bytes[..fits], offset)?;
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.left.cannot_cut.load(Ordering::Acquire) {
            return Err(io::ErrorKind::Other.into());
        }
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

struct World {
    dir: TempDir,
    left: Arc<Left>,
    store: LogStore,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let left = Arc::new(Left { bytes: AtomicU64::new(1 << 40), cannot_cut: AtomicBool::new(false) });
        let store = Self::open(&dir, &left).await;
        Self { dir, left, store }
    }

    async fn open(dir: &TempDir, left: &Arc<Left>) -> LogStore {
        let options = LogOptions { segment_bytes: 3_000, ..LogOptions::new(dir.path()) };
        let disk = Arc::new(SmallDisk { left: Arc::clone(left) });
        LogStore::open_on(options, disk, Threads::Blocking).await.unwrap()
    }
}

fn task() -> TaskRef {
    let namespace = Namespace::new("team").unwrap();
    let pipeline = PipelineRef { namespace, pipeline: PipelineId::new("build").unwrap() };
    pipeline.run(RunNumber(1)).task(TaskId::new("test").unwrap())
}

fn piece(number: u64, item: PieceItem) -> Piece {
    let at = Timestamp::from_micros(i64::try_from(number).unwrap() * 5_000);
    Piece { attempt: 1, at, cursor: number.to_string(), item }
}

fn line(number: u64, text: &str) -> Piece {
    piece(number, PieceItem::Data { stream: StreamKind::Out, bytes: Bytes::from(format!("{text}\n")) })
}

fn gap(number: u64, bytes: u64) -> Piece {
    piece(number, PieceItem::Gap { bytes: Some(bytes), cause: "the disk was full".to_owned() })
}

async fn all(store: &LogStore) -> Vec<LogEntry> {
    let batches = store.read(&task(), ReadOptions::default()).await.unwrap();
    batches.map(Result::unwrap).collect::<Vec<_>>().await.concat()
}

fn texts(entries: &[LogEntry]) -> Vec<String> {
    let text = |entry: &LogEntry| match &entry.gap {
        Some(gap) => format!("[{}]", gap.bytes.unwrap_or(0)),
        None => String::from_utf8_lossy(&entry.data).into_owned(),
    };
    entries.iter().map(text).collect()
}

async fn fails_full(writer: &mut LogWriter, pieces: Vec<Piece>) {
    let error = writer.append(pieces).await.unwrap_err();
    assert!(error.is_disk_full(), "{error:?}");
}

#[tokio::test]
async fn a_full_disk_is_a_typed_error_and_a_gap_can_tell_of_it_later() {
    let world = World::new().await;
    let mut writer = world.store.writer(&task()).await.unwrap();
    writer.append(vec![line(1, "before")]).await.unwrap();
    world.left.free(60);
    fails_full(&mut writer, vec![line(2, "lost"), line(3, "lost, too")]).await;
    assert_eq!(writer.resume_point(1).as_deref(), Some("1"));
    assert_eq!(texts(&all(&world.store).await), ["before"]);
    world.left.free(1 << 40);
    writer.append(vec![gap(3, 15), line(4, "after")]).await.unwrap();
    let entries = all(&world.store).await;
    assert_eq!(texts(&entries), ["before", "[15]", "after"]);
    drop(writer);
    assert_eq!(all(&World::open(&world.dir, &world.left).await).await, entries);
}

#[tokio::test]
async fn what_a_failed_write_left_is_never_taken_for_frames() {
    let world = World::new().await;
    let mut writer = world.store.writer(&task()).await.unwrap();
    writer.append(vec![line(1, "before")]).await.unwrap();
    // the first two of the three frames are written whole, and cannot be cut off
    world.left.free(110);
    world.left.cannot_cut.store(true, Ordering::Release);
    fails_full(&mut writer, vec![line(2, "lost-1"), line(3, "lost-2"), line(4, "lost-3")]).await;
    world.left.free(1 << 40);
    let error = writer.append(vec![line(2, "kept-1")]).await.unwrap_err();
    assert!(matches!(error, LogError::Io { operation: "cut", .. }), "{error}");
    assert_eq!(texts(&all(&world.store).await), ["before"]);
    world.left.cannot_cut.store(false, Ordering::Release);
    writer.append(vec![line(2, "kept-1")]).await.unwrap();
    let entries = all(&world.store).await;
    assert_eq!(texts(&entries), ["before", "kept-1"]);
    drop(writer);
    assert_eq!(all(&World::open(&world.dir, &world.left).await).await, entries);
}

#[tokio::test]
async fn sealing_on_a_full_disk_fails_and_can_be_repeated() {
    let world = World::new().await;
    let mut writer = world.store.writer(&task()).await.unwrap();
    writer.append(vec![line(1, "a")]).await.unwrap();
    world.left.fill();
    assert!(writer.seal().await.unwrap_err().is_disk_full());
    assert!(!world.store.is_sealed(&task()).await.unwrap());
    assert!(world.store.seal(&task()).await.unwrap_err().is_disk_full());
    world.left.free(1 << 40);
    world.store.seal(&task()).await.unwrap();
    assert!(world.store.is_sealed(&task()).await.unwrap());
    assert_eq!(texts(&all(&world.store).await), ["a"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Each number is how many bytes the disk has left for the next batch.
    #[test]
    fn wherever_the_disk_fills_up_the_log_is_what_was_accepted(rooms in proptest::collection::vec(0_u64..900, 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let mut writer = world.store.writer(&task()).await.unwrap();
            let mut accepted = Vec::new();
            for (number, room) in (1..).zip(rooms) {
                world.left.free(room);
                let text = format!("{number}").repeat(usize::try_from(number % 100).unwrap() + 1);
                let batch = vec![line(number * 2, &text), line(number * 2 + 1, &text)];
                if writer.append(batch).await.is_ok() {
                    accepted.extend([text.clone(), text]);
                }
                assert_eq!(texts(&all(&world.store).await), accepted);
            }
            drop(writer);
            world.left.free(1 << 40);
            let again = World::open(&world.dir, &world.left).await;
            assert_eq!(texts(&all(&again).await), accepted);
            again.seal(&task()).await.unwrap();
            assert_eq!(texts(&all(&again).await), accepted);
        });
    }
}

/// Whether this is the error of a log that is gone.
fn is_deleted<T>(answer: Result<T, LogError>) -> bool {
    matches!(answer.map(drop), Err(LogError::Deleted { .. }))
}

#[tokio::test]
async fn a_log_that_is_opened_while_its_folder_is_being_deleted_is_deleted_and_not_damaged() {
    let world = World::new().await;
    let mut writer = world.store.writer(&task()).await.unwrap();
    writer.append(vec![line(1, "a")]).await.unwrap();
    writer.seal().await.unwrap();
    let root = world.dir.path();
    let dirs = [disk::run_dir(root, &task().run), disk::pipeline_dir(root, &task().run.pipeline)];
    for dir in dirs {
        let (doom, again) = (world.store.doom(dir.clone()), world.store.doom(dir));
        // the files are half gone, as a reader may find them
        let hidden = root.join("hidden");
        let first = disk::segment_path(&disk::task_dir(root, &task()), 1);
        std::fs::rename(&first, &hidden).unwrap();
        for _ in 0..2 {
            assert!(is_deleted(world.store.read(&task(), ReadOptions::default()).await));
            assert!(is_deleted(world.store.writer(&task()).await));
            assert!(is_deleted(world.store.tail_seq(&task(), 1).await));
        }
        drop(doom);
        assert!(is_deleted(world.store.is_sealed(&task()).await), "somebody else is still about it");
        drop(again);
        let damaged = world.store.is_sealed(&task()).await.unwrap_err();
        assert!(matches!(damaged, LogError::Corrupt { .. }), "{damaged}");
        std::fs::rename(&hidden, &first).unwrap();
        assert!(world.store.is_sealed(&task()).await.unwrap(), "another log of that name is another one");
    }
}
