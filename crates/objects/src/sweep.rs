//! What removes objects: one, those of a run, those of a pipeline.

use std::ops::Range;

use gofer_backend::ErrorKind;
use gofer_object_store::{KeyPrefix, MAX_PAGE, ObjectKey, PageRequest};
use gofer_types::{ObjectScope as Scope, PipelineRef, RunNumber, RunRef};

use crate::account::Ticket;
use crate::error::Result;
use crate::path::{self, Layout as _, ObjectPath};
use crate::types::Removed;
use crate::{Inner, Objects};

/// How many runs are named at once.
const RUNS: usize = 100;

impl Inner {
    /// Removes what is under a key, and says how many bytes that were; `None` if nothing was there.
    async fn remove(&self, scope: &Scope, key: &ObjectKey, ticket: &Ticket) -> Result<Option<u64>> {
        let mut turn = self.desks.turn(scope).await;
        let (size, known) = match self.store.head(key).await {
            Ok(meta) => (meta.size, true),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            // damaged: nobody knows its size
            Err(error) if error.kind() == ErrorKind::Internal => (0, false),
            Err(error) => return Err(error.into()),
        };
        let count = turn.count.take();
        self.delete(key, size, ticket).await?;
        turn.count = count.filter(|_| known).map(|count| count.saturating_sub(1));
        if !known {
            ticket.doubt();
        }
        Ok(Some(size))
    }

    /// Removes everything below a prefix of a pipeline, in the order of the keys.
    async fn clear(&self, pipeline: &PipelineRef, prefix: &KeyPrefix) -> Result<Removed> {
        let ticket = self.accounts.enter(&pipeline.namespace).await?;
        let mut request = PageRequest::first(MAX_PAGE);
        let mut removed = Removed::default();
        loop {
            let page = self.store.list(prefix, request.clone()).await?;
            for key in page.objects.into_iter().map(|meta| meta.key).chain(page.damaged) {
                let scope = match path::run_of(&key) {
                    Some(run) => Scope::Run(pipeline.run(run)),
                    None => Scope::Pipeline(pipeline.clone()),
                };
                let size = self.remove(&scope, &key, &ticket).await?;
                removed.objects += u64::from(size.is_some());
                removed.bytes = removed.bytes.saturating_add(size.unwrap_or(0));
            }
            request.after = page.next;
            if request.after.is_none() {
                return Ok(removed);
            }
        }
    }
}

impl Objects {
    /// Deletes an object, and says whether it was there. Idempotent.
    pub async fn delete(&self, scope: &Scope, path: &ObjectPath) -> Result<bool> {
        let ticket = self.inner.accounts.enter(scope.namespace()).await?;
        Ok(self.inner.remove(scope, &scope.key(path)?, &ticket).await?.is_some())
    }

    /// Deletes all objects of a run and ends the puts that are on their way to it. Idempotent; a repeated one goes on.
    ///
    /// Whoever calls it has seen to it before that no new put begins.
    pub async fn expire_run(&self, run: &RunRef) -> Result<Removed> {
        let scope = Scope::Run(run.clone());
        self.inner.desks.close(|other| *other == scope).await;
        self.inner.clear(&run.pipeline, &scope.prefix(None)?).await
    }

    /// The same for a pipeline and all of its runs.
    pub async fn delete_pipeline(&self, pipeline: &PipelineRef) -> Result<Removed> {
        self.inner.desks.close(|scope| scope.pipeline() == pipeline).await;
        self.inner.clear(pipeline, &path::of_pipeline(pipeline)?).await
    }

    /// The runs with objects from one number to below another, oldest first; at most 100 of them.
    pub async fn runs(&self, pipeline: &PipelineRef, numbers: Range<u64>) -> Result<Vec<RunNumber>> {
        let prefix = path::of_runs(pipeline)?;
        let before = numbers.start.checked_sub(1).map(RunNumber);
        let after = before.map(|before| path::behind_run(pipeline, before)).transpose()?;
        let mut request = PageRequest { after, limit: MAX_PAGE };
        let mut runs = Vec::new();
        loop {
            let page = self.inner.store.list(&prefix, request).await?;
            let mut keys: Vec<&ObjectKey> = page.objects.iter().map(|meta| &meta.key).collect();
            keys.extend(&page.damaged);
            keys.sort_unstable();
            for run in keys.into_iter().filter_map(path::run_of).filter(|run| run.0 >= numbers.start) {
                if run.0 >= numbers.end {
                    return Ok(runs);
                }
                if runs.last() != Some(&run) {
                    runs.push(run);
                }
                if runs.len() == RUNS {
                    return Ok(runs);
                }
            }
            match page.next {
                Some(next) => request = PageRequest { after: Some(next), limit: MAX_PAGE },
                None => return Ok(runs),
            }
        }
    }
}
