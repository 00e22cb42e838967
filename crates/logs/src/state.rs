//! What is known about one log: its segments, where entries are in them, and where the scheduler stood.
//!
//! Pure. The same [`LogState::absorb`] takes in the frames of a log that is opened and those that a writer has just
//! written, so what is known after a restart is what was known before.

use std::collections::BTreeMap;

use gofer_types::Timestamp;
use serde::{Deserialize, Serialize};

use crate::frame::{Fields, Frame, Kind, Parsed, parse};

/// A mark is set about every so many bytes: the most that is read in vain when a log is opened in its middle.
const MARK_EVERY: u64 = 256 * 1024;

/// For so many attempts the place of the scheduler is remembered; only the newest is ever resumed.
const REMEMBERED_ATTEMPTS: usize = 16;

/// A frame whose place is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    first_seq: u64,
    offset: u64,
    /// The latest time of all frames before this one.
    latest_before: i64,
}

/// One file of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segment {
    pub(crate) number: u32,
    pub(crate) first_seq: u64,
    /// How long its valid part is.
    pub(crate) end: u64,
    marks: Vec<Mark>,
}

/// What was dropped behind the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Whether the limit was reached.
    pub(crate) reached: bool,
    /// How many bytes were dropped since.
    pub(crate) dropped: u64,
    /// Whether more was dropped, of unknown size.
    pub(crate) and_more: bool,
}

impl Tally {
    pub(crate) fn encode(self) -> [u8; 9] {
        let mut out = [u8::from(self.and_more); 9];
        out[1..].copy_from_slice(&self.dropped.to_le_bytes());
        out
    }

    fn decode(payload: &[u8]) -> Option<Self> {
        let mut fields = Fields(payload);
        let and_more = fields.take()? == [1];
        Some(Self { reached: true, dropped: u64::from_le_bytes(fields.take()?), and_more })
    }

    pub(crate) fn add(&mut self, bytes: Option<u64>) {
        self.dropped = self.dropped.saturating_add(bytes.unwrap_or(0));
        self.and_more |= bytes.is_none();
    }

    /// The number of dropped bytes, if it is known.
    pub(crate) fn exact(self) -> Option<u64> {
        (!self.and_more).then_some(self.dropped)
    }
}

/// What follows from all frames so far, besides their places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The number of the next entry.
    pub(crate) next_seq: u64,
    latest: i64,
    pub(crate) tally: Tally,
    cursors: BTreeMap<u32, String>,
}

impl Default for Head {
    fn default() -> Self {
        Self { next_seq: 1, latest: i64::MIN, tally: Tally::default(), cursors: BTreeMap::new() }
    }
}

impl Head {
    pub(crate) fn cursor(&self, attempt: u32) -> Option<&String> {
        self.cursors.get(&attempt)
    }

    pub(crate) fn set_cursor(&mut self, attempt: u32, cursor: &str) {
        if cursor.is_empty() {
            return;
        }
        self.cursors.insert(attempt, cursor.to_owned());
        if self.cursors.len() > REMEMBERED_ATTEMPTS {
            self.cursors.pop_first();
        }
    }
}

/// A place in a log: the index of a segment and the offset of a frame, or of the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) segment: usize,
    pub(crate) offset: u64,
}

/// Where [`LogState::absorb`] stopped, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Absorbed {
    /// How many bytes were whole frames.
    pub(crate) used: usize,
    /// Whether what follows cannot become a frame by more bytes.
    pub(crate) bad: bool,
}

/// All that is known about one log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LogState {
    pub(crate) segments: Vec<Segment>,
    pub(crate) head: Head,
    pub(crate) sealed: bool,
    pub(crate) deleted: bool,
}

impl LogState {
    /// Begins the next segment, whose header takes `header` bytes.
    pub(crate) fn begin_segment(&mut self, header: u64) {
        self.segments.push(Segment {
            number: self.next_number(),
            first_seq: self.head.next_seq,
            end: header,
            marks: Vec::new(),
        });
    }

    /// The number of the segment behind the last.
    pub(crate) fn next_number(&self) -> u32 {
        self.segments.last().map_or(1, |segment| segment.number.saturating_add(1))
    }

    /// How much is stored, in bytes of all segments.
    pub(crate) fn stored(&self) -> u64 {
        self.segments.iter().map(|segment| segment.end).sum()
    }

