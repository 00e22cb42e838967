//! Runs: looked up, listed, cancelled.

use gofer_hall::Message;
use gofer_records::{PageRequest, RunFilter, Slice};
use gofer_types::record::CancelRequest;
use gofer_types::refs::RunSelector;
use gofer_types::{PipelineRef, RunRecord, RunRef};
use tokio::sync::oneshot;

use crate::Engine;
use crate::api::{Caller, Listing, Page};
use crate::driver::Inner;
use crate::error::{EngineError, Result};

/// The longest reason for a cancellation, in bytes.
const REASON: usize = 1024;

impl Inner {
    /// A run that is there.
    pub(crate) async fn run(&self, id: &RunRef) -> Result<RunRecord> {
        match self.records.run(id).await {
            Ok(Some(run)) => Ok(run),
            Ok(None) => {
                self.pipeline(&id.pipeline).await?;
                Err(EngineError::RunNotFound { id: id.clone() })
            }
            Err(error) if error.is_about_one_record() => {
                let reason = self.hall.why_set_aside(id).unwrap_or_else(|| error.chain());
                Err(EngineError::Quarantined { run: id.clone(), reason })
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn cancel(&self, id: &RunRef, request: CancelRequest) -> Result<(RunRecord, bool)> {
        if let Some(handle) = self.hall.find(id) {
            let (reply, answer) = oneshot::channel();
            let sent = handle.mailbox.send(Message::Cancel { request: Box::new(request), reply }).await;
            if sent.is_ok()
                && let Ok(answer) = answer.await
            {
                return Ok(answer);
            }
            self.fate.check()?;
        }
        let run = self.run(id).await?;
        if run.state.is_terminal() {
            return Ok((run, true));
        }
        match self.hall.why_set_aside(id) {
            Some(reason) => Err(EngineError::Quarantined { run: id.clone(), reason }),
            None => Err(self.fate.error().into()),
        }
    }

    /// The runs that have not ended, newest first: from the hall, so that it costs the same among a million ended ones.
    async fn active_runs(&self, filter: &RunFilter, page: PageRequest) -> Result<Slice<RunRecord>> {
        let after = page.token.as_deref().map(gofer_records::untoken_run).transpose()?;
        let listed = self.hall.listed(after, |run| filter.in_place(run), page.size + 1);
        let next = listed.get(page.size).and_then(|_| listed.get(page.size - 1));
        let next = next.map(|(created, run)| gofer_records::token_run(*created, run));
        let mut items = Vec::new();
        for (_, run) in listed.into_iter().take(page.size) {
            match self.records.run(&run).await {
                Ok(run) => items.extend(run.filter(|run| filter.wants(run))),
                Err(error) if error.is_about_one_record() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Slice { items, next })
    }
}

impl Engine {
    /// The run that a selector means.
    pub async fn resolve_run(&self, pipeline: &PipelineRef, selector: RunSelector) -> Result<RunRef> {
        self.inner.fate.check()?;
        let inner = &self.inner;
        inner.pipeline(pipeline).await?;
        let found = match selector {
            RunSelector::Number(number) => return Ok(inner.run(&pipeline.run(number)).await?.id),
            RunSelector::Latest => inner.records.newest_run(pipeline, |_| true).await?,
            RunSelector::LatestFailed => inner.records.newest_failed(pipeline).await?,
        };
        let missing = || EngineError::NoSuchRun { id: pipeline.clone(), selector };
        found.map(|number| pipeline.run(number)).ok_or_else(missing)
    }

    /// One run.
    pub async fn get_run(&self, id: &RunRef) -> Result<RunRecord> {
        self.inner.fate.check()?;
        self.inner.run(id).await
    }

    /// Runs, newest first. A page may have fewer items than wanted although more follow.
    pub async fn list_runs(&self, filter: RunFilter, page: Page) -> Result<Listing<RunRecord>> {
        self.inner.fate.check()?;
        let (inner, page) = (&self.inner, page.request());
        if let Some(name) = &filter.namespace {
            inner.namespace(name).await?;
        }
        if let Some(id) = filter.one_pipeline() {
            inner.pipeline(&id).await?;
        }
        let slice = match filter.is_about_active() {
            true => inner.active_runs(&filter, page).await?,
            false => inner.records.list_runs(&filter, &page).await?,
        };
        Ok(slice.into())
    }

    /// Records the wish that a run ends, and answers when the wish is durable; also whether the run had ended already.
    pub async fn cancel_run(
        &self,
        ctx: &Caller,
        id: &RunRef,
        reason: String,
        force: bool,
    ) -> Result<(RunRecord, bool)> {
        self.inner.fate.check()?;
        let mut reason = reason;
        let end = (0..=REASON.min(reason.len())).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);
        reason.truncate(end);
        let request = CancelRequest { actor: ctx.actor.clone(), reason, at: self.inner.clock.now(), force };
        self.inner.cancel(id, request).await
    }
}
