//! Namespaces.
//!
//! Changes take turns with those of pipelines, and go on to their end if their caller goes away.

use std::sync::Arc;

use gofer_records::Tx;
use gofer_types::{EventKind, Namespace, NamespaceRecord};

use super::paging::nearest;
use crate::Engine;
use crate::api::{Caller, Listing, Page};
use crate::driver::Inner;
use crate::error::{EngineError, Result};

/// How many names are looked at for one that may have been meant.
const LOOK: usize = 1000;

impl Inner {
    /// A namespace that is there.
    pub(crate) async fn namespace(&self, name: &Namespace) -> Result<NamespaceRecord> {
        if let Some(record) = self.records.namespace(name).await? {
            return Ok(record);
        }
        let page = Page { size: LOOK, token: None };
        let known = self.records.namespaces(&page.request()).await?.items;
        let suggestion = nearest(name.as_str(), known.iter().map(|record| record.name.as_str()));
        Err(EngineError::NamespaceNotFound { name: name.clone(), suggestion })
    }

    async fn create_namespace(
        &self,
        ctx: &Caller,
        name: Namespace,
        description: String,
    ) -> Result<NamespaceRecord> {
        let _turn = self.admin.lock().await;
        if self.records.namespace(&name).await?.is_some() {
            return Err(EngineError::NamespaceExists { name });
        }
        let now = self.clock.now();
        let record = NamespaceRecord { name: name.clone(), description, created: now };
        let mut tx = Tx::default();
        tx.put_namespace(&record);
        tx.event(now, ctx.actor.clone(), EventKind::NamespaceCreated { namespace: name });
        self.committer.commit(tx).await?;
        Ok(record)
    }

    async fn describe_namespace(&self, name: &Namespace, description: String) -> Result<NamespaceRecord> {
        let _turn = self.admin.lock().await;
        let record = NamespaceRecord { description, ..self.namespace(name).await? };
        let mut tx = Tx::default();
        tx.put_namespace(&record);
        self.committer.commit(tx).await?;
        Ok(record)
    }

    async fn delete_namespace(&self, ctx: &Caller, name: &Namespace) -> Result<()> {
        let _turn = self.admin.lock().await;
        let record = self.namespace(name).await?;
        let page = Page { size: 1, token: None };
        if !self.records.pipelines(Some(name), &page.request()).await?.items.is_empty() {
            return Err(EngineError::NamespaceNotEmpty { name: name.clone() });
        }
        let mut tx = Tx::default();
        tx.delete_namespace(&record);
        let kind = EventKind::NamespaceDeleted { namespace: name.clone() };
        tx.event(self.clock.now(), ctx.actor.clone(), kind);
        self.committer.commit(tx).await?;
        Ok(())
    }
}

impl Engine {
    /// Creates a namespace.
    pub async fn create_namespace(
        &self,
        ctx: &Caller,
        name: Namespace,
        description: String,
    ) -> Result<NamespaceRecord> {
        self.inner.fate.check()?;
        let (inner, ctx) = (Arc::clone(&self.inner), ctx.clone());
        self.inner.detached(async move { inner.create_namespace(&ctx, name, description).await }).await
    }

    /// One namespace.
    pub async fn get_namespace(&self, name: &Namespace) -> Result<NamespaceRecord> {
        self.inner.fate.check()?;
        self.inner.namespace(name).await
    }

    /// The namespaces by name.
    pub async fn list_namespaces(&self, page: Page) -> Result<Listing<NamespaceRecord>> {
        self.inner.fate.check()?;
        Ok(self.inner.records.namespaces(&page.request()).await?.into())
    }

    /// Changes the description of a namespace.
    pub async fn update_namespace(
        &self,
        _ctx: &Caller,
        name: &Namespace,
        description: String,
    ) -> Result<NamespaceRecord> {
        self.inner.fate.check()?;
        let (inner, name) = (Arc::clone(&self.inner), name.clone());
        self.inner.detached(async move { inner.describe_namespace(&name, description).await }).await
    }

    /// Deletes a namespace that holds no pipeline.
    pub async fn delete_namespace(&self, ctx: &Caller, name: &Namespace) -> Result<()> {
        self.inner.fate.check()?;
        if *name == Namespace::default_name() {
            return Err(EngineError::NamespaceProtected);
        }
        let (inner, ctx, name) = (Arc::clone(&self.inner), ctx.clone(), name.clone());
        self.inner.detached(async move { inner.delete_namespace(&ctx, &name).await }).await
    }
}
