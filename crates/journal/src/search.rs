//! Looking through the event log: from a time on, forwards, backwards, and waiting for what comes.

use gofer_records::Result;
use gofer_types::{Event, Timestamp};

use crate::event_log::EventLog;
use crate::fate::Fate;

/// How many events are looked at at once.
const STEP: usize = 512;

/// How many events one page looks at, so that a rare match cannot hold the storage for long.
const BUDGET: usize = 20_000;

/// What a look through the log found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The wanted events, in the order of the look.
    pub events: Vec<Event>,
    /// Where to go on; `None` if everything was looked at.
    pub next: Option<u64>,
}

impl EventLog {
    /// Waits for an event at or behind that number; fails when the engine stops.
    pub async fn wait_for(&self, from: u64, fate: &Fate) -> crate::Result<()> {
        let mut signal = self.signal();
        tokio::select! {
            biased;
            _ = signal.wait_for(|last| *last >= from) => Ok(()),
            () = fate.stop().cancelled() => Err(fate.error()),
        }
    }

    /// The number of the first event at or after a time: found by halving, as the log is in the order of time.
    pub async fn first_since(&self, since: Timestamp) -> Result<u64> {
        let (mut low, mut high) = (1, self.last() + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let (events, _) = self.read(middle, 1).await?;
            match events.first() {
                Some(event) if event.at < since => low = event.seq + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// At most `size` wanted events from a number on, oldest first. There may be fewer although more follow.
    pub async fn forwards(
        &self,
        wants: impl Fn(&Event) -> bool,
        mut from: u64,
        size: usize,
    ) -> Result<Found> {
        let mut found = Vec::new();
        for _ in 0..BUDGET / STEP {
            let (events, next) = self.read(from, STEP).await?;
            for event in &events {
                if found.len() == size {
                    return Ok(Found { events: found, next: Some(event.seq) });
                }
                if wants(event) {
                    found.push(Event::clone(event));
                }
            }
            from = next;
            if from > self.last() {
                return Ok(Found { events: found, next: None });
            }
        }
        Ok(Found { events: found, next: Some(from) })
    }

    /// At most `size` wanted events below a number and not below the first, newest first. There may be fewer although more
    /// follow.
    pub async fn backwards(
        &self,
        wants: impl Fn(&Event) -> bool,
        (mut below, first): (u64, u64),
        size: usize,
    ) -> Result<Found> {
        let mut found = Vec::new();
        for _ in 0..BUDGET / STEP {
            let (events, last) = self.records.events_below(below, STEP).await?;
            for event in events.into_iter().filter(|event| event.seq >= first) {
                if found.len() == size {
                    return Ok(Found { events: found, next: Some(event.seq + 1) });
                }
                if wants(&event) {
                    found.push(event);
                }
            }
            if last <= first {
                return Ok(Found { events: found, next: None });
            }
            below = last;
        }
        Ok(Found { events: found, next: Some(below) })
    }
}
