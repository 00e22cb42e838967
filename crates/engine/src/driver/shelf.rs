//! The objects of runs as tasks use them: artefacts that they leave and are given, and the lists of late matrices.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _};
use gofer_attempt::Shelf;
use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_inside::ListSource;
use gofer_objects::{ByteRange, ByteStream, Content, ObjectPath, ObjectsError, PutObject};
use gofer_scheduler::TaskSpec;
use gofer_types::{Actor, ObjectScope, RunRef};
use gofer_versions::task_of;

use super::Inner;
use super::inside::{Door, malformed, refusal};
use crate::api::Caller;
use crate::error::EngineError;

/// How many runs that repeat each other are looked through for an object.
const REPEATED: usize = 100;

impl Inner {
    /// An object of a run, or of the run whose results it took over.
    async fn object_of_run(&self, run: &RunRef, path: &ObjectPath) -> Result<Content> {
        let (mut looked_at, mut missing) = (run.clone(), None);
        for _ in 0..REPEATED {
            match self.objects.get(&ObjectScope::Run(looked_at.clone()), path, ByteRange::WHOLE).await {
                Err(error @ ObjectsError::NotFound { .. }) => missing = missing.or(Some(error)),
                Err(error) => return Err(refused(EngineError::Objects(error))),
                Ok(found) => return Ok(found),
            }
            let record = self.records.run(&looked_at).await.map_err(|error| refused(error.into()))?;
            // a run that takes nothing over has nothing of the other either
            let Some(retry) = record.and_then(|run| run.retry).filter(|retry| !retry.reused.is_empty())
            else {
                break;
            };
            looked_at = looked_at.pipeline.run(retry.run);
        }
        // the run that was asked for is the one that the error is about
        let mut text = missing.map_or_else(String::new, |error| error.to_string());
        if looked_at != *run {
            text.push_str(&format!(
                ", nor has `{looked_at}`, whose results it took over: it has expired or was deleted there; \
                 `gofer retry {looked_at} --from` the task that leaves it makes it again"
            ));
        }
        Err(BackendError::new(ErrorKind::NotFound, text))
    }
}

/// The engine's refusal about an object as that of a backend.
fn refused(error: EngineError) -> BackendError {
    let text = error.to_string();
    match error {
        EngineError::Objects(ObjectsError::NotFound { .. }) => BackendError::new(ErrorKind::NotFound, text),
        // it was another task that was too slow, and that may be better the next time
        EngineError::Objects(ObjectsError::Stalled { .. }) => BackendError::new(ErrorKind::TimedOut, text),
        EngineError::Objects(ObjectsError::Store(error)) => error,
        other => refusal(&other),
    }
}

fn path_of(key: &str) -> Result<ObjectPath> {
    key.parse().map_err(|error: ObjectsError| BackendError::new(ErrorKind::InvalidInput, error.to_string()))
}

#[async_trait]
impl Shelf for Door {
    async fn fetch(&self, run: &RunRef, key: &str) -> Result<(u64, ByteStream)> {
        let found = self.inner()?.object_of_run(run, &path_of(key)?).await?;
        Ok((found.meta.size, found.bytes))
    }

    async fn keep(&self, run: &RunRef, key: &str, bytes: ByteStream) -> Result<()> {
        let (inner, path) = (self.inner()?, path_of(key)?);
        let broken: Arc<Mutex<Option<BackendError>>> = Arc::default();
        let slot = Arc::clone(&broken);
        // what broke the stream is the answer, and not what the store makes of it
        let bytes = bytes.map_err(move |error| {
            let told = BackendError::new(ErrorKind::Unavailable, "the artefact was broken off");
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            told
        });
        let place = (ObjectScope::Run(run.clone()), path);
        let wish = PutObject { replace: true, ..PutObject::default() };
        let put = inner.put_object(Caller { actor: Actor::System }, place, bytes.boxed(), wish).await;
        let broken = broken.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (put, broken) {
            (Ok(_), _) => Ok(()),
            (Err(_), Some(broken)) => Err(broken),
            (Err(error), None) => Err(refused(error)),
        }
    }
}

#[async_trait]
impl ListSource for Door {
    async fn read(&self, spec: &TaskSpec, key: &str, most: u64) -> Result<Bytes> {
        let task = task_of(spec).ok_or_else(malformed)?;
        let mut found = self.inner()?.object_of_run(&task.run, &path_of(key)?).await?;
        if found.meta.size > most {
            let text = format!(
                "the object `{key}` of the run has {} bytes; a list has at most {most}",
                found.meta.size
            );
            return Err(BackendError::new(ErrorKind::InvalidInput, text));
        }
        let mut bytes = BytesMut::new();
        while let Some(piece) = found.bytes.try_next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }
}
