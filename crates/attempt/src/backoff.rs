//! Waits between tries.

use std::time::Duration;

/// Waits that grow from try to try, up to a limit.
#[derive(Debug, Clone, Copy)]
pub struct Backoff(Duration);

impl Backoff {
    /// The first wait.
    const FIRST: Duration = Duration::from_millis(50);

    /// The longest wait.
    const LONGEST: Duration = Duration::from_secs(15);

    /// Waits from the shortest on.
    #[must_use]
    pub fn new() -> Self {
        Self(Self::FIRST)
    }

    /// The next wait; no shorter than what the backend asks for, within reason.
    pub fn next(&mut self, asked: Option<Duration>) -> Duration {
        let wait = self.0;
        self.0 = (self.0 * 2).min(Self::LONGEST);
        asked.map_or(wait, |asked| asked.clamp(wait, Self::LONGEST * 4))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}
