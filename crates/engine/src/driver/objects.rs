//! Objects as they depend on runs: how long a run takes some, and what is deleted once it has grown old.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt as _, stream};
use gofer_backend::{BackendError, ErrorKind};
use gofer_objects::{ByteStream, ObjectsError};
use gofer_records::Counter;
use gofer_types::{ObjectScope, PipelineRef, RunNumber, RunRef};

use super::Inner;
use crate::error::{EngineError, Result};

/// Why the bytes of a put were broken off, for the put.
pub(crate) type Broken = Arc<Mutex<Option<EngineError>>>;

impl Inner {
    /// The first run of a pipeline whose objects are kept whatever it does.
    async fn first_with_objects(&self, pipeline: &PipelineRef) -> Result<u64> {
        let next = self.records.counter(pipeline, Counter::Runs).await?;
        Ok(next.saturating_sub(u64::from(self.options.objects_of_runs.max(1))))
    }

    /// Whether nothing of a run goes on that could use its objects. One that was set aside is kept for whoever looks into it.
    async fn is_over(&self, run: &RunRef) -> Result<bool> {
        match self.records.run(run).await {
            Ok(record) => {
                let ended = record.is_none_or(|record| record.state.is_terminal());
                Ok(ended && self.hall.find(run).is_none())
            }
            Err(error) if error.is_about_one_record() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Refuses where there is no such pipeline or run, and where a run keeps no objects any more.
    pub(crate) async fn takes_objects(&self, scope: &ObjectScope) -> Result<()> {
        match scope {
            ObjectScope::Pipeline(pipeline) => self.pipeline(pipeline).await.map(drop),
            ObjectScope::Run(run) => {
                self.run(run).await?;
                let old = run.run.0 < self.first_with_objects(&run.pipeline).await?;
                if old && self.is_over(run).await? {
                    return Err(ObjectsError::Gone { scope: scope.clone() }.into());
                }
                Ok(())
            }
        }
    }

    /// Deletes the objects of the runs of a pipeline that have grown old and are over. Repeatable.
    pub(crate) async fn expire_objects(&self, pipeline: &PipelineRef) -> Result<()> {
        let end = self.first_with_objects(pipeline).await?;
        let mut from = 0;
        loop {
            let runs = self.objects.runs(pipeline, from..end).await?;
            let Some(RunNumber(last)) = runs.last() else { return Ok(()) };
            from = last + 1;
            for run in runs.into_iter().map(|number| pipeline.run(number)) {
                if self.is_over(&run).await? {
                    self.objects.expire_run(&run).await?;
                }
            }
        }
    }

    /// The bytes of a put, which ends when the engine does. At their end it is looked once more whether they may land: what
    /// is deleted from then on takes them with it.
    pub(crate) fn bytes_of_put(
        self: &Arc<Self>,
        scope: &ObjectScope,
        bytes: ByteStream,
        broken: &Broken,
    ) -> ByteStream {
        let (inner, scope, broken) = (Arc::clone(self), scope.clone(), Arc::clone(broken));
        let next = move |bytes: Option<ByteStream>| {
            let (inner, scope, broken) = (Arc::clone(&inner), scope.clone(), Arc::clone(&broken));
            async move {
                let mut bytes = bytes?;
                let chunk = tokio::select! {
                    biased;
                    () = inner.fate.stop().cancelled() => Err(EngineError::from(inner.fate.error())),
                    chunk = bytes.next() => Ok(chunk),
                };
                let end = match chunk {
                    Ok(Some(chunk)) => return Some((chunk, Some(bytes))),
                    Ok(None) => inner.takes_objects(&scope).await,
                    Err(error) => Err(error),
                };
                *broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(end.err()?);
                Some((Err(BackendError::new(ErrorKind::Conflict, "the put was broken off")), None))
            }
        };
        stream::unfold(Some(bytes), next).boxed()
    }
}
