//! The engine: two tables in one file.
//!
//! redb refuses everything after an I/O error until the file is opened anew. For a disk without room that is done here, under a
//! lock that keeps readers out meanwhile (as long as an opening after a crash); for anything else the storage stays broken.

use std::fmt;
use std::fs::OpenOptions;
use std::ops::{Bound, ControlFlow};
use std::os::unix::fs::MetadataExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_storage::KeyRange;
use gofer_storage::embedded::{Engine, Group, Visit, WriteFailure, closed, disk};
use redb::{Database, ReadableDatabase as _, TableDefinition};

use crate::error::understood;
use crate::file::{DataFile, Syncs};

pub(crate) const FILE: &str = "data.redb";
const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const STATE: &str = "state";

/// What the configuration says about redb itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tuning {
    pub(crate) cache: usize,
    pub(crate) reserve: u64,
    /// Zero: with every commit.
    pub(crate) settle_after: Duration,
    /// Up to which size a file is read whole and verified before it is used.
    pub(crate) verify_up_to: u64,
}

/// redb as an engine.
pub(crate) struct Redb {
    dir: PathBuf,
    tuning: Tuning,
    syncs: Arc<Syncs>,
    #[cfg(test)]
    script: Arc<crate::file::tests::Script>,
    /// `None` once it is closed.
    database: RwLock<Option<Database>>,
}

impl Redb {
    /// Opens or creates the file of a directory that the caller holds.
    pub(crate) fn open(dir: &Path, tuning: Tuning) -> Result<Self> {
        let engine = Self {
            dir: dir.to_path_buf(),
            tuning,
            syncs: Arc::default(),
            #[cfg(test)]
            script: Arc::default(),
            database: RwLock::new(None),
        };
        let database = engine.open_verified()?;
        create_tables(&database)?;
        disk::sync_dir(dir)?;
        *engine.database.write().unwrap_or_else(PoisonError::into_inner) = Some(database);
        Ok(engine)
    }

    /// Opens the file, and sees whether all of it is what was written: behind an end in order redb itself does not look, and later
    /// takes every page at its word. A file that makes redb panic is damaged, too.
    fn open_verified(&self) -> Result<Database> {
        // what is on the disk of it: redb makes the file longer than it needs
        let size = std::fs::metadata(self.dir.join(FILE)).map_or(0, |data| match data.blocks() {
            // a file system that does not tell
            0 => data.len(),
            blocks => blocks * 512,
        });
        let verify = 0 < self.tuning.verify_up_to && size <= self.tuning.verify_up_to;
        let open = || {
            let mut database = self.open_file()?;
            if verify && !database.check_integrity().map_err(understood)? {
                return Err(understood(redb::Error::Corrupted("a page is not what was written".to_owned())));
            }
            Ok(database)
        };
        let opened = catch_unwind(AssertUnwindSafe(open));
        opened.unwrap_or_else(|_| Err(understood(redb::Error::Corrupted("redb cannot read it".to_owned()))))
    }

    fn open_file(&self) -> Result<Database> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options
            .open(self.dir.join(FILE))
            .map_err(|error| disk::io_error(error, "the file could not be opened"))?;
        #[cfg(not(test))]
        let file = DataFile::new(file, Arc::clone(&self.syncs));
        #[cfg(test)]
        let file = DataFile::new(file, Arc::clone(&self.syncs), Arc::clone(&self.script));
        Database::builder().set_cache_size(self.tuning.cache).create_with_backend(file).map_err(understood)
    }

    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T>) -> Result<T> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        work(guard.as_ref().ok_or_else(closed)?)
    }

    /// After a write that found no room: opens the file anew, and sees what became of the group.
    fn recover(&self, group: &Group, cause: BackendError) -> std::result::Result<(), WriteFailure> {
        let mut guard = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // the old one lets go of the file before the new one takes it
        drop(guard.take());
        let reopened = self.open_file().and_then(|database| {
            // a write without rows leaves nothing that could be found
            let there = !group.rows.is_empty()
                && read_state(&database)?.is_some_and(|state| state[..] == group.state);
            if there {
                let again = Group { rows: Default::default(), state: group.state.clone() };
                write(&database, &again, self.settles_always())?;
            }
            *guard = Some(database);
            Ok(there)
        });
        match reopened {
            Ok(true) => Ok(()),
            Ok(false) => Err(WriteFailure::Refused(cause)),
            Err(error) => Err(WriteFailure::Broken(error)),
        }
    }
}

