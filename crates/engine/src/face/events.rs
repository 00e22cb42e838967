//! The event log for callers: listed by pages, or followed without a hole.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use gofer_readers::about;
use gofer_types::{Event, EventKind, Namespace};

use crate::Engine;
use crate::api::{EventFilter, EventPage, EventPages, EventRange, Listing, Page};
use crate::driver::Inner;
use crate::error::{EngineError, Result};

/// How many events a follower looks at at once.
const STEP: usize = 512;

impl EventFilter {
    /// Whether an event is wanted.
    fn wants(&self, event: &Event) -> bool {
        let typed = self.types.is_empty() || self.types.iter().any(|name| name == event.kind.as_str());
        typed && self.wants_place(&event.kind)
    }

    fn wants_place(&self, kind: &EventKind) -> bool {
        let (namespace, pipeline) = about(kind);
        let default = Namespace::default_name();
        let wanted = match (&self.namespace, &self.pipeline) {
            (None, Some(_)) => Some(&default),
            (namespace, _) => namespace.as_ref(),
        };
        let in_namespace = wanted.is_none_or(|wanted| namespace == Some(wanted));
        let in_pipeline = self
            .pipeline
            .as_ref()
            .is_none_or(|wanted| pipeline.is_some_and(|found| found.pipeline == *wanted));
        let in_run = self.run.is_none_or(|wanted| kind.run().is_some_and(|run| run.run == wanted));
        in_namespace && in_pipeline && in_run
    }
}

impl Engine {
    /// Events of the log, oldest first or newest first.
    pub async fn list_events(
        &self,
        filter: EventFilter,
        range: EventRange,
        page: Page,
    ) -> Result<Listing<Event>> {
        self.inner.fate.check()?;
        let size = page.wanted();
        let token = page.token.as_deref().filter(|token| !token.is_empty());
        let token = token.map(|token| gofer_records::untoken_seq(token, range.newest_first)).transpose()?;
        let log = &self.inner.events;
        let first = match range.since {
            Some(since) => log.first_since(since).await?.max(range.from_seq),
            None => range.from_seq,
        };
        let (first, wants) = (first.max(1), |event: &Event| filter.wants(event));
        let found = if range.newest_first {
            log.backwards(wants, (token.unwrap_or_else(|| log.last() + 1), first), size).await?
        } else {
            log.forwards(wants, token.unwrap_or(first), size).await?
        };
        let next = found.next.map(|seq| gofer_records::token_seq(seq, range.newest_first));
        Ok(Listing { items: found.events, next })
    }

    /// Every wanted event from a number on (0: from now on), without a hole, for as long as the caller listens.
    #[expect(
        clippy::unused_async,
        reason = "like every other call; a shared storage may have to be asked one day"
    )]
    pub async fn follow_events(&self, filter: EventFilter, from_seq: u64) -> Result<EventPages> {
        self.inner.fate.check()?;
        let inner = Arc::clone(&self.inner);
        let permit = inner.follower()?;
        let from = if from_seq == 0 { inner.events.last() + 1 } else { from_seq };
        let state = Some((inner, filter, from, permit));
        let pages = stream::unfold(state, |state| async {
            let (inner, filter, from, permit) = state?;
            match next_page(&inner, &filter, from).await {
                Ok(page) => {
                    let next = page.seq + 1;
                    Some((Ok(page), Some((inner, filter, next, permit))))
                }
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(pages.boxed())
    }
}

async fn next_page(inner: &Inner, filter: &EventFilter, from: u64) -> Result<EventPage> {
    inner.events.wait_for(from, &inner.fate).await?;
    let (events, next) = inner.events.read(from, STEP).await?;
    if next <= from {
        return Err(EngineError::EventsMissing { from });
    }
    let events = events.iter().filter(|event| filter.wants(event)).map(|event| Event::clone(event)).collect();
    Ok(EventPage { events, seq: next - 1 })
}
