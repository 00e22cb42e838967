//! The engine: one key space in one sled database.
//!
//! Keys of rows carry the byte 1 in front, the state row has the key 0. After any I/O error sled refuses everything until it is
//! opened anew, and it cannot be opened on a full disk. So a full disk must be seen before sled meets it: that is what the
//! reserve is for. What fails inside sled is fail-stop.

use std::fmt;
use std::fs::File;
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use bytes::Bytes;
use gofer_backend::Result;
use gofer_storage::KeyRange;
use gofer_storage::embedded::{Engine, Group, Visit, WriteFailure, closed, disk};
use sled::IVec;

use crate::compact::settle_names;
use crate::error::understood;
use crate::undo::{Bounds, Undo};

/// sled's own directory in ours.
pub(crate) const DATA: &str = "data";
/// The file in it that sled keeps everything in.
pub(crate) const DATA_FILE: &str = "db";
const STATE: &[u8] = &[0];
const ROWS: u8 = 1;
/// Fixed at creation: another size refuses to open. Below it, values of 64 KiB would become files that are never synced.
const SEGMENT: usize = 8 << 20;

/// What the configuration says about sled itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tuning {
    pub(crate) cache: u64,
    pub(crate) reserve: u64,
}

/// sled as an engine.
pub(crate) struct Sled {
    dir: PathBuf,
    tuning: Tuning,
    /// `None` once it is closed. A reader holds it for the time of its read, the writer only to apply a batch.
    inner: RwLock<Option<Inner>>,
    #[cfg(test)]
    sync_fails: std::sync::atomic::AtomicBool,
}

struct Inner {
    files: Files,
    undo: Undo,
}

/// An open database, with the second descriptor that makes its syncs true.
#[derive(Clone)]
pub(crate) struct Files {
    pub(crate) tree: sled::Db,
    barrier: Arc<File>,
}

impl Files {
    pub(crate) fn open(path: &Path, cache: u64) -> Result<Self> {
        let config =
            sled::Config::new().path(path).segment_size(SEGMENT).cache_capacity(cache).flush_every_ms(None);
        let tree = config.open().map_err(understood)?;
        let barrier = File::open(path.join(DATA_FILE));
        let barrier =
            Arc::new(barrier.map_err(|error| disk::io_error(error, "the data file could not be opened"))?);
        disk::sync_dir(path)?;
        let files = Self { tree, barrier };
        let made = files.barrier.metadata().is_ok_and(|data| data.len() > 0);
        if !made {
            // a new one is in memory until something makes it durable
            files.sync()?;
        }
        Ok(files)
    }

    /// Closes the database, and returns once its lock is free.
    ///
    /// A thread of sled may hold the file a little longer than its last owner. Only this process has it, as the directory
    /// is locked; so the wait, which the kernel ends, is short.
    pub(crate) fn close(self) {
        let Self { tree, barrier } = self;
        drop(tree);
        let wait = || rustix::fs::flock(&barrier, rustix::fs::FlockOperation::LockExclusive);
        while wait() == Err(rustix::io::Errno::INTR) {}
    }

    /// Makes everything durable that was applied.
    pub(crate) fn sync(&self) -> Result<()> {
        self.tree.flush().map_err(understood)?;
        self.barrier.sync_data().map_err(|error| disk::io_error(error, "the data file could not be synced"))
    }
}

impl Sled {
    /// Opens or creates the database of a directory that the caller holds.
    pub(crate) fn open(dir: &Path, tuning: Tuning) -> Result<Self> {
        settle_names(dir)?;
        let files = Files::open(&dir.join(DATA), tuning.cache)?;
        disk::sync_dir(dir)?;
        Ok(Self {
            dir: dir.to_path_buf(),
            tuning,
            inner: RwLock::new(Some(Inner { files, undo: Undo::default() })),
            #[cfg(test)]
            sync_fails: false.into(),
        })
    }

    fn read<T>(&self, work: impl FnOnce(&Inner) -> Result<T>) -> Result<T> {
        let guard = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        work(guard.as_ref().ok_or_else(closed)?)
    }

    fn lock(&self) -> RwLockWriteGuard<'_, Option<Inner>> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_group(&self, group: &Group) -> Result<()> {
        let files = self.apply(group)?;
        // readers go on meanwhile, and see what the group replaces
        self.sync(&files)?;
        if let Some(inner) = self.lock().as_mut() {
            inner.undo.clear();
        }
        Ok(())
    }

    fn apply(&self, group: &Group) -> Result<Files> {
        let mut batch = sled::Batch::default();
        batch.insert(STATE, &group.state[..]);
        let mut guard = self.lock();
        let inner = guard.as_mut().ok_or_else(closed)?;
        for (key, raw) in &group.rows {
            let key = row_key(key);
            inner.undo.remember(key.clone(), inner.files.tree.get(&key).map_err(understood)?);
            match raw {
                Some(raw) => batch.insert(key, &raw[..]),
                None => batch.remove(key),
            }
        }
        inner.undo.remember(IVec::from(STATE), inner.files.tree.get(STATE).map_err(understood)?);
        inner.files.tree.apply_batch(batch).map_err(understood)?;
        Ok(inner.files.clone())
    }

    fn sync(&self, files: &Files) -> Result<()> {
        #[cfg(test)]
        if self.sync_fails.load(std::sync::atomic::Ordering::Acquire) {
            return Err(gofer_backend::BackendError::new(
                gofer_backend::ErrorKind::Internal,
                "the test says so",
            ));
        }
        files.sync()
    }
}

