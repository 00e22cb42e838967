//! Places in the output of a container.
//!
//! A place is a number of pieces from the beginning, which no clock can confuse. An engine that drops the oldest output
//! of a long log shifts all numbers; the times of the first piece and of the last one read tell of that.

use gofer_scheduler::LogCursor;

/// A place behind some pieces. All zero: before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// How many pieces stand before it.
    pub pieces: u64,
    /// When the first piece of the log was written, in nanoseconds.
    pub first: i64,
    /// When the last piece before this place was written.
    pub last: i64,
}

impl Place {
    /// The place in the words of the scheduler.
    #[must_use]
    pub fn cursor(self) -> LogCursor {
        if self.pieces == 0 {
            return LogCursor::start();
        }
        LogCursor(format!("{}.{}.{}", self.pieces, self.first, self.last))
    }

    /// The place behind one more piece, written at this time.
    #[must_use]
    pub fn behind(self, at: i64) -> Self {
        let first = if self.pieces == 0 { at } else { self.first };
        Self { pieces: self.pieces + 1, first, last: at }
    }

    /// Reads what [`Self::cursor`] wrote; nothing if it is anything else.
    #[must_use]
    pub fn parse(cursor: &LogCursor) -> Option<Self> {
        if *cursor == LogCursor::start() {
            return Some(Self::default());
        }
        let mut numbers = cursor.0.split('.').map(str::parse::<i64>);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(pieces @ 1..)), Some(Ok(first)), Some(Ok(last)), None) => {
                Some(Self { pieces: u64::try_from(pieces).ok()?, first, last })
            }
            _ => None,
        }
    }
}

/// What to do with a piece while the way leads to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It was read before.
    Skip,
    /// It follows the place.
    Take,
    /// It follows the place, and the engine has dropped what stood between.
    TakeBehindGap,
}

/// The way from the beginning of a log to a place in it.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    to: Place,
    passed: u64,
    /// Whether the log begins later than it did when the place was given out.
    shifted: bool,
    arrived: bool,
}

impl Way {
    /// A way that begins at the beginning of the log.
    #[must_use]
    pub fn to(place: Place) -> Self {
        Self { to: place, passed: 0, shifted: false, arrived: place.pieces == 0 }
    }

    /// Whether all that comes now follows the place.
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        self.arrived
    }

    /// One more piece, written at this time.
    pub fn step(&mut self, at: i64) -> Step {
        if self.arrived {
            return Step::Take;
        }
        if self.passed == 0 {
            self.shifted = at != self.to.first;
        }
        self.passed += 1;
        if !self.shifted {
            self.arrived = self.passed == self.to.pieces;
            return Step::Skip;
        }
        if at < self.to.last {
            return Step::Skip;
        }
        self.arrived = true;
        if at == self.to.last { Step::Skip } else { Step::TakeBehindGap }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(to: Place, log: &[i64]) -> Vec<Step> {
        let mut way = Way::to(to);
        log.iter().map(|at| way.step(*at)).collect()
    }

    #[test]
    fn a_cursor_reads_back_and_nothing_else_does() {
        let place = Place { pieces: 3, first: 1_700_000_000_000_000_000, last: 1_700_000_000_000_000_009 };
        assert_eq!(Place::parse(&place.cursor()).unwrap(), place);
        assert!(place.cursor().0.len() <= 128);
        assert_eq!(Place::default().cursor(), LogCursor::start(), "a log without a piece ends at its start");
        assert_eq!(Place::parse(&LogCursor::start()).unwrap(), Place::default());
        for text in
            ["nonsense", "-1", "99999999999999999999999", "1.2", "1.2.3.4", "-1.2.3", "0.1.2", "1.2.x"]
        {
            assert!(Place::parse(&LogCursor(text.to_owned())).is_none(), "{text}");
        }
    }

    #[test]
    fn the_way_leads_behind_what_was_read_whatever_the_clock_did() {
        let place = Place::default().behind(10).behind(5).behind(5);
        assert_eq!(place, Place { pieces: 3, first: 10, last: 5 });
        use Step::{Skip, Take};
        assert_eq!(steps(place, &[10, 5, 5, 5, 1]), [Skip, Skip, Skip, Take, Take]);
        assert_eq!(steps(Place::default(), &[10, 5]), [Take, Take]);
    }

    #[test]
    fn a_log_without_its_oldest_part_goes_on_behind_the_last_piece_or_a_gap() {
        use Step::{Skip, Take, TakeBehindGap};
        let place = Place { pieces: 4, first: 1, last: 4 };
        assert_eq!(steps(place, &[3, 4, 5]), [Skip, Skip, Take]);
        assert_eq!(steps(place, &[6, 7]), [TakeBehindGap, Take]);
    }
}
