//! The one place where this suite reads a clock and lets time pass.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Since when, for figures and for limits.
#[expect(clippy::disallowed_methods, reason = "real processes are measured; there is no clock to hand in")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The wall time as a tracer and `date` write it: seconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "compared with the wall time that other processes wrote down")]
pub(crate) fn wall() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Lets so much time pass, where the moment or the length of something is what a scenario is about.
pub(crate) async fn pass(span: Duration) {
    // sleeps: the caller wants this moment or this length, and waits for nothing
    tokio::time::sleep(span).await;
}
