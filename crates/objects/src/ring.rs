//! What a scope has at the moment of a put, and the ring of a pipeline.

use gofer_backend::{BackendError, ErrorKind};
use gofer_object_store::{KeyPrefix, MAX_PAGE, ObjectKey, ObjectMeta, PageRequest};
use gofer_types::{ObjectScope as Scope, PipelineRef, Timestamp};

use crate::account::Ticket;
use crate::desk::Turn;
use crate::error::{ObjectsError, Result};
use crate::path::{Layout as _, ObjectPath};
use crate::{Inner, Objects};

/// What was found in a turn, and the turn.
pub(crate) struct Place {
    pub(crate) turn: Turn,
    /// What is under the key.
    pub(crate) before: Option<ObjectMeta>,
    /// Everything that the pipeline has; nothing for a run.
    pub(crate) ring: Vec<ObjectMeta>,
    /// How many objects there are.
    pub(crate) count: usize,
}

/// What went, and what kept the rest from going.
pub(crate) type Evicted = (Vec<ObjectPath>, Option<BackendError>);

impl Inner {
    /// Looks whether an object may be put under the key now.
    pub(crate) async fn place(&self, mut turn: Turn, scope: &Scope, path: &ObjectPath) -> Result<Place> {
        if turn.closed {
            return Err(ObjectsError::Gone { scope: scope.clone() });
        }
        let key = scope.key(path)?;
        if matches!(scope, Scope::Pipeline(_)) {
            let ring = self.all(&scope.prefix(None)?).await?;
            let before = ring.iter().find(|meta| meta.key == key).cloned();
            let count = ring.len();
            return Ok(Place { turn, before, ring, count });
        }
        let before = match self.store.head(&key).await {
            Ok(meta) => Some(meta),
            // one that is damaged is replaced like one that is not there
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Internal) => None,
            Err(error) => return Err(error.into()),
        };
        let count = match turn.count {
            Some(count) => count,
            None => self.all(&scope.prefix(None)?).await?.len(),
        };
        turn.count = Some(count);
        let limit = self.limits.run_objects;
        if before.is_none() && count >= limit {
            return Err(ObjectsError::TooManyObjects { scope: scope.clone(), limit });
        }
        Ok(Place { turn, before, ring: Vec::new(), count })
    }

    /// When a put into that place is: never before what is there already.
    pub(crate) fn time_of(&self, place: &Place) -> Timestamp {
        let newest = place.ring.iter().map(|meta| meta.created.as_micros()).max();
        let next = newest.map(|newest| Timestamp::from_micros(newest.saturating_add(1)));
        next.into_iter().fold(self.clock.now(), Timestamp::max)
    }

    /// Deletes the oldest until the ring has room for the rest; never the one that is named. In the turn of the pipeline.
    pub(crate) async fn evict(
        &self,
        scope: &Scope,
        mut ring: Vec<ObjectMeta>,
        ticket: &Ticket,
        spared: Option<&ObjectKey>,
    ) -> Evicted {
        let surplus = ring.len().saturating_sub(self.limits.ring.max(1));
        ring.sort_unstable_by(|a, b| (a.created, &a.key).cmp(&(b.created, &b.key)));
        let mut evicted = Vec::new();
        for meta in ring.into_iter().filter(|meta| Some(&meta.key) != spared).take(surplus) {
            let done = match self.delete(&meta.key, meta.size, ticket).await {
                Ok(()) => scope.path(&meta.key),
                Err(error) => Err(error),
            };
            match done {
                Ok(path) => evicted.push(path),
                Err(error) => return (evicted, Some(error)),
            }
        }
        (evicted, None)
    }

    /// Deletes an object of that many bytes. In the turn of its scope.
    pub(crate) async fn delete(
        &self,
        key: &ObjectKey,
        size: u64,
        ticket: &Ticket,
    ) -> gofer_backend::Result<()> {
        ticket.pending();
        match self.store.delete(key).await {
            Ok(()) => ticket.freed(size),
            Err(error) if error.kind().outcome_unknown() => {
                ticket.doubt();
                return Err(error);
            }
            Err(error) => {
                ticket.failed();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Everything below a prefix that has a bound.
    async fn all(&self, prefix: &KeyPrefix) -> gofer_backend::Result<Vec<ObjectMeta>> {
        let mut request = PageRequest::first(MAX_PAGE);
        let mut all = Vec::new();
        loop {
            let page = self.store.list(prefix, request.clone()).await?;
            all.extend(page.objects);
            request.after = page.next;
            if request.after.is_none() {
                return Ok(all);
            }
        }
    }
}

impl Objects {
    /// Deletes what the ring of a pipeline has no room for: after a crash, or with a smaller ring than before. Idempotent.
    ///
    /// Answers what went, oldest first. Errors: `Store`; what went until then is gone.
    pub async fn tidy(&self, pipeline: &PipelineRef) -> Result<Vec<ObjectPath>> {
        let scope = Scope::Pipeline(pipeline.clone());
        let _turn = self.inner.desks.turn(&scope).await;
        let ticket = self.inner.accounts.enter(scope.namespace()).await?;
        let ring = self.inner.all(&scope.prefix(None)?).await?;
        match self.inner.evict(&scope, ring, &ticket, None).await {
            (evicted, None) => Ok(evicted),
            (_, Some(error)) => Err(error.into()),
        }
    }
}
