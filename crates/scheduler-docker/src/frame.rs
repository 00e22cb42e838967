//! One piece of output as the engine sends it: a time, a space, the bytes. And the record at the end of a container,
//! which is not the task's output and is taken out.

use bytes::{Bytes, BytesMut};
use gofer_task_init as init;
use gofer_types::Timestamp;

/// The length of a time with nine decimals and the space behind it.
const STAMP: usize = 31;

/// When a piece was written, in nanoseconds since 1970, and its bytes. A piece without a time has none.
pub(crate) fn stamped(piece: &Bytes) -> (i64, Bytes) {
    let stamp = piece.get(..STAMP).and_then(|stamp| stamp.strip_suffix(b" "));
    let text = stamp.and_then(|stamp| std::str::from_utf8(stamp).ok());
    match text.and_then(|text| text.parse::<jiff::Timestamp>().ok()) {
        Some(time) => (i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX), piece.slice(STAMP..)),
        None => (0, piece.clone()),
    }
}

/// Nanoseconds as a point in time.
pub(crate) fn time(nanos: i64) -> Timestamp {
    Timestamp::from_micros(nanos / 1000)
}

/// Takes the record out of the pieces of standard error. A piece that may hold the beginning of the record is kept back
/// until it is known.
#[derive(Debug)]
pub(crate) struct Strainer<T> {
    nonce: String,
    begin: String,
    held: Option<(T, Bytes)>,
}

impl<T> Strainer<T> {
    pub(crate) fn new(nonce: &str) -> Self {
        Self { nonce: nonce.to_owned(), begin: init::begin(nonce), held: None }
    }

    /// The pieces that are output for certain, now that this one has come.
    pub(crate) fn push(&mut self, mark: T, piece: Bytes) -> Vec<(T, Bytes)> {
        if self.nonce.is_empty() {
            return vec![(mark, piece)];
        }
        let mut sure = Vec::new();
        if let Some((held_mark, held)) = self.held.take() {
            let joined = [held.as_ref(), piece.as_ref()].concat();
            if let Some((output, _)) = init::split(&self.nonce, &joined)
                && output.len() <= held.len()
            {
                return filled(vec![(held_mark, held.slice(..output.len()))]);
            }
            sure.push((held_mark, held));
        }
        if let Some((output, _)) = init::split(&self.nonce, &piece) {
            sure.push((mark, piece.slice(..output.len())));
        } else if self.may_begin_in(&piece) {
            self.held = Some((mark, piece));
        } else {
            sure.push((mark, piece));
        }
        filled(sure)
    }

    /// The output has ended: what was kept back is output after all.
    pub(crate) fn finish(&mut self) -> Option<(T, Bytes)> {
        self.held.take()
    }

    /// Whether the end of a piece is the beginning of a record, or of what begins one.
    fn may_begin_in(&self, piece: &[u8]) -> bool {
        let tail = &piece[piece.len().saturating_sub(init::LONGEST)..];
        let whole = tail.windows(self.begin.len()).any(|window| window == self.begin.as_bytes());
        whole || (1..self.begin.len()).any(|length| tail.ends_with(&self.begin.as_bytes()[..length]))
    }
}

fn filled<T>(pieces: Vec<(T, Bytes)>) -> Vec<(T, Bytes)> {
    pieces.into_iter().filter(|(_, piece)| !piece.is_empty()).collect()
}

/// The record in the last pieces of standard error, in their order.
pub(crate) fn record(nonce: &str, pieces: &[Bytes]) -> Option<init::End> {
    if nonce.is_empty() {
        return None;
    }
    let mut tail = BytesMut::new();
    for piece in pieces.iter().rev().take(2).rev() {
        tail.extend_from_slice(piece);
    }
    init::split(nonce, &tail).map(|(_, end)| end)
}

#[cfg(test)]
mod tests {
    use gofer_task_init::End;

    use super::*;

    const NONCE: &str = "0123456789abcdef";

    #[test]
    fn a_piece_has_its_time_to_the_nanosecond() {
        let piece = Bytes::from_static(b"2026-11-25T18:35:56.723157924Z hello\n");
        let (nanos, bytes) = stamped(&piece);
        assert_eq!((nanos % 1_000_000_000, &bytes[..]), (723_157_924, b"hello\n".as_slice()));
        assert_eq!(time(nanos).as_micros(), nanos / 1000);
        let bare = Bytes::from_static(b"no time at all, and long enough for one");
        assert_eq!(stamped(&bare), (0, bare));
    }

    /// Everything that comes out, for a log that is cut at this place.
    fn strained(log: &[u8], cut: usize) -> Vec<u8> {
        let mut strainer = Strainer::new(NONCE);
        let (one, other) = log.split_at(cut);
        let mut out = Vec::new();
        for piece in [one, other].into_iter().filter(|piece| !piece.is_empty()) {
            for (_, bytes) in strainer.push((), Bytes::copy_from_slice(piece)) {
                out.extend_from_slice(&bytes);
            }
        }
        out.extend(strainer.finish().map(|(_, bytes)| bytes.to_vec()).unwrap_or_default());
        out
    }

    #[test]
    fn the_record_is_taken_out_wherever_the_log_is_cut() {
        for output in ["", "a line\n", "no line end", "\u{1e}", "\u{1e}0123 half"] {
            let end = End::Signal { signal: 9, asked: false };
            let log = format!("{output}{}", init::record(NONCE, &end));
            for cut in 0..=log.len() {
                assert_eq!(strained(log.as_bytes(), cut), output.as_bytes(), "cut at {cut} of {log:?}");
            }
            let pieces = [Bytes::from(log.clone())];
            assert_eq!(record(NONCE, &pieces), Some(end));
        }
    }

    #[test]
    fn output_without_the_record_comes_out_whole() {
        let forged = format!("x{}y", init::record("another", &End::Code(3)));
        for text in [forged.as_str(), "\u{1e}", "\u{1e}0123456789abcde", "\u{1e}0123456789abcdef code"] {
            for cut in 0..=text.len() {
                assert_eq!(strained(text.as_bytes(), cut), text.as_bytes(), "cut at {cut} of {text:?}");
            }
        }
    }
}
