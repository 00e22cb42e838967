//! One line of a container's log as the engine sends it: a time, a space, and what our first process wrote.

use bytes::Bytes;
use gofer_task_init::End;
use gofer_task_init::wire::{self, Line};
use gofer_types::Timestamp;

/// The length of a time with nine decimals and the space behind it.
const STAMP: usize = 31;

/// What a line stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Output of the task.
    Output(Bytes),
    /// The record of its end.
    End(End),
}

/// When a line was written, in nanoseconds since 1970, and what it stands for. A line without a time has none.
#[must_use]
pub fn stamped(line: &Bytes) -> (i64, Frame) {
    let (nanos, line) = split(line);
    (nanos, bare(&line))
}

/// What a line without a time stands for.
#[must_use]
pub fn bare(line: &Bytes) -> Frame {
    match wire::read(line) {
        Line::Itself => Frame::Output(line.clone()),
        Line::Output(bytes) => Frame::Output(bytes.into()),
        Line::End(end) => Frame::End(end),
    }
}

/// When a line was written.
#[must_use]
pub fn written(line: &Bytes) -> i64 {
    split(line).0
}

fn split(line: &Bytes) -> (i64, Bytes) {
    let stamp = line.get(..STAMP).and_then(|stamp| stamp.strip_suffix(b" "));
    let text = stamp.and_then(|stamp| std::str::from_utf8(stamp).ok());
    match text.and_then(|text| text.parse::<jiff::Timestamp>().ok()) {
        Some(time) => (i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX), line.slice(STAMP..)),
        None => (0, line.clone()),
    }
}

/// Nanoseconds as a point in time.
#[must_use]
pub fn time(nanos: i64) -> Timestamp {
    Timestamp::from_micros(nanos / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_time_to_the_nanosecond() {
        let line = Bytes::from_static(b"2026-11-25T18:35:56.723157924Z hello\n");
        let (nanos, frame) = stamped(&line);
        assert_eq!(nanos % 1_000_000_000, 723_157_924);
        assert_eq!(frame, Frame::Output(Bytes::from_static(b"hello\n")));
        assert_eq!((written(&line), time(nanos).as_micros()), (nanos, nanos / 1000));
        let bare = Bytes::from_static(b"no time at all, and long enough for one");
        assert_eq!(stamped(&bare), (0, Frame::Output(bare)));
    }

    #[test]
    fn the_last_line_is_no_output() {
        let end = End::Signal { signal: 9, asked: false };
        let line = [b"2026-11-25T18:35:56.723157924Z ".as_slice(), &wire::last_line(&end)].concat();
        assert_eq!(stamped(&line.into()).1, Frame::End(end));
    }
}
