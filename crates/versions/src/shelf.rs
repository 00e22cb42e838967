//! Versions that are read once and shared by all runs of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use gofer_records::{RecordError, Records, Tx};
use gofer_types::{PipelineRef, VersionNumber};

use crate::version::Version;

/// How many versions are kept although no run uses them.
const KEPT: usize = 256;

/// How many bytes they may take, about.
const KEPT_BYTES: usize = 32 << 20;

/// What a task of a graph takes, about, with its places in the indexes.
const TASK_BYTES: usize = 1 << 10;

type Key = (PipelineRef, VersionNumber);

#[derive(Debug, Default)]
struct Shelf {
    known: HashMap<Key, Weak<Version>>,
    kept: HashMap<Key, Kept>,
    /// Of all that is kept.
    bytes: usize,
    /// Grows with each use.
    uses: u64,
}

/// A version that is kept at hand.
#[derive(Debug)]
struct Kept {
    version: Arc<Version>,
    bytes: usize,
    /// The number of its newest use.
    used: u64,
}

impl Kept {
    fn new(version: &Arc<Version>) -> Self {
        let mut row = Tx::default();
        row.put_version(&version.record);
        let bytes = row.size() + version.plan.count() * TASK_BYTES;
        Self { version: Arc::clone(version), bytes, used: 0 }
    }
}

impl Shelf {
    fn find(&mut self, key: &Key) -> Option<Arc<Version>> {
        self.uses += 1;
        if let Some(kept) = self.kept.get_mut(key) {
            kept.used = self.uses;
            return Some(Arc::clone(&kept.version));
        }
        self.known.get(key).and_then(Weak::upgrade)
    }

    fn put(&mut self, key: Key, kept: Kept) {
        self.known.insert(key.clone(), Arc::downgrade(&kept.version));
        self.uses += 1;
        self.bytes += kept.bytes;
        let before = self.kept.insert(key, Kept { used: self.uses, ..kept });
        self.bytes -= before.map_or(0, |before| before.bytes);
        // the newest is kept however large it is
        while self.kept.len() > 1 && (self.kept.len() > KEPT || self.bytes > KEPT_BYTES) {
            self.drop_oldest();
        }
        if self.known.len() > KEPT * 4 {
            self.known.retain(|_, version| version.strong_count() > 0);
        }
    }

    fn drop_oldest(&mut self) {
        let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone());
        let dropped = oldest.and_then(|key| self.kept.remove(&key));
        self.bytes -= dropped.map_or(0, |dropped| dropped.bytes);
    }
}

/// The versions that are in use, and some that were used lately. They never change, so none is ever stale.
#[derive(Debug)]
pub struct Versions {
    records: Records,
    default_timeout: Duration,
    shelf: Mutex<Shelf>,
}

impl Versions {
    /// No version yet; an attempt whose task names no time limit has that one.
    #[must_use]
    pub fn new(records: Records, default_timeout: Duration) -> Self {
        Self { records, default_timeout, shelf: Mutex::default() }
    }

    /// A version, or `None` if there is no such version.
    pub async fn get(
        &self,
        id: &PipelineRef,
        number: VersionNumber,
    ) -> Result<Option<Arc<Version>>, RecordError> {
        let key = (id.clone(), number);
        if let Some(version) = self.find(&key) {
            return Ok(Some(version));
        }
        let Some(record) = self.records.version(id, number).await? else { return Ok(None) };
        let version = Version::new(record, self.default_timeout)
            .map_err(|reason| RecordError::Damaged { key: format!("{id}@{number}"), reason })?;
        self.keep(&version);
        Ok(Some(version))
    }

    /// Keeps a version at hand.
    pub fn keep(&self, version: &Arc<Version>) {
        let key = (version.record.pipeline.clone(), version.record.version);
        let kept = Kept::new(version);
        self.shelf().put(key, kept);
    }

    fn find(&self, key: &Key) -> Option<Arc<Version>> {
        self.shelf().find(key)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::version;

    fn key(number: u64) -> Key {
        let version = version(number, 1);
        (version.record.pipeline.clone(), version.record.version)
    }

    fn put(shelf: &mut Shelf, number: u64, tasks: usize) -> Arc<Version> {
        let version = version(number, tasks);
        shelf.put(key(number), Kept::new(&version));
        version
    }

    fn kept(shelf: &Shelf) -> Vec<u64> {
        let mut kept: Vec<u64> = shelf.kept.keys().map(|(_, number)| number.0).collect();
        kept.sort_unstable();
        kept
    }

    #[test]
    fn large_versions_are_kept_by_their_size_and_not_by_their_number() {
        let mut shelf = Shelf::default();
        for number in 1..=20 {
            put(&mut shelf, number, 5_000);
            assert!(shelf.bytes <= KEPT_BYTES);
        }
        assert!((1..=KEPT_BYTES / (5_000 * TASK_BYTES)).contains(&shelf.kept.len()));
        assert_eq!(kept(&shelf).last(), Some(&20));
        assert!(shelf.find(&key(1)).is_none(), "nobody holds it any more");
    }

    #[test]
    fn the_one_that_was_not_used_for_longest_goes_and_one_in_use_is_found_all_the_same() {
        let mut shelf = Shelf::default();
        let tasks = KEPT_BYTES / TASK_BYTES / 4;
        let in_use: Vec<_> = (1..=3).map(|number| put(&mut shelf, number, tasks)).collect();
        shelf.find(&key(1)).unwrap();
        put(&mut shelf, 4, tasks);
        assert_eq!(kept(&shelf), [1, 3, 4]);
        assert!(Arc::ptr_eq(&shelf.find(&key(2)).unwrap(), &in_use[1]));
        drop(in_use);
        assert!(shelf.find(&key(2)).is_none() && shelf.find(&key(1)).is_some());
    }

    #[test]
    fn a_version_that_is_there_already_takes_no_second_place() {
        let mut shelf = Shelf::default();
        for _ in 0..10 {
            put(&mut shelf, 1, 10);
        }
        assert_eq!((shelf.kept.len(), shelf.bytes), (1, Kept::new(&version(1, 10)).bytes));
    }

    #[test]
    fn one_that_is_larger_than_all_may_be_is_kept_alone() {
        let mut shelf = Shelf::default();
        put(&mut shelf, 1, 1);
        put(&mut shelf, 2, 1 + KEPT_BYTES / TASK_BYTES);
        assert_eq!(kept(&shelf), [2]);
    }

    #[test]
    fn no_more_than_a_number_of_small_ones_are_kept() {
        let mut shelf = Shelf::default();
        for number in 1..=KEPT as u64 + 5 {
            put(&mut shelf, number, 1);
        }
        assert_eq!((kept(&shelf).len(), kept(&shelf)[0]), (KEPT, 6));
    }
}
