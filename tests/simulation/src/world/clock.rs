//! Virtual time: the runtime's paused clock, and a wall that jumps.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gofer_backend::Clock;
use gofer_types::{BootTime, Timestamp};

/// What the wall shows in the beginning, in microseconds.
const BEGINNING: i64 = 1_800_000_000_000_000;

/// The monotonic time of a time of a wall that never jumped.
#[must_use]
pub fn monotonic(at: Timestamp) -> Duration {
    at.since(Timestamp::from_micros(BEGINNING))
}

/// The clock of a history.
#[derive(Debug)]
pub struct SimClock {
    origin: tokio::time::Instant,
    jump: AtomicI64,
    boots: AtomicU64,
}

impl SimClock {
    /// A clock that begins now. Must be called within a runtime whose time is paused.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock: time is paused and belongs to the history"
    )]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            origin: tokio::time::Instant::now(),
            jump: AtomicI64::new(0),
            boots: AtomicU64::new(1),
        })
    }

    /// The machine starts anew: its own clock begins again, and says so.
    pub fn boot(&self) {
        self.boots.fetch_add(1, Ordering::SeqCst);
    }

    /// Moves the wall, and not the time that passes.
    pub fn jump(&self, seconds: i64) {
        self.jump.fetch_add(seconds.saturating_mul(1_000_000), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.origin.elapsed().as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(BEGINNING + passed + self.jump.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    fn since_boot(&self) -> Option<BootTime> {
        Some(BootTime::new(self.boots.load(Ordering::SeqCst), self.origin.elapsed()))
    }

    async fn sleep_until(&self, deadline: Duration) {
        tokio::time::sleep_until(self.origin + deadline).await;
    }
}
