//! A put, from the first look to the last object that goes for it.

use std::sync::{Arc, PoisonError};

use gofer_backend::{BackendError, ErrorKind};
use gofer_object_store::{ByteStream, ObjectMeta};
use gofer_types::ObjectScope as Scope;

use crate::account::Ticket;
use crate::desk::Desk;
use crate::error::{ObjectsError, Result};
use crate::path::{Layout as _, ObjectPath};
use crate::ring::Place;
use crate::types::{Meta, Put, PutObject};
use crate::upload::{Shared, Upload};
use crate::{Inner, Objects};

impl Objects {
    /// Reads the stream to its end, and answers when the object is durable and what goes for it is gone.
    ///
    /// Not idempotent: a repeated put without `replace` is answered `Exists`. What can be refused is refused before the stream is
    /// read, the rest as soon as it is known; nothing of a refused put stays. After `Store` with `TimedOut` or `Unavailable` at
    /// the end of the stream the object may be there, and then whole.
    ///
    /// Errors: `Exists`, `TooLarge`, `QuotaExceeded`, `TooManyObjects`, `Invalid`, `Stalled`, `Gone`, `Store`.
    pub async fn put(
        &self,
        scope: &Scope,
        path: &ObjectPath,
        bytes: ByteStream,
        wish: PutObject,
    ) -> Result<Put> {
        let inner = &self.inner;
        let limit = inner.limits.object_bytes;
        if wish.expected_size.is_some_and(|size| size > limit) {
            return Err(ObjectsError::TooLarge { limit });
        }
        let desk = inner.desks.get(scope);
        let ticket = Arc::new(inner.accounts.enter(scope.namespace()).await?);
        let reserved = wish.expected_size.unwrap_or(0);
        ticket.reserve(reserved)?;
        let order = inner.order(scope, path, &desk, wish).await?;
        let notes = Shared::default();
        let upload = Upload {
            inner: Arc::clone(inner),
            scope: scope.clone(),
            path: path.clone(),
            desk,
            ticket: Arc::clone(&ticket),
            notes: Arc::clone(&notes),
            bytes,
            size: 0,
            reserved,
        };
        let answer = inner.store.put(&scope.key(path)?, upload.stream(), order).await;
        let notes = std::mem::take(&mut *notes.lock().unwrap_or_else(PoisonError::into_inner));
        match (notes.refusal, answer) {
            (Some(refusal), _) => Err(refusal),
            (None, Ok(meta)) => inner.landed(scope, meta, notes.place, &ticket).await,
            (None, Err(error)) => Err(lost(error, scope, path, &ticket)),
        }
    }
}

/// What a put that was answered an error leaves.
fn lost(error: BackendError, scope: &Scope, path: &ObjectPath, ticket: &Ticket) -> ObjectsError {
    if !error.kind().outcome_unknown() {
        ticket.failed();
    }
    ObjectsError::about(error, scope, path)
}

impl Inner {
    /// What the store is asked for, if a first look shows nothing against it.
    async fn order(
        &self,
        scope: &Scope,
        path: &ObjectPath,
        desk: &Desk,
        wish: PutObject,
    ) -> Result<gofer_object_store::Put> {
        let turn = Arc::clone(desk).lock_owned().await;
        let place = self.place(turn, scope, path).await?;
        if place.before.is_some() && !wish.replace {
            return Err(ObjectsError::Exists { scope: scope.clone(), path: path.clone() });
        }
        let PutObject { replace, content_type, expected_size, sha256 } = wish;
        let plain = gofer_object_store::Put::new(self.limits.object_bytes, self.time_of(&place));
        let order =
            gofer_object_store::Put { if_absent: !replace, content_type, expected_size, sha256, ..plain };
        order.validate().map_err(ObjectsError::Invalid)?;
        Ok(order)
    }

    /// What is to be done once the object is there, in the turn of its put.
    async fn landed(
        &self,
        scope: &Scope,
        meta: ObjectMeta,
        place: Option<Place>,
        ticket: &Ticket,
    ) -> Result<Put> {
        let Some(Place { mut turn, before, mut ring, count }) = place else {
            ticket.doubt();
            let early =
                BackendError::new(ErrorKind::Internal, "the store answered before the end of the stream");
            return Err(early.into());
        };
        let more = usize::from(before.is_none());
        ticket.landed(meta.size, before.map_or(0, |before| before.size));
        let (mut evicted, mut untidy) = (Vec::new(), None);
        if matches!(scope, Scope::Pipeline(_)) {
            ring.retain(|other| other.key != meta.key);
            ring.push(meta.clone());
            (evicted, untidy) = self.evict(scope, ring, ticket, Some(&meta.key)).await;
        } else {
            turn.count = Some(count.saturating_add(more));
        }
        drop(turn);
        Ok(Put { meta: Meta::new(scope, meta)?, evicted, untidy })
    }
}
