//! The state's disk as one process sees it: it is slow, full, unreadable for a moment, and the process dies in the middle.
//!
//! Whatever is on disk is told to the court at once, whoever put it there: it judges what is durable, not what is said.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gofer_backend::{BackendError, BackendInfo, Clock, ErrorKind, Result, RetryAdvice};
use gofer_storage::fake::{FakeStorage, Fault, FaultPlan, Operation};
use gofer_storage::{Batch, Capabilities, KeyRange, Revision, Row, Storage, WatchStream};

use super::Weather;
use super::life::Life;
use crate::court::Court;

/// The storage of one process.
#[derive(Debug)]
pub struct SimStorage {
    /// The disk below.
    pub inner: Arc<FakeStorage>,
    /// The faults of its syncs.
    pub syncs: FaultPlan,
    /// Whose it is.
    pub life: Arc<Life>,
    /// What goes wrong.
    pub weather: Arc<Weather>,
    /// Who is told.
    pub court: Arc<Court>,
}

fn full() -> BackendError {
    BackendError::new(ErrorKind::Exhausted, "the disk is full").retry(RetryAdvice::Later { after: None })
}

impl SimStorage {
    fn reads(&self) -> Result<()> {
        self.life.ensure()?;
        if self.weather.strikes(self.weather.storage().read_fails, "read") {
            return Err(BackendError::new(ErrorKind::Unavailable, "this read fails")
                .retry(RetryAdvice::Later { after: None }));
        }
        Ok(())
    }

    /// What stands before a commit.
    async fn before(&self) -> Result<()> {
        let faults = self.weather.storage();
        if self.weather.strikes(faults.slow, "slow commit") {
            let span = Duration::from_millis(self.weather.draw("slow commit for", 3_000));
            self.weather.clock.sleep_until(self.weather.clock.monotonic() + span).await;
        }
        self.life.ensure()?;
        if self.weather.is_storage_full() || self.weather.strikes(faults.full, "full disk") {
            return Err(full());
        }
        Ok(())
    }

    async fn write(&self, batch: Batch) -> Result<Revision> {
        let dies = self.life.commits();
        if dies.is_some_and(|how| !how.behind) {
            self.weather.struck("death before a commit");
            self.life.end();
        }
        self.life.ensure()?;
        let sync_fails = self.life.sync_fails();
        if sync_fails {
            self.weather.struck("failed sync");
            self.syncs.next(Operation::Sync, Fault::Error(ErrorKind::Internal));
        }
        let revision = tokio::select! {
            biased;
            () = self.life.over() => return Err(BackendError::new(ErrorKind::Unavailable, "the process has died")),
            written = self.inner.commit(batch.clone()) => written,
        };
        if sync_fails {
            self.life.fails();
        }
        let revision = revision?;
        self.court.committed((self.life.number, revision), &batch).await;
        if dies.is_some() {
            self.weather.struck("death between a commit and its answer");
            self.life.end();
        }
        self.life.ensure()?;
        Ok(revision)
    }
}

#[async_trait]
impl Storage for SimStorage {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.reads()?;
        self.inner.check().await
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Row>> {
        self.reads()?;
        self.inner.get(key).await
    }

    async fn scan(&self, range: KeyRange, limit: usize) -> Result<Vec<Row>> {
        self.reads()?;
        self.inner.scan(range, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<Revision> {
        self.before().await?;
        self.write(batch).await
    }

    fn watch(&self, prefix: &[u8]) -> WatchStream {
        self.inner.watch(prefix)
    }

    async fn close(&self) -> Result<()> {
        self.life.ensure()?;
        self.inner.close().await
    }
}
