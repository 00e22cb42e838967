//! A storage on a [`FakeDisk`].
//!
//! A commit has three moments: it is checked and written, somebody else may run, it is synced and answered. Readers see what is
//! synced. A future that is dropped in the middle leaves a batch behind that the next sync makes safe.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use gofer_backend::{BackendError, BackendInfo, ErrorKind, Result, RetryAdvice};

use super::disk::{Contents, FakeDisk, Pending, Rows};
use super::view;
use super::{Defect, FaultPlan, Operation};
use crate::watchers::Watchers;
use crate::{Batch, Capabilities, KeyRange, Precondition, Revision, Row, Storage, WatchStream, Write};

/// The kind of this storage.
pub const KIND: &str = "fake";
/// A storage in memory.
#[derive(Debug)]
pub struct FakeStorage {
    disk: FakeDisk,
    name: String,
    plan: FaultPlan,
    defect: Defect,
    watchers: Watchers,
    closed: AtomicBool,
    failed: OnceLock<ErrorKind>,
    /// What readers saw before the newest commit, for the defect that lags behind.
    before: RwLock<Arc<Rows>>,
}

impl FakeStorage {
    /// Opens a storage on a disk, as a server does that starts.
    ///
    /// Errors: `Conflict` with the fact `path` if another storage is open on it.
    pub fn open(disk: &FakeDisk, name: impl Into<String>) -> Result<Self> {
        Self::open_with(disk, name, FaultPlan::none(), Defect::None)
    }

    /// The same, with scripted faults and a deliberate defect.
    pub fn open_with(
        disk: &FakeDisk,
        name: impl Into<String>,
        plan: FaultPlan,
        defect: Defect,
    ) -> Result<Self> {
        let name = name.into();
        let mut contents = disk.lock();
        if contents.opened && defect != Defect::SecondOpenerIsAdmitted {
            let error =
                BackendError::new(ErrorKind::Conflict, "another storage is open on this disk; close it")
                    .at(KIND, "open");
            let hidden = defect == Defect::ConflictHidesThePlace;
            return Err(if hidden { error } else { error.with("path", &name) });
        }
        contents.opened = true;
        // a process that died left these to the system, which wrote them
        for pending in std::mem::take(&mut contents.unsynced) {
            contents.settle(&pending);
        }
        if defect == Defect::RevisionsRestart {
            contents.revision = Revision::default();
        }
        if defect == Defect::OpeningLeavesARow {
            Arc::make_mut(&mut contents.rows)
                .insert(Bytes::from_static(b"opened"), (Bytes::new(), Revision(1)));
        }
        let before = RwLock::new(contents.rows.clone());
        drop(contents);
        let (watchers, closed, failed) = (Watchers::default(), AtomicBool::new(false), OnceLock::new());
        Ok(Self { disk: disk.clone(), name, plan, defect, watchers, closed, failed, before })
    }

