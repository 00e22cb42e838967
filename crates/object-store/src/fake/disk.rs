//! The disk under the fake: objects that are durable, what is not yet, and how much fits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::Defect;
use crate::{ObjectKey, ObjectMeta};

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct FakeDisk(Arc<Mutex<Contents>>);

/// The objects by key.
pub(super) type Objects = BTreeMap<ObjectKey, Stored>;

/// One object.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) meta: ObjectMeta,
    pub(super) bytes: Bytes,
}

#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) objects: Objects,
    /// What a power cut leaves, where a defect makes that something else than the objects.
    pub(super) synced: Option<Objects>,
    /// What puts that are under way have brought so far, where a defect keeps it.
    pub(super) parts: BTreeMap<ObjectKey, Vec<u8>>,
    /// Keys that were deleted, for the defect that remembers them.
    pub(super) tombs: BTreeSet<ObjectKey>,
    pub(super) versions: u64,
    pub(super) capacity: Option<u64>,
    /// By the defect of a disk that is full for ever.
    pub(super) full_for_good: bool,
    pub(super) opened: bool,
}

impl FakeDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many bytes of objects fit; `None` for as many as there are. A put that does not fit is `Exhausted`.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// Cuts the power: what was answered is there afterwards, and the disk can be opened anew.
    pub fn cut_power(&self) {
        let mut disk = self.lock();
        if let Some(synced) = disk.synced.take() {
            disk.objects = synced;
        }
        disk.opened = false;
    }

    /// The same for a store that breaks the contract.
    pub fn cut_power_of(&self, defect: Option<Defect>) {
        if defect == Some(Defect::PartsOutliveACrash) {
            let mut disk = self.lock();
            for (key, bytes) in std::mem::take(&mut disk.parts) {
                let stored = Stored::of_part(&key, bytes);
                disk.objects.insert(key, stored);
            }
        }
        self.cut_power();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    /// Keeps what is there now as what a power cut leaves.
    pub(super) fn forget_to_sync(&mut self) {
        self.synced = Some(self.objects.clone());
    }

    /// How many bytes the disk still takes; `None` for as many as there are.
    pub(super) fn room(&self) -> Option<u64> {
        let used = self.objects.values().map(|stored| stored.meta.size).sum();
        let capacity = if self.full_for_good { Some(0) } else { self.capacity };
        capacity.map(|capacity| capacity.saturating_sub(used))
    }
}

impl Stored {
    /// What a defect makes of a put that was not finished.
    pub(super) fn of_part(key: &ObjectKey, bytes: Vec<u8>) -> Self {
        let meta = ObjectMeta {
            key: key.clone(),
            size: bytes.len() as u64,
            sha256: crate::Sha256::of(&bytes),
            content_type: String::new(),
            created: gofer_types::Timestamp::default(),
            version: "part".to_owned(),
        };
        Self { meta, bytes: Bytes::from(bytes) }
    }
}
