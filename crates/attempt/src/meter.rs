//! Which news of a transfer is worth telling: few enough to be stored, often enough to be followed.

use std::time::Duration;

/// How far apart two pieces of news are at the least.
const APART: Duration = Duration::from_secs(1);

/// The progress of one transfer, as it is told: the first news, then each further tenth. That is at most eleven pieces of
/// news, however often the transfer begins anew and however its size changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Meter {
    /// When something was told last, and up to which tenth.
    told: Option<(Duration, u64)>,
}

impl Meter {
    /// Whether it is told now, on the monotonic clock, that so much of the whole is there. A transfer of which nothing is
    /// known is not told.
    pub(crate) fn is_news(&mut self, now: Duration, done: u64, total: u64) -> bool {
        if total == 0 {
            return false;
        }
        let tenth =
            u64::try_from(u128::from(done) * 10 / u128::from(total)).map_or(10, |tenth| tenth.min(10));
        let news = match self.told {
            None => true,
            Some((at, before)) => tenth > before && now.saturating_sub(at) >= APART,
        };
        if news {
            self.told = Some((now, tenth));
        }
        news
    }

    /// Whether it is told now that something is on its way of which nothing more is known.
    pub(crate) fn begins(&mut self, now: Duration) -> bool {
        self.told.is_none() && self.is_news(now, 0, 1)
    }

    /// Whether anything was told.
    #[must_use]
    pub(crate) fn has_told(&self) -> bool {
        self.told.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_first_news_and_each_tenth_are_told_a_second_apart() {
        let mut meter = Meter::default();
        assert!(!meter.is_news(at(0), 0, 0), "nothing is known");
        assert!(meter.is_news(at(1), 5, 100));
        assert!(!meter.is_news(at(5_000), 9, 100), "the same tenth");
        assert!(meter.is_news(at(5_000), 10, 100));
        assert!(!meter.is_news(at(5_999), 50, 100), "too soon");
        assert!(meter.is_news(at(6_000), 50, 100));
        assert!(!meter.is_news(at(9_000), 50, 1_000), "it grew");
        assert!(!meter.begins(at(9_000)));
    }

    proptest! {
        #[test]
        fn few_are_told_whatever_is_reported(
            reports in prop::collection::vec((0_u64..5_000, any::<u64>(), any::<u64>()), 0..500),
        ) {
            let (mut meter, mut now, mut told) = (Meter::default(), at(0), 0);
            for (later, done, total) in reports {
                now += at(later);
                told += u32::from(meter.is_news(now, done, total));
            }
            prop_assert!(told <= 11, "{told}");
        }
    }
}