impl Redb {
    fn settles_always(&self) -> bool {
        self.tuning.settle_after.is_zero()
    }

    fn put(&self, group: &Group, settled: bool) -> std::result::Result<(), WriteFailure> {
        // a page or two for each row, and the way to it
        let needed = group.size().saturating_mul(2).saturating_add(group.rows.len() as u64 * 1024);
        disk::require_room(&self.dir, needed, self.tuning.reserve).map_err(WriteFailure::Refused)?;
        match self.with(|database| write(database, group, settled)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::Exhausted && !self.syncs.failed() => {
                self.recover(group, error)
            }
            Err(error) => Err(WriteFailure::Broken(error)),
        }
    }
}

impl Engine for Redb {
    fn state(&self) -> Result<Option<Bytes>> {
        self.with(read_state)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.with(|database| {
            let table = database.begin_read().map_err(understood)?.open_table(ROWS).map_err(understood)?;
            let raw = table.get(key).map_err(understood)?;
            Ok(raw.map(|raw| Bytes::copy_from_slice(raw.value())))
        })
    }

    fn scan(&self, range: &KeyRange, visit: &mut Visit<'_>) -> Result<()> {
        self.with(|database| {
            let table = database.begin_read().map_err(understood)?.open_table(ROWS).map_err(understood)?;
            let bounds: (Bound<&[u8]>, Bound<&[u8]>) = (borrowed(&range.start), borrowed(&range.end));
            let mut rows = table.range::<&[u8]>(bounds).map_err(understood)?;
            while let Some(row) = if range.reverse { rows.next_back() } else { rows.next() } {
                let (key, raw) = row.map_err(understood)?;
                if visit(key.value(), raw.value())? == ControlFlow::Break(()) {
                    break;
                }
            }
            Ok(())
        })
    }

    fn write(&self, group: &Group) -> std::result::Result<(), WriteFailure> {
        self.put(group, self.settles_always())
    }

    fn idle_after(&self) -> Option<Duration> {
        (!self.settles_always()).then_some(self.tuning.settle_after)
    }

    fn idle(&self) -> std::result::Result<(), WriteFailure> {
        self.put(&Group::default(), true)
    }

