//! Points in time and spans.

use std::time::Duration;

use gofer_types::Timestamp;

const MICROS: i64 = 1_000_000;

/// A point in wall time.
#[must_use]
pub fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    let micros = time.as_micros();
    let nanos = i32::try_from(micros.rem_euclid(MICROS) * 1_000).unwrap_or(0);
    prost_types::Timestamp { seconds: micros.div_euclid(MICROS), nanos }
}

/// A span.
#[must_use]
pub fn duration(span: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or(0),
    }
}

/// A point in wall time that a caller sent; `None` if it is none, or further away than we can count.
#[must_use]
pub fn from_timestamp(time: &prost_types::Timestamp) -> Option<Timestamp> {
    if !(0..1_000_000_000).contains(&time.nanos) {
        return None;
    }
    let micros = time.seconds.checked_mul(MICROS)?.checked_add(i64::from(time.nanos / 1_000))?;
    Some(Timestamp::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_the_epoch_keep_positive_nanos() {
        let time = timestamp(Timestamp::from_micros(-1));
        assert_eq!((time.seconds, time.nanos), (-1, 999_999_000));
        assert_eq!(from_timestamp(&time), Some(Timestamp::from_micros(-1)));
    }

    #[test]
    fn times_that_are_none_are_refused() {
        for (seconds, nanos) in [(0, -1), (0, 1_000_000_000), (i64::MAX, 0), (i64::MIN, 0)] {
            assert_eq!(from_timestamp(&prost_types::Timestamp { seconds, nanos }), None);
        }
    }
}
