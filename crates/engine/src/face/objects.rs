//! Objects: put, read, deleted, listed. What a put or a delete did is told in the event log behind it.

use std::sync::{Arc, PoisonError};

use gofer_objects::{ByteRange, ByteStream, Content, Listing, Meta, ObjectPath, Put, PutObject, Usage};
use gofer_records::Tx;
use gofer_types::{EventKind, Namespace, ObjectScope};

use crate::Engine;
use crate::api::Caller;
use crate::driver::{Broken, Inner};
use crate::error::Result;

/// How many evicted objects an event names.
const NAMED: usize = 100;

impl Inner {
    /// Refuses where there is no such pipeline or run.
    async fn has(&self, scope: &ObjectScope) -> Result<()> {
        match scope {
            ObjectScope::Pipeline(pipeline) => self.pipeline(pipeline).await.map(drop),
            ObjectScope::Run(run) => self.run(run).await.map(drop),
        }
    }

    async fn tell(&self, ctx: &Caller, kind: EventKind) -> Result<()> {
        let mut tx = Tx::default();
        tx.event(self.clock.now(), ctx.actor.clone(), kind);
        self.committer.commit(tx).await?;
        Ok(())
    }

    pub(crate) async fn put_object(
        self: Arc<Self>,
        ctx: Caller,
        (scope, path): (ObjectScope, ObjectPath),
        bytes: ByteStream,
        wish: PutObject,
    ) -> Result<Put> {
        self.takes_objects(&scope).await?;
        let broken = Broken::default();
        let bytes = self.bytes_of_put(&scope, bytes, &broken);
        let put = self.objects.put(&scope, &path, bytes, wish).await;
        if let Some(error) = broken.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        let put = put?;
        if let Some(error) = &put.untidy {
            tracing::warn!(%scope, error = error.chain(), "there are more objects than the pipeline keeps");
        }
        let evicted = put.evicted.iter().take(NAMED).map(ToString::to_string).collect();
        let key = path.to_string();
        self.tell(&ctx, EventKind::ObjectPut { scope, key, size: put.meta.size, evicted }).await?;
        Ok(put)
    }

    async fn delete_object(&self, ctx: &Caller, scope: ObjectScope, path: &ObjectPath) -> Result<bool> {
        self.has(&scope).await?;
        let there = self.objects.delete(&scope, path).await?;
        if there {
            self.tell(ctx, EventKind::ObjectDeleted { scope, key: path.to_string() }).await?;
        }
        Ok(there)
    }
}

impl Engine {
    /// Puts an object of a pipeline or of a run that still keeps some. The stream ends with an error if its client goes away;
    /// what has come by then has no effect.
    pub async fn put_object(
        &self,
        ctx: &Caller,
        (scope, path): (&ObjectScope, &ObjectPath),
        bytes: ByteStream,
        wish: PutObject,
    ) -> Result<Put> {
        self.inner.fate.check()?;
        let place = (scope.clone(), path.clone());
        let work = Arc::clone(&self.inner).put_object(ctx.clone(), place, bytes, wish);
        self.inner.detached(work).await
    }

    /// Opens an object for reading.
    pub async fn get_object(
        &self,
        scope: &ObjectScope,
        path: &ObjectPath,
        range: ByteRange,
    ) -> Result<Content> {
        self.inner.fate.check()?;
        self.inner.has(scope).await?;
        Ok(self.inner.objects.get(scope, path, range).await?)
    }

    /// What an object is.
    pub async fn head_object(&self, scope: &ObjectScope, path: &ObjectPath) -> Result<Meta> {
        self.inner.fate.check()?;
        self.inner.has(scope).await?;
        Ok(self.inner.objects.head(scope, path).await?)
    }

    /// Deletes an object, and says whether it was there. Idempotent.
    pub async fn delete_object(&self, ctx: &Caller, scope: &ObjectScope, path: &ObjectPath) -> Result<bool> {
        self.inner.fate.check()?;
        let (inner, ctx, scope, path) = (Arc::clone(&self.inner), ctx.clone(), scope.clone(), path.clone());
        self.inner.detached(async move { inner.delete_object(&ctx, scope, &path).await }).await
    }

    /// The objects of a pipeline or of a run, by key; with `below`, only those below a key.
    pub async fn list_objects(
        &self,
        scope: &ObjectScope,
        below: Option<&ObjectPath>,
        page: gofer_objects::Page,
    ) -> Result<Listing> {
        self.inner.fate.check()?;
        self.inner.has(scope).await?;
        Ok(self.inner.objects.list(scope, below, page).await?)
    }

    /// What the objects of a namespace take.
    pub async fn object_usage(&self, namespace: &Namespace) -> Result<Usage> {
        self.inner.fate.check()?;
        self.inner.namespace(namespace).await?;
        Ok(self.inner.objects.usage(namespace).await?)
    }
}
