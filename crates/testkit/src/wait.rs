//! Waiting on a condition: checked often, with a generous limit, and a failure that prints what was last seen.
//!
//! This is the one place in tests where time passes. A condition answers `Ok` with what was waited for, or `Err` with
//! what it saw instead; the last of these is printed when the limit is reached. It must not be used to wait "long
//! enough" for something not to happen.

use std::fmt::Display;
use std::future::Future;
use std::panic::Location;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// How long to wait, and for what.
#[derive(Debug, Clone)]
pub struct Waiter {
    what: String,
    limit: Duration,
    place: &'static Location<'static>,
}

impl Waiter {
    /// Waits for `what`, which completes the sentence "waited for ...".
    #[must_use]
    #[track_caller]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), limit: LIMIT, place: Location::caller() }
    }

    /// Waits at most this long instead of 30 seconds.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Waits until the condition answers `Ok`.
    ///
    /// # Panics
    /// If it does not within the limit.
    pub async fn until<T, S, F, Fut>(self, mut condition: F) -> T
    where
        S: Display,
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, S>>,
    {
        let mut pacer = Pacer::new(self.limit);
        loop {
            let last = match condition().await {
                Ok(value) => return value,
                Err(status) => status,
            };
            match pacer.next_pause() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => self.fail(&last),
            }
        }
    }

    /// Waits until the condition answers `Ok`, without a runtime.
    ///
    /// # Panics
    /// If it does not within the limit.
    pub fn until_blocking<T, S: Display>(self, mut condition: impl FnMut() -> Result<T, S>) -> T {
        let mut pacer = Pacer::new(self.limit);
        loop {
            let last = match condition() {
                Ok(value) => return value,
                Err(status) => status,
            };
            match pacer.next_pause() {
                Some(pause) => block(pause),
                None => self.fail(&last),
            }
        }
    }

    fn fail(&self, last: &dyn Display) -> ! {
        panic!("waited {:?} for {}; last seen: {last} (at {})", self.limit, self.what, self.place)
    }
}

/// Waits up to 30 seconds until the condition answers `Ok`; its last `Err` is printed if it never does.
///
/// # Panics
/// If it does not within the limit.
#[track_caller]
pub fn wait_for<T, S, F, Fut>(what: &str, condition: F) -> impl Future<Output = T> + use<T, S, F, Fut>
where
    S: Display,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, S>>,
{
    Waiter::new(what).until(condition)
}

/// [`wait_for`] for tests without a runtime.
///
/// # Panics
/// If the condition does not hold within 30 seconds.
#[track_caller]
pub fn wait_for_blocking<T, S: Display>(what: &str, condition: impl FnMut() -> Result<T, S>) -> T {
    Waiter::new(what).until_blocking(condition)
}

/// Grows the pause between checks, and ends when the limit is reached.
struct Pacer {
    started: Instant,
    limit: Duration,
    pause: Duration,
}

impl Pacer {
    #[expect(
        clippy::disallowed_methods,
        reason = "real processes are waited for; there is no clock to hand in"
    )]
    fn new(limit: Duration) -> Self {
        Self { started: Instant::now(), limit, pause: FIRST_PAUSE }
    }

    fn next_pause(&mut self) -> Option<Duration> {
        if self.started.elapsed() >= self.limit {
            return None;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        Some(pause)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the replacement that the ban names")]
fn block(pause: Duration) {
    std::thread::sleep(pause);
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn message_of(failing: impl FnOnce() + std::panic::UnwindSafe) -> String {
        let payload = std::panic::catch_unwind(failing).expect_err("it must fail");
        payload.downcast_ref::<String>().cloned().expect("a text")
    }

    #[test]
    fn the_value_of_the_condition_is_answered() {
        let calls = Cell::new(0);
        let value = wait_for_blocking("the third call", || {
            calls.set(calls.get() + 1);
            if calls.get() == 3 { Ok("there") } else { Err(calls.get()) }
        });
        assert_eq!((value, calls.get()), ("there", 3));
    }

    #[test]
    fn a_failure_names_what_was_waited_for_and_what_was_seen_last() {
        let text = message_of(|| {
            let waiter = Waiter::new("rain").limit(Duration::from_millis(5));
            waiter.until_blocking(|| Err::<(), _>("sunshine"));
        });
        assert!(text.contains("waited 5ms for rain; last seen: sunshine"), "{text}");
        assert!(text.contains("wait.rs:"), "{text}");
    }

    #[tokio::test]
    async fn a_condition_may_be_asynchronous() {
        let calls = Cell::new(0);
        let counted = wait_for("the second call", || {
            calls.set(calls.get() + 1);
            let count = calls.get();
            async move { if count == 2 { Ok(count) } else { Err("not yet") } }
        });
        assert_eq!(counted.await, 2);
    }
}
