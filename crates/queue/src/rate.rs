//! How fast runs may start: a bucket of tokens that fills evenly. Whole numbers only, so that nothing is lost to rounding
//! and asking more often changes nothing.

use std::time::Duration;

use crate::limits::ValueError;

const NANOS: u128 = 1_000_000_000;

/// So many starts in so much time. As many may start at once after a quiet while; in any span of time no more start than
/// these and what the span adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    starts: u32,
    per: Duration,
}

impl Rate {
    /// A rate; without a start, or without a span of time, it is an error.
    pub fn new(starts: u32, per: Duration) -> Result<Self, ValueError> {
        if starts == 0 || per.is_zero() { Err(ValueError::Rate) } else { Ok(Self { starts, per }) }
    }

    /// How many.
    #[must_use]
    pub fn starts(self) -> u32 {
        self.starts
    }

    /// In how much time.
    #[must_use]
    pub fn per(self) -> Duration {
        self.per
    }
}

/// What is left of a rate. A nanosecond adds `starts` to the credit, and a start takes as much as `per` has nanoseconds.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    pub(crate) rate: Rate,
    credit: u128,
    at: Duration,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, credit: full(rate), at: Duration::ZERO }
    }

    /// Whether something may start. A time that lies before one that was told is taken for that.
    pub(crate) fn allows(&self, now: Duration) -> bool {
        self.credit(now) >= self.rate.per.as_nanos()
    }

    /// Counts a start.
    pub(crate) fn take(&mut self, now: Duration) {
        self.credit = self.credit(now).saturating_sub(self.rate.per.as_nanos());
        self.at = self.at.max(now);
    }

    /// When something may start, if not now.
    pub(crate) fn next(&self, now: Duration) -> Option<Duration> {
        let missing =
            self.rate.per.as_nanos().checked_sub(self.credit(now)).filter(|missing| *missing > 0)?;
        let wait = missing.div_ceil(u128::from(self.rate.starts));
        let seconds = u64::try_from(wait / NANOS).unwrap_or(u64::MAX);
        let rest = u32::try_from(wait % NANOS).unwrap_or_default();
        Some(self.at.max(now).saturating_add(Duration::new(seconds, rest)))
    }

    fn credit(&self, now: Duration) -> u128 {
        let more = now.saturating_sub(self.at).as_nanos().saturating_mul(u128::from(self.rate.starts));
        self.credit.saturating_add(more).min(full(self.rate))
    }
}

fn full(rate: Rate) -> u128 {
    rate.per.as_nanos().saturating_mul(u128::from(rate.starts))
}
