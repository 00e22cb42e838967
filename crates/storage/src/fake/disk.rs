//! The disk under the fake: rows that are safe, batches that are not yet, and how much fits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::Defect;
use crate::{Batch, Revision, Write};

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct FakeDisk(Arc<Mutex<Contents>>);

/// The rows by key.
pub(super) type Rows = BTreeMap<Bytes, (Bytes, Revision)>;

#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Shared with whoever reads them at this instant.
    pub(super) rows: Arc<Rows>,
    pub(super) revision: Revision,
    /// Written and not synced, in the order of their revisions.
    pub(super) unsynced: Vec<Pending>,
    pub(super) capacity: Option<usize>,
    pub(super) opened: bool,
}

/// A batch that a power cut takes back.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) revision: Revision,
    pub(super) batch: Batch,
    /// By the defect that gives every row of a batch a revision of its own.
    pub(super) split: bool,
}

impl FakeDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many bytes of rows fit; `None` for as many as there are. A commit that does not fit is `Exhausted`.
    pub fn set_capacity(&self, bytes: Option<usize>) {
        self.lock().capacity = bytes;
    }

    /// Cuts the power: of the batches that were not synced only the first `keep` are there afterwards, each whole.
    pub fn cut_power(&self, keep: usize) {
        self.cut(keep, Defect::None);
    }

    /// The same with nothing kept, for a storage that breaks the contract.
    pub fn cut_power_of(&self, defect: Defect) {
        self.cut(0, defect);
    }

    fn cut(&self, keep: usize, defect: Defect) {
        let mut disk = self.lock();
        let unsynced = std::mem::take(&mut disk.unsynced);
        for (index, mut pending) in unsynced.into_iter().enumerate() {
            let torn = index == keep && defect == Defect::CrashTearsBatches;
            if torn {
                pending.batch.writes.truncate(pending.batch.writes.len() / 2);
            }
            if torn || index < keep {
                disk.settle(&pending);
            }
        }
        disk.opened = false;
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    /// The rows with everything that was written, synced or not.
    pub(super) fn written(&self) -> Arc<Rows> {
        if self.unsynced.is_empty() {
            return Arc::clone(&self.rows);
        }
        let mut rows = Rows::clone(&self.rows);
        for pending in &self.unsynced {
            pending.apply(&mut rows);
        }
        Arc::new(rows)
    }

    /// The newest revision that was given out.
    pub(super) fn newest(&self) -> Revision {
        self.unsynced.last().map_or(self.revision, |pending| pending.revision)
    }

    /// Makes a batch safe.
    pub(super) fn settle(&mut self, pending: &Pending) {
        pending.apply(Arc::make_mut(&mut self.rows));
        self.revision = self.revision.max(pending.revision);
    }

    /// Whether these rows fit.
    pub(super) fn fits(&self, rows: &Rows) -> bool {
        let size = |(key, (value, _)): (&Bytes, &(Bytes, Revision))| key.len() + value.len();
        self.capacity.is_none_or(|capacity| rows.iter().map(size).sum::<usize>() <= capacity)
    }
}

impl Pending {
    pub(super) fn apply(&self, rows: &mut Rows) {
        for (index, write) in self.batch.writes.iter().enumerate() {
            let extra = if self.split { index as u64 } else { 0 };
            match write {
                Write::Put { key, value } => {
                    rows.insert(key.clone(), (value.clone(), Revision(self.revision.0 + extra)));
                }
                Write::Delete { key } => {
                    rows.remove(key);
                }
            }
        }
    }
}
