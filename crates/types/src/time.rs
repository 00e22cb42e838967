//! Points in time and spans.
//!
//! Wall time is for people; no decision is made on it. Decisions use spans on a monotonic clock, which is handed in by
//! `gofer_backend::Clock`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in wall time: microseconds since 1970-01-01 UTC. Printed as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The span since an earlier point; zero if the clock went backwards in between.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This point moved into the future; the last representable point if that would overflow.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time:.6}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

/// A reading of the clock that a machine has had since its boot, and a number that tells that boot from others. Nothing that
/// happens to the wall clock moves it, and another process reads the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootTime {
    boot: u64,
    micros: u64,
}

impl BootTime {
    /// That long behind that boot.
    #[must_use]
    pub fn new(boot: u64, since: Duration) -> Self {
        Self { boot, micros: u64::try_from(since.as_micros()).unwrap_or(u64::MAX) }
    }

    /// This reading moved into the future; the last one if that would overflow.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let span = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self { micros: self.micros.saturating_add(span), ..self }
    }

    /// This reading moved into the past; that of the boot if there was nothing before.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        let span = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self { micros: self.micros.saturating_sub(span), ..self }
    }

    /// The span since an earlier reading, zero if that is the later one; `None` if it is of another boot.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<Duration> {
        (self.boot == earlier.boot).then(|| Duration::from_micros(self.micros.saturating_sub(earlier.micros)))
    }
}

/// A moment on both clocks: the wall's, which people read, and the machine's own, by which spans are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What the wall shows.
    pub wall: Timestamp,
    /// What the machine's clock shows, if it can be told.
    pub boot: Option<BootTime>,
}

impl Moment {
    /// This moment moved into the future.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self { wall: self.wall.plus(span), boot: self.boot.map(|boot| boot.plus(span)) }
    }

    /// The span since an earlier moment. Across a boot, and where the machine's clock cannot be told, the wall has to do.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let measured = self.boot.zip(earlier.boot).and_then(|(now, then)| now.since(then));
        measured.unwrap_or_else(|| self.wall.since(earlier.wall))
    }
}

/// Why a text is not a span or a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct QuantityError {
    /// The text as it was given.
    pub text: String,
    /// What would have been accepted, with an example.
    pub wanted: &'static str,
}

/// A span of time with the text form of pipeline and configuration files: `90s`, `1h30m`, `250ms`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Span(Duration);

impl Span {
    /// A span of whole seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// A span of whole milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// The span as the standard library knows it.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

const UNITS: [(&str, u64); 6] =
    [("d", 86_400_000), ("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1_000), ("us", 0)];

impl FromStr for Span {
    type Err = QuantityError;

    /// Reads a sequence of whole numbers with units `d h m s ms`, each unit at most once: `1h30m`. A bare `0` is zero.
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let fail = || QuantityError {
            text: text.to_owned(),
            wanted: "a duration such as `30s`, `5m`, `1h30m` or `250ms`",
        };
        if text == "0" {
            return Ok(Self::default());
        }
        let mut rest = text;
        let mut total: u64 = 0;
        let mut last = u64::MAX;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(fail)?;
            let number: u64 = rest[..digits].parse().map_err(|_| fail())?;
            let unit_end =
                rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |n| digits + n);
            let unit = &rest[digits..unit_end];
            let (_, scale) =
                UNITS.iter().find(|(name, scale)| *name == unit && *scale > 0).ok_or_else(fail)?;
            if *scale >= last {
                return Err(fail());
            }
            last = *scale;
            total = number.checked_mul(*scale).and_then(|n| total.checked_add(n)).ok_or_else(fail)?;
            rest = &rest[unit_end..];
        }
        if text.is_empty() { Err(fail()) } else { Ok(Self::from_millis(total)) }
    }
}

impl fmt::Display for Span {
    /// The shortest text that [`Span::from_str`] reads back to the same span, to the millisecond.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return f.write_str("0s");
        }
        for (unit, scale) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
            if millis >= scale {
                write!(f, "{}{unit}", millis / scale)?;
                millis %= scale;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_timestamp_prints_as_rfc_3339_in_utc() {
        assert_eq!(Timestamp::from_micros(1_500_000).to_string(), "1970-01-01T00:00:01.500000Z");
    }

    #[test]
    fn a_span_since_a_later_point_is_zero() {
        assert_eq!(Timestamp::from_micros(1).since(Timestamp::from_micros(5)), Duration::ZERO);
    }

    fn moment(wall: i64, boot: Option<(u64, u64)>) -> Moment {
        let boot = boot.map(|(boot, secs)| BootTime::new(boot, Duration::from_secs(secs)));
        Moment { wall: Timestamp::from_micros(wall * 1_000_000), boot }
    }

    #[test]
    fn within_one_boot_a_span_is_what_the_machine_measured_whatever_the_wall_did() {
        for jump in [86_400, -86_400, 0] {
            let (then, now) = (moment(1_000, Some((7, 10))), moment(1_030 + jump, Some((7, 40))));
            assert_eq!(
                (now.since(then), then.since(now)),
                (Duration::from_secs(30), Duration::ZERO),
                "{jump}"
            );
            assert_eq!(now.plus(Duration::from_secs(5)).since(then), Duration::from_secs(35));
        }
    }

    #[test]
    fn across_a_boot_and_without_a_clock_of_the_machine_the_wall_has_to_do() {
        let then = moment(1_000, Some((7, 10)));
        for boot in [Some((8, 2)), None] {
            assert_eq!(moment(1_025, boot).since(then), Duration::from_secs(25));
            assert_eq!(then.since(moment(1_025, boot)), Duration::ZERO);
        }
    }

    #[test]
    fn spans_read_as_people_write_them() {
        assert_eq!("1h30m".parse(), Ok(Span::from_secs(5400)));
        assert_eq!("250ms".parse(), Ok(Span::from_millis(250)));
        assert_eq!("0".parse(), Ok(Span::default()));
    }

    #[test]
    fn what_is_not_a_span_is_refused() {
        for text in ["", "5", "m", "1m1m", "1s1h", "-1s", "1.5h", "99999999999999999999s", "1w", "5us"] {
            assert!(text.parse::<Span>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_span_reads_back(millis in 0_u64..u64::from(u32::MAX)) {
            let span = Span::from_millis(millis);
            prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
        }
    }
}
