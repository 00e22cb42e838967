//! The clock of a real server. Besides it only the process scheduler and the command line read the machine's clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use gofer_backend::Clock;
use gofer_types::Timestamp;

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic reading begins now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        clippy::new_without_default,
        reason = "this type is what everybody else is told to use, and two of it are not the same"
    )]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this type is what everybody else is told to use")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    async fn sleep_until(&self, deadline: Duration) {
        match self.origin.checked_add(deadline) {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            // A deadline beyond what the machine can count to never comes.
            None => std::future::pending().await,
        }
    }
}
