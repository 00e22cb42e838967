//! The event log as it is read: what is stored, with the newest entries at hand, and a signal for followers.
//!
//! A follower holds a number, not a queue: it reads and is woken, so that one that never reads holds up nobody.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use gofer_records::{Records, Result};
use gofer_types::{Event, Timestamp};
use tokio::sync::watch;

use crate::committer::Committer;

/// How many of the newest events are kept at hand.
const AT_HAND: usize = 4096;

/// The event log.
#[derive(Debug)]
pub struct EventLog {
    pub(crate) records: Records,
    newest: Mutex<VecDeque<Arc<Event>>>,
    last: watch::Sender<u64>,
}

impl EventLog {
    /// The log whose newest entry has that number.
    #[must_use]
    pub fn new(records: Records, last: u64) -> Self {
        Self { records, newest: Mutex::default(), last: watch::Sender::new(last) }
    }

    /// Tells of events that are durable now.
    pub(crate) fn publish(&self, events: Vec<Arc<Event>>) {
        let Some(last) = events.last().map(|event| event.seq) else { return };
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.extend(events);
        let surplus = newest.len().saturating_sub(AT_HAND);
        newest.drain(..surplus);
        drop(newest);
        self.last.send_replace(last);
    }

    /// Forgets the events below a number: they are deleted.
    fn forget(&self, below: u64) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let old = newest.iter().take_while(|event| event.seq < below).count();
        newest.drain(..old);
    }

    /// Deletes what is beyond the newest so many events (0: all are kept), and what is older than a time. Repeatable: an
    /// interrupted one goes on with the next.
    pub async fn trim(
        &self,
        committer: &Committer,
        keep: u64,
        since: Option<Timestamp>,
    ) -> crate::Result<()> {
        let mut below = if keep == 0 { 0 } else { (self.last() + 1).saturating_sub(keep) };
        if let Some(since) = since {
            below = below.max(self.first_since(since).await?);
        }
        self.forget(below);
        while let Some(tx) = self.records.event_deletion_step(below).await? {
            committer.commit(tx).await?;
        }
        Ok(())
    }

    /// The number of the newest event.
    #[must_use]
    pub fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// Wakes when there are newer events.
    #[must_use]
    pub fn signal(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// At most `limit` events from a number on, and the number behind the last one that was looked at.
    pub async fn read(&self, from: u64, limit: usize) -> Result<(Vec<Arc<Event>>, u64)> {
        if from > self.last() {
            return Ok((Vec::new(), from));
        }
        if let Some(events) = self.at_hand(from, limit) {
            let next = events.last().map_or(from, |event| event.seq + 1);
            return Ok((events, next));
        }
        let (events, next) = self.records.events(from, limit).await?;
        Ok((events.into_iter().map(Arc::new).collect(), next))
    }

    fn at_hand(&self, from: u64, limit: usize) -> Option<Vec<Arc<Event>>> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = from.checked_sub(newest.front()?.seq)?;
        let skipped = usize::try_from(skipped).ok()?;
        Some(newest.iter().skip(skipped).take(limit).map(Arc::clone).collect())
    }
}
