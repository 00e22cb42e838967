//! Any storage, with a plan of faults around it.

use async_trait::async_trait;
use gofer_backend::{BackendError, BackendInfo, Result};

use super::{FaultPlan, Operation};
use crate::{Batch, Capabilities, KeyRange, Revision, Row, Storage, WatchStream};

/// A storage whose n-th call of a kind fails, waits or loses its answer. All else goes through.
#[derive(Debug)]
pub struct FaultyStorage<S> {
    inner: S,
    plan: FaultPlan,
}

impl<S> FaultyStorage<S> {
    /// Puts the plan around a storage.
    pub fn new(inner: S, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: Storage> Storage for FaultyStorage<S> {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.plan.strike(Operation::Check).await.map_err(|error| named(error, "check"))?;
        self.inner.check().await
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Row>> {
        self.plan.strike(Operation::Get).await.map_err(|error| named(error, "get"))?;
        self.inner.get(key).await
    }

    async fn scan(&self, range: KeyRange, limit: usize) -> Result<Vec<Row>> {
        self.plan.strike(Operation::Scan).await.map_err(|error| named(error, "scan"))?;
        self.inner.scan(range, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<Revision> {
        self.plan.strike(Operation::Commit).await.map_err(|error| named(error, "commit"))?;
        let revision = self.inner.commit(batch).await?;
        self.plan.strike(Operation::Answer).await.map_err(|error| named(error, "commit"))?;
        Ok(revision)
    }

    fn watch(&self, prefix: &[u8]) -> WatchStream {
        self.inner.watch(prefix)
    }

    async fn close(&self) -> Result<()> {
        self.plan.strike(Operation::Close).await.map_err(|error| named(error, "close"))?;
        self.inner.close().await
    }
}

fn named(error: BackendError, operation: &'static str) -> BackendError {
    error.at("faulty", operation)
}