    /// Takes in the frames that lie at the end of the last segment, up to the first that is none or not the next.
    pub(crate) fn absorb(&mut self, bytes: &[u8], verify: bool) -> Absorbed {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let frame = match parse(rest, verify) {
                Parsed::Frame(frame) if frame.header.first_seq == self.head.next_seq => frame,
                Parsed::Incomplete => return Absorbed { used, bad: false },
                Parsed::Frame(_) | Parsed::Bad => return Absorbed { used, bad: true },
            };
            self.take_in(&frame, rest);
            used += frame.len();
        }
    }

    fn take_in(&mut self, frame: &Frame, bytes: &[u8]) {
        let Some(segment) = self.segments.last_mut() else { return };
        let header = &frame.header;
        let mark = Mark { first_seq: header.first_seq, offset: segment.end, latest_before: self.head.latest };
        if segment.marks.last().is_none_or(|last| mark.offset - last.offset >= MARK_EVERY) {
            segment.marks.push(mark);
        }
        segment.end += frame.len() as u64;
        self.head.next_seq += u64::from(header.entries);
        self.head.latest = self.head.latest.max(header.time);
        self.head.set_cursor(header.attempt, &String::from_utf8_lossy(&bytes[frame.cursor.clone()]));
        match header.kind {
            Kind::Data | Kind::Gap => {}
            Kind::Limit => self.head.tally.reached = true,
            Kind::Dropped => {
                if let Some(tally) = Tally::decode(&bytes[frame.payload.clone()]) {
                    self.head.tally = tally;
                }
            }
        }
    }

    /// A place before which nothing has this number or a higher one, or is that young.
    pub(crate) fn locate(&self, from_seq: u64, since: Option<Timestamp>, header: u64) -> Position {
        let by_seq = self.last_before(header, |mark| mark.first_seq <= from_seq);
        let by_time =
            since.map(|since| self.last_before(header, |mark| mark.latest_before < since.as_micros()));
        by_time.map_or(by_seq, |by_time| by_seq.max(by_time))
    }

    /// The last mark that is `early`, which all marks before it are, too.
    fn last_before(&self, header: u64, early: impl Fn(&Mark) -> bool) -> Position {
        let begun = |segment: &Segment| segment.marks.first().is_some_and(&early);
        let segment = self.segments.partition_point(begun).saturating_sub(1);
        let marks = self.segments.get(segment).map_or(&[][..], |found| &found.marks);
        let mark = marks.partition_point(&early).checked_sub(1).and_then(|index| marks.get(index));
        Position { segment, offset: mark.map_or(header, |mark| mark.offset) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::StreamKind;
    use crate::frame::{Header, encode};

    fn put(state: &mut LogState, time: i64, size: usize) {
        let header = Header {
            kind: Kind::Data,
            stream: StreamKind::Out,
            attempt: 1,
            time,
            first_seq: state.head.next_seq,
            entries: 1,
        };
        let mut bytes = Vec::new();
        encode(&mut bytes, &header, "c", std::iter::once(&vec![b'x'; size][..]));
        assert_eq!(state.absorb(&bytes, true), Absorbed { used: bytes.len(), bad: false });
    }

    fn long() -> LogState {
        let mut state = LogState::default();
        for segment in 0..3 {
            state.begin_segment(32);
            for frame in 0..100 {
                put(&mut state, segment * 100 + frame, 60_000);
            }
        }
        state
    }

    #[test]
    fn a_place_is_found_without_reading_much_before_it() {
        let state = long();
        for from_seq in 1..=300 {
            let at = state.locate(from_seq, None, 32);
            let before: u64 = state.segments[..at.segment].iter().map(|segment| segment.end).sum();
            let wanted = (from_seq - 1) * 60_037;
            assert!(before + at.offset <= wanted + 32 * 3 + 1, "not behind entry {from_seq}");
            assert!(before + at.offset + MARK_EVERY + 65_000 > wanted, "not far before entry {from_seq}");
        }
    }

    #[test]
    fn a_time_is_found_even_if_the_clock_went_back() {
        let mut state = LogState::default();
        state.begin_segment(32);
        for time in (0..50).chain(20..80) {
            put(&mut state, time, 60_000);
        }
        for since in 0..80 {
            let at = state.locate(1, Some(Timestamp::from_micros(since)), 32);
            // the first frame of this time is as far from the beginning as the time says, whatever came later
            let first = 32 + if since < 50 { since } else { since - 20 + 50 } as u64 * 60_037;
            assert!(at.offset <= first, "the first frame at {since} is not skipped");
        }
        let late = state.locate(1, Some(Timestamp::from_micros(75)), 32);
        assert!(late.offset > 32 + 90 * 60_037, "the beginning is skipped");
    }

    #[test]
    fn a_frame_that_is_not_the_next_is_refused() {
        let mut state = LogState::default();
        state.begin_segment(32);
        put(&mut state, 1, 10);
        let before = state.clone();
        let stale = Header {
            kind: Kind::Data,
            stream: StreamKind::Out,
            attempt: 1,
            time: 1,
            first_seq: 1,
            entries: 1,
        };
        let mut bytes = Vec::new();
        encode(&mut bytes, &stale, "c", std::iter::once(&b"x"[..]));
        assert_eq!(state.absorb(&bytes, true), Absorbed { used: 0, bad: true });
        assert_eq!(state, before);
    }

    #[test]
    fn only_the_newest_attempts_are_remembered() {
        let mut head = Head::default();
        for attempt in 1..=100 {
            head.set_cursor(attempt, "c");
        }
        assert_eq!(head.cursors.len(), REMEMBERED_ATTEMPTS);
        assert!(head.cursor(100).is_some());
    }
}
