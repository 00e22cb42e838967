//! The event log for callers: listed by pages, or followed without a hole.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use gofer_types::{Event, EventKind, Namespace, PipelineRef};

use crate::Engine;
use crate::api::{EventFilter, EventPage, EventPages, EventRange, Listing, Page};
use crate::driver::Inner;
use crate::error::{EngineError, Result};

/// How many events are looked at at once.
const STEP: usize = 512;

/// How many events one page looks at, so that a rare match cannot hold the storage for long.
const BUDGET: usize = 20_000;

impl EventFilter {
    /// Whether an event is wanted.
    fn wants(&self, event: &Event) -> bool {
        let typed = self.types.is_empty() || self.types.iter().any(|name| name == event.kind.as_str());
        typed && self.wants_place(&event.kind)
    }

    fn wants_place(&self, kind: &EventKind) -> bool {
        let (namespace, pipeline) = place(kind);
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

/// The namespace and the pipeline that an event is about.
fn place(kind: &EventKind) -> (Option<&Namespace>, Option<&PipelineRef>) {
    let pipeline = match kind {
        EventKind::VersionRegistered { pipeline, .. }
        | EventKind::PipelineEnabled { pipeline, .. }
        | EventKind::PipelineDeleted { pipeline } => Some(pipeline),
        other => other.run().map(|run| &run.pipeline),
    };
    let namespace = match kind {
        EventKind::NamespaceCreated { namespace } | EventKind::NamespaceDeleted { namespace } => {
            Some(namespace)
        }
        _ => pipeline.map(|pipeline| &pipeline.namespace),
    };
    (namespace, pipeline)
}

impl Inner {
    /// The first event at or after a time: found by halving, as the log is in the order of time.
    async fn first_since(&self, range: &EventRange) -> Result<u64> {
        let Some(since) = range.since else { return Ok(range.from_seq.max(1)) };
        let (mut low, mut high) = (range.from_seq.max(1), self.events.last() + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let (events, _) = self.events.read(middle, 1).await?;
            match events.first() {
                Some(event) if event.at < since => low = event.seq + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    async fn forwards(
        &self,
        filter: &EventFilter,
        mut from: u64,
        size: usize,
    ) -> Result<(Vec<Event>, Option<u64>)> {
        let mut items = Vec::new();
        for _ in 0..BUDGET / STEP {
            let (events, next) = self.events.read(from, STEP).await?;
            for event in &events {
                if items.len() == size {
                    return Ok((items, Some(event.seq)));
                }
                if filter.wants(event) {
                    items.push(Event::clone(event));
                }
            }
            from = next;
            if from > self.events.last() {
                return Ok((items, None));
            }
        }
        Ok((items, Some(from)))
    }

    async fn backwards(
        &self,
        filter: &EventFilter,
        (mut below, first): (u64, u64),
        size: usize,
    ) -> Result<(Vec<Event>, Option<u64>)> {
        let mut items = Vec::new();
        for _ in 0..BUDGET / STEP {
            let (events, last) = self.records.events_below(below, STEP).await?;
            for event in events.into_iter().filter(|event| event.seq >= first) {
                if items.len() == size {
                    return Ok((items, Some(event.seq + 1)));
                }
                if filter.wants(&event) {
                    items.push(event);
                }
            }
            if last <= first {
                return Ok((items, None));
            }
            below = last;
        }
        Ok((items, Some(below)))
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
        let first = self.inner.first_since(&range).await?;
        let (items, next) = if range.newest_first {
            let below = token.unwrap_or_else(|| self.inner.events.last() + 1);
            self.inner.backwards(&filter, (below, first), size).await?
        } else {
            self.inner.forwards(&filter, token.unwrap_or(first), size).await?
        };
        Ok(Listing { items, next: next.map(|seq| gofer_records::token_seq(seq, range.newest_first)) })
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
    inner.await_event(from).await?;
    let (events, next) = inner.events.read(from, STEP).await?;
    if next <= from {
        return Err(EngineError::EventsMissing { from });
    }
    let events = events.iter().filter(|event| filter.wants(event)).map(|event| Event::clone(event)).collect();
    Ok(EventPage { events, seq: next - 1 })
}