impl Engine for Sled {
    fn state(&self) -> Result<Option<Bytes>> {
        self.read(|inner| inner.get(STATE))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.read(|inner| inner.get(&row_key(key)))
    }

    fn scan(&self, range: &KeyRange, visit: &mut Visit<'_>) -> Result<()> {
        let bounds = row_bounds(range);
        self.read(|inner| {
            for row in inner.undo.range(&inner.files.tree, &bounds, range.reverse) {
                let (key, raw) = row?;
                if visit(key.get(1..).unwrap_or_default(), &raw)? == ControlFlow::Break(()) {
                    break;
                }
            }
            Ok(())
        })
    }

    fn write(&self, group: &Group) -> std::result::Result<(), WriteFailure> {
        // sled writes pages as well as rows, and takes whole segments
        let needed = group.size().saturating_mul(2).saturating_add(SEGMENT as u64);
        disk::require_room(&self.dir, needed, self.tuning.reserve).map_err(WriteFailure::Refused)?;
        self.write_group(group).map_err(WriteFailure::Broken)
    }

    fn close(&self) {
        if let Some(inner) = self.lock().take() {
            inner.files.close();
        }
    }
}

impl Inner {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let raw = match self.undo.get(key) {
            Some(old) => old.clone(),
            None => self.files.tree.get(key).map_err(understood)?,
        };
        Ok(raw.map(|raw| Bytes::copy_from_slice(&raw)))
    }
}

impl fmt::Debug for Sled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sled").field("dir", &self.dir).finish_non_exhaustive()
    }
}

fn row_key(key: &[u8]) -> IVec {
    let mut full = Vec::with_capacity(1 + key.len());
    full.push(ROWS);
    full.extend_from_slice(key);
    IVec::from(full)
}

fn row_bounds(range: &KeyRange) -> Bounds {
    let start = match range.start.as_ref().map(|key| row_key(key)) {
        Bound::Unbounded => Bound::Included(IVec::from(&[ROWS])),
        bound => bound,
    };
    let end = match range.end.as_ref().map(|key| row_key(key)) {
        Bound::Unbounded => Bound::Excluded(IVec::from(&[ROWS + 1])),
        bound => bound,
    };
    (start, end)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use gofer_backend::ErrorKind;
    use gofer_storage::embedded::{Embedded, Home, Options, envelope};
    use gofer_storage::{Batch, Revision, Storage};

    use super::*;

    const TUNING: Tuning = Tuning { cache: 8 << 20, reserve: 1 };

    fn start(engine: Sled, dir: &Path) -> Embedded<Sled> {
        let home = Home::claim("sled", dir).unwrap();
        Embedded::start(engine, home, Options { kind: "sled", name: "test".to_owned() }).unwrap()
    }

    fn group(key: &'static str, value: &str, revision: u64) -> Group {
        let row = envelope::encode(key.as_bytes(), value.as_bytes(), Revision(revision));
        Group {
            rows: [(Bytes::from_static(key.as_bytes()), Some(row))].into(),
            state: envelope::encode_state(Revision(revision)),
        }
    }

    #[tokio::test]
    async fn after_a_failed_sync_nothing_is_acknowledged_and_the_old_rows_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Sled::open(dir.path(), TUNING).unwrap();
        engine.write(&group("a", "old", 1)).unwrap();
        engine.sync_fails.store(true, Ordering::Release);
        let storage = start(engine, dir.path());
        let mut batch = Batch::default();
        batch.put("a", "new").put("b", "new");
        for _ in 0..3 {
            let error = storage.commit(batch.clone()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
        }
        assert_eq!(storage.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(storage.get(b"a").await.unwrap().unwrap().value, "old");
        assert_eq!(storage.scan(KeyRange::prefix(b""), 9).await.unwrap().len(), 1);
        drop(storage);
        let storage = start(Sled::open(dir.path(), TUNING).unwrap(), dir.path());
        let there = storage.scan(KeyRange::prefix(b""), 9).await.unwrap().len();
        assert!(there == 1 || there == 2, "the unknown batch is there whole or not");
        storage.commit(batch).await.unwrap();
    }

    #[test]
    fn the_state_row_is_in_no_range_of_rows() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Sled::open(dir.path(), TUNING).unwrap();
        engine.write(&group("\u{1}", "x", 1)).unwrap();
        let mut keys = Vec::new();
        let mut visit = |key: &[u8], _: &[u8]| {
            keys.push(key.to_vec());
            Ok(ControlFlow::Continue(()))
        };
        engine.scan(&KeyRange::prefix(b""), &mut visit).unwrap();
        engine.scan(&KeyRange::prefix(b"").reversed(), &mut visit).unwrap();
        assert_eq!(keys, [[1], [1]]);
    }

    #[tokio::test]
    async fn a_damaged_row_is_an_error_that_names_its_key_and_its_neighbours_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Sled::open(dir.path(), TUNING).unwrap();
        engine
            .write(&Group {
                rows: [(Bytes::from_static(b"bad"), Some(vec![1; 40]))].into(),
                ..group("a", "x", 1)
            })
            .unwrap();
        let storage = start(engine, dir.path());
        let mut batch = Batch::default();
        batch.put("good", "1");
        storage.commit(batch).await.unwrap();
        let error = storage.get(b"bad").await.unwrap_err();
        assert_eq!((error.kind(), error.facts()), (ErrorKind::Internal, &[("key", "bad".to_owned())][..]));
        assert!(storage.get(b"good").await.unwrap().is_some());
    }
}