    fn has(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn ensure_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(BackendError::new(ErrorKind::Unavailable, "the storage is closed"));
        }
        Ok(())
    }

    fn ensure_writable(&self) -> Result<()> {
        if !self.has(Defect::ClosedStillCommits) {
            self.ensure_open()?;
        }
        match self.failed.get() {
            Some(_) => Err(BackendError::new(ErrorKind::Unavailable, "a sync failed; open the storage anew")),
            None => Ok(()),
        }
    }

    fn readable<T>(&self, read: impl FnOnce(&Arc<Rows>) -> T) -> Result<T> {
        if !self.has(Defect::ClosedStillReads) {
            self.ensure_open()?;
        }
        if self.has(Defect::ReadersLagBehind) {
            return Ok(read(&self.before.read().unwrap_or_else(PoisonError::into_inner)));
        }
        let disk = self.disk.lock();
        if self.has(Defect::AnswersBeforeTheSync) {
            return Ok(read(&disk.written()));
        }
        Ok(read(&disk.rows))
    }

    /// Checks a batch and writes it to the disk, un-synced.
    fn write(&self, batch: Batch) -> Result<Revision> {
        let mut disk = self.disk.lock();
        let rows = disk.written();
        let checked = if self.has(Defect::ChecksRace) { Ok(()) } else { self.verify(&batch, &rows) };
        if let Err(error) = checked {
            if self.has(Defect::FailedCheckWritesAnyway) {
                let revision = disk.newest();
                disk.settle(&Pending { revision, batch, split: false });
            } else if self.has(Defect::WatchTellsConflicts) {
                self.watchers.signal(&touched(&batch, disk.newest(), false));
            }
            return Err(error);
        }
        if batch.writes.is_empty() && !self.has(Defect::EmptyBatchIsACommit) {
            return Ok(disk.newest());
        }
        let step = if self.has(Defect::RevisionsRepeat) { 0 } else { 1 };
        let revision = Revision(disk.newest().0 + step.max(u64::from(disk.newest().0 == 0)));
        let pending = Pending { revision, batch, split: self.has(Defect::BatchHasManyRevisions) };
        self.fit(&mut disk, &rows, &pending)?;
        if disk.unsynced.is_empty() || !self.has(Defect::ConcurrentCommitsAreLost) {
            disk.unsynced.push(pending);
        }
        Ok(revision)
    }

    fn fit(&self, disk: &mut Contents, rows: &Rows, pending: &Pending) -> Result<()> {
        if disk.capacity.is_none() {
            return Ok(());
        }
        let mut rows = rows.clone();
        pending.apply(&mut rows);
        if disk.fits(&rows) {
            return Ok(());
        }
        match self.defect {
            Defect::FullDiskIsInternal => return Err(BackendError::new(ErrorKind::Internal, "no space")),
            Defect::FullDiskTearsBatches => {
                let mut half = pending.clone();
                half.batch.writes.truncate(half.batch.writes.len().div_ceil(2));
                disk.settle(&half);
            }
            Defect::FullDiskIsForGood => {
                disk.capacity = Some(0);
                self.failed.get_or_init(|| ErrorKind::Exhausted);
            }
            _ => {}
        }
        let error = BackendError::new(ErrorKind::Exhausted, "the disk is full");
        Err(error.retry(RetryAdvice::Later { after: None }))
    }

    fn verify(&self, batch: &Batch, rows: &Rows) -> Result<()> {
        let own = self.has(Defect::ChecksSeeOwnWrites);
        for check in &batch.checks {
            let mut found = rows.get(&check.key).map(|(_, revision)| *revision);
            if own
                && batch
                    .writes
                    .iter()
                    .any(|write| matches!(write, Write::Put { key, .. } if *key == check.key))
            {
                found = Some(Revision(u64::MAX));
            }
            if batch.writes.is_empty() && self.has(Defect::ChecksAloneAreSkipped) {
                continue;
            }
            let ignored = match (check.precondition, self.defect) {
                (Precondition::Absent, Defect::AbsentIsIgnored)
                | (Precondition::At(_), Defect::AtIsIgnored) => true,
                (Precondition::At(_), Defect::AtHoldsForAbsentRows) => found.is_none(),
                _ => false,
            };
            if !ignored {
                check.verify(found).map_err(|error| self.conflict(error))?;
            }
        }
        Ok(())
    }

    fn conflict(&self, error: BackendError) -> BackendError {
        if self.has(Defect::ConflictHidesTheKey) {
            BackendError::new(error.kind(), error.message())
        } else {
            error
        }
    }

    /// Makes everything safe that was written up to a revision, and tells the watchers.
    fn settle(&self, upto: Revision) {
        let mut disk = self.disk.lock();
        if self.has(Defect::ReadersLagBehind) {
            *self.before.write().unwrap_or_else(PoisonError::into_inner) = disk.rows.clone();
        }
        let (ready, later) =
            std::mem::take(&mut disk.unsynced).into_iter().partition(|one| one.revision <= upto);
        disk.unsynced = later;
        let ready: Vec<Pending> = ready;
        for pending in ready {
            let told = touched(&pending.batch, pending.revision, self.has(Defect::WatchMissesDeletes));
            disk.settle(&pending);
            self.signal(&told);
        }
    }

    fn signal(&self, told: &BTreeMap<Bytes, Revision>) {
        let newest_is_third = told.values().any(|revision| revision.0 % 3 == 0);
        match self.defect {
            Defect::WatchIsSilent | Defect::WatchIsEarly => {}
            Defect::WatchMissesTheNewest if newest_is_third => {}
            _ => self.watchers.signal(told),
        }
    }

    /// The part of a commit that a dropped future may not reach.
    async fn finish(&self, revision: Revision, rest: Vec<Write>) -> Result<Revision> {
        if self.has(Defect::AnswersBeforeTheSync) {
            return Ok(revision);
        }
        tokio::task::yield_now().await;
        if !rest.is_empty() {
            self.disk.lock().unsynced.push(Pending {
                revision,
                batch: Batch { checks: Vec::new(), writes: rest },
                split: false,
            });
        }
        if let Err(error) = self.plan.strike(Operation::Sync).await {
            self.failed.get_or_init(|| error.kind());
            return Err(BackendError::new(ErrorKind::Unavailable, "the sync failed").source(error));
        }
        self.ensure_synced_or_writable(revision)?;
        self.settle(revision);
        self.plan.strike(Operation::Answer).await?;
        Ok(revision)
    }

    /// After a failed sync of somebody else, only what that one did not cover is safe.
    fn ensure_synced_or_writable(&self, revision: Revision) -> Result<()> {
        let synced = self.disk.lock().revision >= revision;
        if synced || self.failed.get().is_none() { Ok(()) } else { self.ensure_writable() }
    }

    async fn race(&self, batch: &Batch) -> Result<()> {
        let rows = self.disk.lock().written();
        self.verify(batch, &rows)?;
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn commit_inner(&self, mut batch: Batch) -> Result<Revision> {
        view::validate(&batch, self.defect)?;
        self.ensure_writable()?;
        self.plan.strike(Operation::Commit).await?;
        self.ensure_writable()?;
        let mut rest = Vec::new();
        match self.defect {
            Defect::PutKeepsOldRow => {
                let rows = self.disk.lock().written();
                batch
                    .writes
                    .retain(|write| matches!(write, Write::Delete { .. }) || !rows.contains_key(write.key()));
            }
            Defect::DeleteDoesNothing => batch.writes.retain(|write| matches!(write, Write::Put { .. })),
            Defect::DeletedRowsAreNotAbsent => self.entomb(&mut batch),
            Defect::ChecksRace => self.race(&batch).await?,
            Defect::WatchIsEarly => {
                self.watchers.signal(&touched(&batch, Revision(self.disk.lock().newest().0 + 1), false));
            }
            Defect::DroppedCommitIsTorn => rest = batch.writes.split_off(batch.writes.len() / 2),
            _ => {}
        }
        let revision = self.write(batch)?;
        self.finish(revision, rest).await
    }

    /// Leaves a row behind where one is deleted.
    fn entomb(&self, batch: &mut Batch) {
        for write in &mut batch.writes {
            if let Write::Delete { key } = write {
                *write = Write::Put { key: key.clone(), value: Bytes::from_static(b"\0tombstone") };
            }
        }
    }
}

