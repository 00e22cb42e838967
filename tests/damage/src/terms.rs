//! What a scenario is told: the seed, and how much of everything there is to be.

use std::time::Duration;

use gofer_tests_e2e::crash::Dice;
use rustix::time::{ClockId, clock_gettime};

/// The terms of one run of a scenario.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// All chance follows from it.
    pub seed: u64,
    /// 1 is everything; less is a share of it.
    pub scale: f64,
}

impl Terms {
    /// So many at this scale, at least one.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "small numbers"
    )]
    pub fn scaled(&self, full: u64) -> u64 {
        ((full as f64 * self.scale).round() as u64).max(1)
    }

    /// A generator of its own for each stream of chance, so that they do not depend on each other's order.
    #[must_use]
    pub fn dice(&self, stream: u64) -> Dice {
        let mixed =
            (self.seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mut dice = Dice::with(mixed ^ (mixed >> 31));
        // The first numbers of near seeds are near to each other.
        (0..8).for_each(|_| {
            let _ = dice.below(2);
        });
        dice
    }
}

/// The machine's monotonic clock.
#[must_use]
pub fn now() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