    // redb settles the file by itself when it is dropped
    fn close(&self) {
        drop(self.database.write().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl fmt::Debug for Redb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redb").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// A storage that was never opened has nothing to compact.
pub(crate) fn require_file(dir: &Path) -> Result<()> {
    let found = std::fs::metadata(dir.join(FILE));
    found.map_err(|error| disk::io_error(error, "there is no storage").with("path", dir.display()))?;
    Ok(())
}

/// Verifies and compacts the file of a directory that the caller holds; the sizes before and after.
pub(crate) fn compact(dir: &Path, tuning: Tuning) -> Result<(u64, u64)> {
    let size = || {
        let read = std::fs::metadata(dir.join(FILE));
        read.map(|data| data.len()).map_err(|error| disk::io_error(error, "the size could not be read"))
    };
    let before = size()?;
    let engine = Redb::open(dir, Tuning { verify_up_to: u64::MAX, ..tuning })?;
    let database = engine.database.write().unwrap_or_else(PoisonError::into_inner).take();
    let mut database = database.ok_or_else(closed)?;
    // each pass may make room for the next
    while database.compact().map_err(understood)? {}
    drop(database);
    Ok((before, size()?))
}

fn create_tables(database: &Database) -> Result<()> {
    let reading = database.begin_read().map_err(understood)?;
    if reading.open_table(META).is_ok() && reading.open_table(ROWS).is_ok() {
        return Ok(());
    }
    drop(reading);
    let writing = database.begin_write().map_err(understood)?;
    writing.open_table(ROWS).map_err(understood)?;
    writing.open_table(META).map_err(understood)?;
    writing.commit().map_err(understood)
}

fn read_state(database: &Database) -> Result<Option<Bytes>> {
    let table = database.begin_read().map_err(understood)?.open_table(META).map_err(understood)?;
    let raw = table.get(STATE).map_err(understood)?;
    Ok(raw.map(|raw| Bytes::copy_from_slice(raw.value())))
}

/// One transaction. If `settled`, with the free pages recorded (two syncs), so that opening need not look for them.
fn write(database: &Database, group: &Group, settled: bool) -> Result<()> {
    let mut writing = database.begin_write().map_err(understood)?;
    writing.set_quick_repair(settled);
    if !group.state.is_empty() {
        let mut rows = writing.open_table(ROWS).map_err(understood)?;
        for (key, raw) in &group.rows {
            match raw {
                Some(raw) => drop(rows.insert(&key[..], &raw[..]).map_err(understood)?),
                None => drop(rows.remove(&key[..]).map_err(understood)?),
            }
        }
        let mut meta = writing.open_table(META).map_err(understood)?;
        meta.insert(STATE, &group.state[..]).map_err(understood)?;
    }
    // durable when it returns: redb's default
    writing.commit().map_err(understood)
}

fn borrowed(bound: &Bound<Bytes>) -> Bound<&[u8]> {
    bound.as_ref().map(|key| &key[..])
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use gofer_storage::embedded::{Embedded, Home, Options};
    use gofer_storage::{Batch, Storage};
    use redb::ReadableTableMetadata as _;

    use super::*;
    use crate::file::tests::{Countdown, Script};

    // long enough that only the tests of it settle
    const TUNING: Tuning = Tuning {
        cache: 1 << 20,
        reserve: 0,
        settle_after: Duration::from_secs(3600),
        verify_up_to: u64::MAX,
    };
    const ENOSPC: i32 = 28;
    const EIO: i32 = 5;

    fn open(dir: &Path) -> (Embedded<Redb>, Arc<Script>) {
        open_with(dir, TUNING)
    }

    fn open_with(dir: &Path, tuning: Tuning) -> (Embedded<Redb>, Arc<Script>) {
        let engine = Redb::open(dir, tuning).unwrap();
        let script = Arc::clone(&engine.script);
        let home = Home::claim("redb", dir).unwrap();
        (Embedded::start(engine, home, Options { kind: "redb", name: "test".to_owned() }).unwrap(), script)
    }

    fn pair(number: u32) -> Batch {
        let mut batch = Batch::default();
        batch.put(format!("{number:04}/a"), vec![1; 9000]).put(format!("{number:04}/b"), vec![2; 9000]);
        batch
    }

    async fn rows(storage: &dyn Storage) -> usize {
        storage.scan(KeyRange::prefix(b""), usize::MAX).await.unwrap().len()
    }

    #[tokio::test]
    async fn a_write_that_finds_no_room_is_refused_whole_and_the_next_one_works() {
        let dir = tempfile::tempdir().unwrap();
        let (storage, script) = open(dir.path());
        let mut refused = 0;
        for number in 0..40 {
            *script.writes.lock().unwrap() = Countdown { well: number % 20, fail: 1, errno: ENOSPC };
            let before = rows(&storage).await;
            match storage.commit(pair(number)).await {
                Ok(_) => assert_eq!(rows(&storage).await, before + 2),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Exhausted, "{}", error.chain());
                    assert_eq!(rows(&storage).await, before);
                    refused += 1;
                    storage.commit(pair(number)).await.unwrap();
                }
            }
            *script.writes.lock().unwrap() = Countdown::default();
        }
        assert!(refused > 5, "only {refused} commits met the full disk");
        drop(storage);
        let (storage, _) = open(dir.path());
        assert_eq!(rows(&storage).await, 80);
    }

    #[tokio::test]
    async fn after_a_failed_sync_nothing_is_acknowledged_until_it_is_opened_anew() {
        for errno in [EIO, ENOSPC] {
            let dir = tempfile::tempdir().unwrap();
            let (storage, script) = open(dir.path());
            storage.commit(pair(1)).await.unwrap();
            *script.syncs.lock().unwrap() = Countdown { well: 0, fail: 1, errno };
            for number in 2..5 {
                let error = storage.commit(pair(number)).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
            }
            assert_eq!(storage.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
            drop(storage);
            let (storage, _) = open(dir.path());
            let there = rows(&storage).await;
            assert!(
                there == 2 || there == 4,
                "{there} rows: the acknowledged batch, and the unknown one whole or not"
            );
            storage.commit(pair(9)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_bit_that_has_flipped_is_found_before_anything_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let (storage, _) = open(dir.path());
        for number in 0..30 {
            storage.commit(pair(number)).await.unwrap();
        }
        storage.close().await.unwrap();
        drop(storage);
        let file = dir.path().join(FILE);
        let whole = std::fs::read(&file).unwrap();
        let rows = |engine: &Redb| {
            let mut rows = Vec::new();
            let mut visit = |key: &[u8], raw: &[u8]| {
                rows.push((key.to_vec(), raw.to_vec()));
                Ok(ControlFlow::Continue(()))
            };
            engine.scan(&KeyRange::prefix(b""), &mut visit).unwrap();
            rows
        };
        let written = rows(&Redb::open(dir.path(), TUNING).unwrap());
        let mut refused = 0;
        for trial in 0..400_usize {
            let mut flipped = whole.clone();
            let at = (trial * 7_919 + trial * trial * 104_729) % flipped.len();
            flipped[at] ^= 1 << (trial % 8);
            std::fs::write(&file, flipped).unwrap();
            match Redb::open(dir.path(), TUNING) {
                Ok(engine) => assert!(rows(&engine) == written, "byte {at}"),
                // with its own assertions on, redb panics where it answers an error in a release
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 50, "only {refused} of 400 were found");
    }

    #[tokio::test]
    async fn a_write_that_fails_for_another_reason_is_fail_stop_too() {
        let dir = tempfile::tempdir().unwrap();
        let (storage, script) = open(dir.path());
        storage.commit(pair(1)).await.unwrap();
        *script.writes.lock().unwrap() = Countdown { well: 0, fail: 1, errno: EIO };
        assert_eq!(storage.commit(pair(2)).await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(storage.commit(pair(3)).await.unwrap_err().kind(), ErrorKind::Unavailable);
        drop(storage);
        let (storage, _) = open(dir.path());
        assert_eq!(rows(&storage).await, 2);
    }

    #[tokio::test]
    async fn a_damaged_row_is_an_error_that_names_its_key_and_its_neighbours_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Redb::open(dir.path(), TUNING).unwrap();
        engine
            .with(|database| {
                let rows = [(Bytes::from_static(b"bad"), Some(b"garbage".to_vec()))].into();
                let state = gofer_storage::embedded::envelope::encode_state(Default::default());
                write(database, &Group { rows, state }, false)
            })
            .unwrap();
        let home = Home::claim("redb", dir.path()).unwrap();
        let storage =
            Embedded::start(engine, home, Options { kind: "redb", name: "test".to_owned() }).unwrap();
        storage.commit(pair(1)).await.unwrap();
        let error = storage.get(b"bad").await.unwrap_err();
        assert_eq!(
            (error.kind(), error.facts()),
            (ErrorKind::Internal, &[("key", "bad".to_owned()), ("format", "103".to_owned())][..])
        );
        assert_eq!(storage.scan(KeyRange::prefix(b""), 9).await.unwrap_err().kind(), ErrorKind::Internal);
        assert!(storage.get(b"0001/a").await.unwrap().is_some());
        let mut batch = Batch::default();
        batch.delete("bad");
        storage.commit(batch).await.unwrap();
        assert_eq!(rows(&storage).await, 2);
    }

    /// What the next process finds if this one is killed now: whether opening walks the tree, and how many rows there are.
    fn after_a_crash(dir: &Path) -> (bool, u64) {
        let copy = tempfile::tempdir().unwrap();
        let file = copy.path().join(FILE);
        std::fs::copy(dir.join(FILE), &file).unwrap();
        let walked = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&walked);
        let mut builder = Database::builder();
        builder.set_repair_callback(move |_| told.store(true, Ordering::Relaxed));
        let database = builder.open(&file).unwrap();
        let rows = database.begin_read().unwrap().open_table(ROWS).unwrap().len().unwrap();
        (walked.load(Ordering::Relaxed), rows)
    }

    #[tokio::test]
    async fn a_crash_under_load_walks_the_tree_and_one_when_idle_or_closed_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Redb::open(dir.path(), TUNING).unwrap();
        for number in 1..4_u8 {
            let rows = [(Bytes::copy_from_slice(&[number]), Some(vec![number; 9000]))].into();
            engine.write(&Group { rows, state: vec![number] }).unwrap();
            assert_eq!(after_a_crash(dir.path()), (true, u64::from(number)));
            engine.idle().unwrap();
            assert_eq!(after_a_crash(dir.path()), (false, u64::from(number)));
            assert_eq!(engine.state().unwrap().unwrap()[..], [number], "settling changes no row");
        }
        engine.write(&Group { rows: Default::default(), state: vec![9] }).unwrap();
        assert!(after_a_crash(dir.path()).0);
        engine.close();
        assert_eq!(after_a_crash(dir.path()), (false, 3));
    }

    #[tokio::test]
    async fn without_a_delay_every_commit_is_settled() {
        let dir = tempfile::tempdir().unwrap();
        let (storage, _) = open_with(dir.path(), Tuning { settle_after: Duration::ZERO, ..TUNING });
        for number in 1..4 {
            storage.commit(pair(number)).await.unwrap();
            assert_eq!(after_a_crash(dir.path()), (false, u64::from(number) * 2));
        }
    }

    #[test]
    fn a_settling_without_room_is_refused_and_the_next_one_works() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Redb::open(dir.path(), TUNING).unwrap();
        let mut refused = 0;
        for number in 0..20_u8 {
            let rows = [(Bytes::copy_from_slice(&[number]), Some(vec![number; 9000]))].into();
            engine.write(&Group { rows, state: vec![number] }).unwrap();
            *engine.script.writes.lock().unwrap() = Countdown { well: number.into(), fail: 1, errno: ENOSPC };
            match engine.idle() {
                Ok(()) => {}
                Err(WriteFailure::Refused(error)) => {
                    assert_eq!(error.kind(), ErrorKind::Exhausted);
                    refused += 1;
                }
                Err(WriteFailure::Broken(error)) => panic!("fail-stop: {}", error.chain()),
            }
            *engine.script.writes.lock().unwrap() = Countdown::default();
            assert_eq!(engine.state().unwrap().unwrap()[..], [number], "what was acknowledged is there");
            engine.idle().unwrap();
            assert_eq!(after_a_crash(dir.path()), (false, u64::from(number) + 1));
        }
        assert!(refused > 2, "only {refused} settlings met the full disk");
    }

    #[test]
    fn a_settling_whose_sync_fails_is_fail_stop() {
        for well in 0..2 {
            let dir = tempfile::tempdir().unwrap();
            let engine = Redb::open(dir.path(), TUNING).unwrap();
            engine.write(&Group { rows: Default::default(), state: vec![1] }).unwrap();
            *engine.script.syncs.lock().unwrap() = Countdown { well, fail: 1, errno: EIO };
            assert!(matches!(engine.idle(), Err(WriteFailure::Broken(_))), "sync {well} of the two");
        }
    }

    #[tokio::test]
    async fn a_probe_on_a_full_disk_is_refused_and_the_next_one_works() {
        let dir = tempfile::tempdir().unwrap();
        let (storage, script) = open(dir.path());
        storage.commit(pair(1)).await.unwrap();
        *script.writes.lock().unwrap() = Countdown { well: 0, fail: 1, errno: ENOSPC };
        assert_eq!(storage.check().await.unwrap_err().kind(), ErrorKind::Exhausted);
        storage.check().await.unwrap();
        assert_eq!(rows(&storage).await, 2);
    }
}