/// The keys of a batch, for the watchers.
fn touched(batch: &Batch, revision: Revision, without_deletes: bool) -> BTreeMap<Bytes, Revision> {
    let told = |write: &&Write| !(without_deletes && matches!(write, Write::Delete { .. }));
    batch.writes.iter().filter(told).map(|write| (write.key().clone(), revision)).collect()
}

#[async_trait]
impl Storage for FakeStorage {
    fn info(&self) -> BackendInfo {
        let empty = self.has(Defect::InfoIsEmpty);
        let target = if empty { String::new() } else { "memory".to_owned() };
        BackendInfo { kind: if empty { "" } else { KIND }, name: self.name.clone(), target }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true, shared: false }
    }

    async fn check(&self) -> Result<()> {
        self.ensure_writable().and_then(|()| self.ensure_open()).map_err(|error| error.at(KIND, "check"))?;
        self.plan.strike(Operation::Check).await.map_err(|error| error.at(KIND, "check"))?;
        match self.defect {
            Defect::CheckFails => Err(BackendError::new(ErrorKind::Unavailable, "not well")),
            Defect::CheckLeavesARow => {
                let mut batch = Batch::default();
                batch.put("check", "");
                self.commit_inner(batch).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Row>> {
        self.plan.strike(Operation::Get).await.map_err(|error| error.at(KIND, "get"))?;
        let row = self.readable(|rows| view::row(rows, key, self.defect));
        let row = row.map_err(|error| error.at(KIND, "get"))?;
        Ok(row.filter(|row| row.value != b"\0tombstone"[..]))
    }

    async fn scan(&self, range: KeyRange, limit: usize) -> Result<Vec<Row>> {
        self.plan.strike(Operation::Scan).await.map_err(|error| error.at(KIND, "scan"))?;
        let mut instant = self.readable(Clone::clone).map_err(|error| error.at(KIND, "scan"))?;
        let keys = view::keys(&instant, range, limit, self.defect).map_err(|error| error.at(KIND, "scan"))?;
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            if self.has(Defect::ScanMixesInstants) {
                tokio::task::yield_now().await;
                instant = self.readable(Clone::clone)?;
            }
            found.extend(view::row(&instant, &key, self.defect));
        }
        Ok(found)
    }

    async fn commit(&self, batch: Batch) -> Result<Revision> {
        self.commit_inner(batch).await.map_err(|error| error.at(KIND, "commit"))
    }

    fn watch(&self, prefix: &[u8]) -> WatchStream {
        let watched = if self.has(Defect::WatchIgnoresItsPrefix) { b"" } else { prefix };
        let stream = self.watchers.watch(watched);
        match self.defect {
            Defect::WatchTellsThePast => {
                let past = self.disk.lock().revision;
                futures_util::stream::iter([past]).chain(stream).boxed()
            }
            Defect::WatchOutlivesClose => stream.chain(futures_util::stream::pending()).boxed(),
            _ => stream,
        }
    }

    async fn close(&self) -> Result<()> {
        self.plan.strike(Operation::Close).await.map_err(|error| error.at(KIND, "close"))?;
        if self.closed.swap(true, Ordering::AcqRel) {
            return match self.defect {
                Defect::SecondCloseFails => Err(BackendError::new(ErrorKind::Unavailable, "already closed")),
                _ => Ok(()),
            };
        }
        match self.defect {
            Defect::CloseForgets => Arc::make_mut(&mut self.disk.lock().rows).clear(),
            Defect::CloseDropsTheAccepted => self.disk.lock().unsynced.clear(),
            _ if self.failed.get().is_some() => {}
            _ => self.settle(Revision(u64::MAX)),
        }
        self.watchers.close();
        self.disk.lock().opened = false;
        Ok(())
    }
}

impl Drop for FakeStorage {
    /// The end of the process: the lock goes, what was written stays with the system.
    fn drop(&mut self) {
        if !self.closed.load(Ordering::Acquire) {
            self.disk.lock().opened = false;
        }
    }
}
