//! An object store on a [`FakeDisk`].

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use gofer_backend::{BackendError, BackendInfo, ErrorKind, Result};
use gofer_types::Timestamp;

use super::disk::{Contents, FakeDisk, Stored};
use super::receive::{Received, Reception};
use super::{Defect, keys, list};
use crate::{
    ByteRange, ByteStream, Capabilities, KeyPrefix, Object, ObjectKey, ObjectMeta, ObjectPage, ObjectStore,
    PageRequest, Put, Sha256,
};

/// The kind of this object store.
pub const KIND: &str = "fake";

/// How many bytes of an object a reader gets at once.
const CHUNK: usize = 64 << 10;

/// What [`FakeObjectStore::fail_next`] strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`ObjectStore::check`].
    Check,
    /// [`ObjectStore::put`], before its stream is read.
    Put,
    /// The answer of a put whose object is there.
    PutAnswer,
    /// [`ObjectStore::get`].
    Get,
    /// [`ObjectStore::head`].
    Head,
    /// [`ObjectStore::delete`], before it has an effect.
    Delete,
    /// [`ObjectStore::list`].
    List,
}

/// An object store in memory.
#[derive(Debug)]
pub struct FakeObjectStore {
    disk: FakeDisk,
    name: String,
    defect: Option<Defect>,
    faults: Mutex<HashMap<Operation, ErrorKind>>,
    /// How many objects were listed since the last first page, for the defect that counts.
    given: AtomicUsize,
}

impl FakeObjectStore {
    /// Opens an object store on a disk, as a server does that starts.
    ///
    /// Errors: `Conflict` with the fact `path` if another one is open on it.
    pub fn open(disk: &FakeDisk, name: impl Into<String>) -> Result<Self> {
        Self::open_with(disk, name, None)
    }

    /// The same, with a deliberate defect.
    pub fn open_with(disk: &FakeDisk, name: impl Into<String>, defect: Option<Defect>) -> Result<Self> {
        let name = name.into();
        let mut contents = disk.lock();
        if contents.opened && defect != Some(Defect::SecondOpenerIsAdmitted) {
            let text = "another object store is open on this disk; close it";
            let error = BackendError::new(ErrorKind::Conflict, text).at(KIND, "open");
            let hidden = defect == Some(Defect::ConflictHidesThePlace);
            return Err(if hidden { error } else { error.with("path", &name) });
        }
        contents.opened = true;
        match defect {
            Some(Defect::OpeningForgets) => contents.objects.clear(),
            Some(Defect::VersionsRestart) => contents.versions = 0,
            _ => {}
        }
        drop(contents);
        let (faults, given) = (Mutex::default(), AtomicUsize::new(0));
        Ok(Self { disk: disk.clone(), name, defect, faults, given })
    }

