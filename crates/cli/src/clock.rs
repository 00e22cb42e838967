//! The wall time of this machine: for ages, for `--since`, for telling how far the clock of the server is off.

use gofer_types::Timestamp;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the command line is where people's time comes from")]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// A time as people type it: RFC 3339, or how long ago.
pub(crate) fn point(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(span) = text.parse::<gofer_types::Span>() {
        let micros = i64::try_from(span.get().as_micros()).ok()?;
        return Some(Timestamp::from_micros(now.as_micros().saturating_sub(micros)));
    }
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_micros(at.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_type_them() {
        let now = Timestamp::from_micros(100_000_000);
        assert_eq!(point("10s", now), Some(Timestamp::from_micros(90_000_000)));
        assert_eq!(point("1970-01-01T00:01:00+01:00", now).map(Timestamp::as_micros), Some(-3_540_000_000));
        assert_eq!(point("yesterday", now), None);
    }
}
