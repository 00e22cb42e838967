//! The bytes of a put on their way to the store: limited, reserved, watched; and the turn at their end.
//!
//! The store sees the end of the stream only once the put has its turn and may still land. So uploads run side by side, and what
//! is looked at before the end holds until the object is there.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use gofer_backend::{BackendError, ErrorKind};
use gofer_object_store::ByteStream;
use gofer_types::ObjectScope as Scope;

use crate::Inner;
use crate::account::Ticket;
use crate::desk::Desk;
use crate::error::{ObjectsError, Result};
use crate::path::ObjectPath;
use crate::ring::Place;

/// What the bytes of a put tell the put.
#[derive(Default)]
pub(crate) struct Notes {
    /// The turn, from the end of the stream on.
    pub(crate) place: Option<Place>,
    /// Why the stream was broken off.
    pub(crate) refusal: Option<ObjectsError>,
}

/// The notes, as both sides hold them.
pub(crate) type Shared = Arc<Mutex<Notes>>;

/// A put on its way.
pub(crate) struct Upload {
    pub(crate) inner: Arc<Inner>,
    pub(crate) scope: Scope,
    pub(crate) path: ObjectPath,
    pub(crate) desk: Desk,
    pub(crate) ticket: Arc<Ticket>,
    pub(crate) notes: Shared,
    pub(crate) bytes: ByteStream,
    /// How many bytes have come.
    pub(crate) size: u64,
    /// How many are reserved.
    pub(crate) reserved: u64,
}

impl Upload {
    /// What the store reads.
    pub(crate) fn stream(self) -> ByteStream {
        let next = |upload: Option<Self>| async move {
            let mut upload = upload?;
            match upload.next().await {
                Ok(Some(chunk)) => Some((Ok(chunk), Some(upload))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        };
        stream::unfold(Some(self), next).boxed()
    }

    async fn next(&mut self) -> gofer_backend::Result<Option<Bytes>> {
        let stall = self.inner.limits.stall;
        let late = self.inner.clock.sleep_until(self.inner.clock.monotonic().saturating_add(stall));
        let chunk = tokio::select! {
            biased;
            chunk = self.bytes.next() => chunk.transpose().map_err(ObjectsError::Store),
            () = late => Err(ObjectsError::Stalled { after: stall }),
        };
        let chunk = chunk.map_err(|error| self.refuse(error))?;
        let accepted = match &chunk {
            Some(chunk) => self.admit(chunk.len() as u64),
            None => self.end().await,
        };
        accepted.map(|()| chunk).map_err(|error| self.refuse(error))
    }

    fn admit(&mut self, bytes: u64) -> Result<()> {
        let limit = self.inner.limits.object_bytes;
        self.size = self.size.saturating_add(bytes);
        if self.size > limit {
            return Err(ObjectsError::TooLarge { limit });
        }
        let more = self.size.saturating_sub(self.reserved);
        if more > 0 {
            self.ticket.reserve(more)?;
            self.reserved = self.size;
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<()> {
        let turn = Arc::clone(&self.desk).lock_owned().await;
        let mut place = self.inner.place(turn, &self.scope, &self.path).await?;
        // whoever drops the put from here on leaves nobody knowing what the run has
        place.turn.count = None;
        self.ticket.pending();
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).place = Some(place);
        Ok(())
    }

    /// The error that makes the store give up; the put knows better what it was.
    fn refuse(&self, error: ObjectsError) -> BackendError {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).refusal = Some(error);
        BackendError::new(ErrorKind::InvalidInput, "the put was broken off")
    }
}