    /// Makes the next call of an operation fail with that kind. On [`Operation::PutAnswer`] the object is there.
    pub fn fail_next(&self, operation: Operation, kind: ErrorKind) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).insert(operation, kind);
    }

    fn strike(&self, operation: Operation) -> Result<()> {
        let due = self.faults.lock().unwrap_or_else(PoisonError::into_inner).remove(&operation);
        due.map_or(Ok(()), |kind| Err(BackendError::new(kind, "the script of faults says so")))
    }

    fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    fn named(&self, error: BackendError, key: &ObjectKey) -> BackendError {
        if self.has(Defect::RefusalsHideTheKey) { error } else { error.with("key", key) }
    }

    fn require_absent(&self, disk: &Contents, key: &ObjectKey) -> Result<()> {
        let there = disk.objects.contains_key(&keys::kept(key, self.defect)) || disk.tombs.contains(key);
        if !there || self.has(Defect::AbsentIsIgnored) {
            return Ok(());
        }
        Err(self.named(BackendError::new(ErrorKind::AlreadyExists, "an object is under this key"), key))
    }

    /// Makes an object of what has come, in one step.
    fn publish(&self, key: &ObjectKey, received: Received, put: Put) -> Result<ObjectMeta> {
        let mut disk = self.disk.lock();
        if put.if_absent && !self.has(Defect::AbsentRaces) {
            self.require_absent(&disk, key)?;
        }
        disk.versions += 1;
        let meta = self.describe(key, &received, put, disk.versions);
        let kept = keys::kept(key, self.defect);
        let stored = Stored { meta: meta.clone(), bytes: received.bytes };
        match self.defect {
            Some(Defect::PutIsNotSynced) => disk.forget_to_sync(),
            Some(Defect::PutKeepsTheOld) if disk.objects.contains_key(&kept) => return Ok(meta),
            Some(Defect::ConcurrentPutsAreLost) if disk.versions.is_multiple_of(10) => return Ok(meta),
            Some(Defect::EmptyIsAbsent) if meta.size == 0 => return Ok(meta),
            Some(Defect::FilesAreNotDirectories) => {
                disk.objects.retain(|other, _| !key.as_str().starts_with(&format!("{other}/")));
            }
            Some(Defect::MetaLagsBehind) => {
                let before = disk.objects.get(&kept).map_or(meta.clone(), |before| before.meta.clone());
                disk.objects.insert(kept, Stored { meta: before, bytes: stored.bytes });
                return Ok(meta);
            }
            _ => {}
        }
        disk.objects.insert(kept, stored);
        Ok(meta)
    }

    fn describe(&self, key: &ObjectKey, received: &Received, put: Put, version: u64) -> ObjectMeta {
        let mut meta = ObjectMeta {
            key: key.clone(),
            size: received.size,
            sha256: received.sha256,
            content_type: put.content_type,
            created: put.created,
            version: version.to_string(),
        };
        match self.defect {
            Some(Defect::HashIsOfNothing) => meta.sha256 = Sha256::of(b""),
            Some(Defect::ForgetsTheContentType) => meta.content_type = String::new(),
            Some(Defect::ForgetsTheTime) => meta.created = Timestamp::default(),
            Some(Defect::VersionsRepeat) => meta.version = "1".to_owned(),
            _ => {}
        }
        meta
    }

    fn find(&self, key: &ObjectKey) -> Result<Stored> {
        let found = self.disk.lock().objects.get(&keys::kept(key, self.defect)).cloned();
        match found {
            Some(stored) => Ok(stored),
            None if self.has(Defect::InventsObjects) => Ok(Stored::of_part(key, Vec::new())),
            None => {
                Err(self.named(BackendError::new(ErrorKind::NotFound, "no object is under this key"), key))
            }
        }
    }

    fn open_object(&self, key: &ObjectKey, range: ByteRange) -> Result<Object> {
        let Stored { mut meta, bytes } = self.find(key)?;
        let place = match (range.within(meta.size), self.defect) {
            (Err(_), Some(Defect::RangeBehindIsEmpty)) => 0..0,
            (Ok(place), Some(Defect::RangeMustFit))
                if range.length.is_some_and(|length| length > place.end - place.start) =>
            {
                return Err(BackendError::new(ErrorKind::InvalidInput, "the range does not fit"));
            }
            (Ok(place), Some(Defect::RangeIncludesItsEnd)) => place.start..(place.end + 1).min(meta.size),
            (place, _) => place?,
        };
        let place = index(place.start)..index(place.end);
        if self.has(Defect::SizeIsOfTheRange) {
            meta.size = place.len() as u64;
        }
        let part = bytes.slice(place.start.min(bytes.len())..place.end.min(bytes.len()));
        Ok(Object { meta, bytes: self.stream(key, &part) })
    }

    fn stream(&self, key: &ObjectKey, bytes: &Bytes) -> ByteStream {
        let size = if self.has(Defect::OneChunk) { usize::MAX } else { CHUNK };
        let chunks: Vec<Bytes> = bytes.chunks(size).map(|chunk| bytes.slice_ref(chunk)).collect();
        let (disk, key, defect) = (self.disk.clone(), key.clone(), self.defect);
        let ending = self.has(Defect::EmptyChunk).then(Bytes::new);
        let given = move |(index, chunk): (usize, Bytes)| {
            let now = disk.lock().objects.get(&key).map(|stored| stored.bytes.clone());
            match defect {
                Some(Defect::ReaderSeesNewBytes) => {
                    let start = index * CHUNK;
                    now.and_then(|now| {
                        (start < now.len()).then(|| now.slice(start..(start + CHUNK).min(now.len())))
                    })
                }
                Some(Defect::DeleteEndsReaders) => now.map(|_| chunk),
                _ => Some(chunk),
            }
        };
        let chunks = stream::iter(chunks.into_iter().chain(ending).enumerate());
        chunks.filter_map(move |chunk| std::future::ready(given(chunk).map(Ok))).boxed()
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[async_trait]
impl ObjectStore for FakeObjectStore {
    fn info(&self) -> BackendInfo {
        let empty = self.has(Defect::InfoIsEmpty);
        let target = if empty { String::new() } else { "memory".to_owned() };
        BackendInfo { kind: if empty { "" } else { KIND }, name: self.name.clone(), target }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true, shared: false }
    }

    async fn check(&self) -> Result<()> {
        self.strike(Operation::Check).map_err(|error| error.at(KIND, "check"))?;
        match self.defect {
            Some(Defect::CheckFails) => Err(BackendError::new(ErrorKind::Unavailable, "not well")),
            Some(Defect::CheckLeavesAnObject) => {
                let put = Put::new(0, Timestamp::default());
                self.put(&"check".parse()?, stream::empty().boxed(), put).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    async fn put(&self, key: &ObjectKey, bytes: ByteStream, put: Put) -> Result<ObjectMeta> {
        let work = async {
            self.strike(Operation::Put)?;
            if put.if_absent {
                self.require_absent(&self.disk.lock(), key)?;
            }
            let received = Reception::new(&self.disk, key, self.defect).take(bytes, &put).await?;
            let meta = self.publish(key, received, put)?;
            self.strike(Operation::PutAnswer)?;
            Ok(meta)
        };
        work.await.map_err(|error: BackendError| error.at(KIND, "put"))
    }

    async fn get(&self, key: &ObjectKey, range: ByteRange) -> Result<Object> {
        let opened = self.strike(Operation::Get).and_then(|()| self.open_object(key, range));
        opened.map_err(|error| error.at(KIND, "get"))
    }

    async fn head(&self, key: &ObjectKey) -> Result<ObjectMeta> {
        let found = self.strike(Operation::Head).and_then(|()| self.find(key));
        found.map(|stored| stored.meta).map_err(|error| error.at(KIND, "head"))
    }

    async fn delete(&self, key: &ObjectKey) -> Result<()> {
        self.strike(Operation::Delete).map_err(|error| error.at(KIND, "delete"))?;
        let mut disk = self.disk.lock();
        let kept = keys::kept(key, self.defect);
        match self.defect {
            Some(Defect::DeleteDoesNothing) => return Ok(()),
            Some(Defect::DeleteIsNotSynced) => disk.forget_to_sync(),
            Some(Defect::TombstonesStay) => drop(disk.tombs.insert(key.clone())),
            Some(Defect::DeleteTakesNeighbours) => {
                let parent = key.as_str().rsplit_once('/').map(|(parent, _)| format!("{parent}/"));
                disk.objects
                    .retain(|other, _| parent.as_ref().is_none_or(|one| !other.as_str().starts_with(one)));
            }
            Some(Defect::DeleteTakesAllBelow) => {
                disk.objects.retain(|other, _| !other.as_str().starts_with(&format!("{key}/")));
            }
            _ => {}
        }
        let removed = disk.objects.remove(&kept);
        if removed.is_none() && self.has(Defect::DeleteOfNothingFails) {
            return Err(BackendError::new(ErrorKind::NotFound, "nothing to delete").at(KIND, "delete"));
        }
        Ok(())
    }

    async fn list(&self, prefix: &KeyPrefix, page: PageRequest) -> Result<ObjectPage> {
        self.strike(Operation::List).map_err(|error| error.at(KIND, "list"))?;
        let disk = self.disk.lock();
        list::page(&disk.objects, prefix, page, self.defect, &self.given)
            .map_err(|error| error.at(KIND, "list"))
    }
}

impl Drop for FakeObjectStore {
    /// The end of the process: the lock goes, what was put stays.
    fn drop(&mut self) {
        self.disk.lock().opened = false;
    }
}
