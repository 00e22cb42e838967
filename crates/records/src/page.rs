//! Lists in pages: the token is the last key that was looked at, checked, so that a page costs the same wherever it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gofer_types::{RunRef, Timestamp};

use crate::error::{RecordError, Result};
use crate::keys;

/// The longest token, in characters: a cursor over the logs of many tasks is the longest.
const LONGEST: usize = 1 << 19;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// The greatest number of items; at least 1.
    pub size: usize,
    /// The token of the page before.
    pub token: Option<String>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice<T> {
    /// The items.
    pub items: Vec<T>,
    /// The token of the next page; `None` on the last.
    pub next: Option<String>,
}

impl<T> Slice<T> {
    /// The same part of another list.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Slice<U> {
        Slice { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

/// Makes bytes into a token.
#[must_use]
pub(crate) fn token(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(8 + bytes.len() * 2);
    let _ = write!(text, "{:08x}", crc32fast::hash(bytes));
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The bytes of a token.
pub(crate) fn untoken(text: &str) -> Result<Vec<u8>> {
    let fail = || RecordError::InvalidToken;
    if !text.is_ascii() || text.len() < 8 || !text.len().is_multiple_of(2) || text.len() > LONGEST {
        return Err(fail());
    }
    let (sum, digits) = text.split_at(8);
    let sum = u32::from_str_radix(sum, 16).map_err(|_| fail())?;
    let bytes = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16))
        .collect::<std::result::Result<Vec<u8>, _>>()
        .map_err(|_| fail())?;
    if crc32fast::hash(&bytes) == sum { Ok(bytes) } else { Err(fail()) }
}

impl PageRequest {
    /// The key that the token holds, if it is one of the list under this prefix.
    pub(crate) fn after(&self, prefix: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(token) = &self.token else { return Ok(None) };
        let key = untoken(token)?;
        if key.starts_with(prefix) { Ok(Some(key)) } else { Err(RecordError::InvalidToken) }
    }
}

/// The bytes of a token, taken apart behind the mark of its list.
fn unmark(text: &str, mark: &[u8]) -> Result<Vec<u8>> {
    let bytes = untoken(text)?;
    bytes.strip_prefix(mark).map(<[u8]>::to_vec).ok_or(RecordError::InvalidToken)
}

const ACTIVE_MARK: &[u8] = b"active runs behind ";

/// The token of a place behind a run, in the list of active runs. The run may be gone when it is used.
#[must_use]
pub fn token_run(created: Timestamp, run: &RunRef) -> String {
    token(&[ACTIVE_MARK, &created.as_micros().to_be_bytes(), &keys::active(run)].concat())
}

/// When the run of such a token was created, and the run.
pub fn untoken_run(text: &str) -> Result<(Timestamp, RunRef)> {
    let bytes = unmark(text, ACTIVE_MARK)?;
    let (created, key) = bytes.split_first_chunk::<8>().ok_or(RecordError::InvalidToken)?;
    let run = keys::active_run(key).ok_or(RecordError::InvalidToken)?;
    Ok((Timestamp::from_micros(i64::from_be_bytes(*created)), run))
}

/// The token of a place in the list of a run's tasks.
#[must_use]
pub fn token_place(run: &RunRef, place: u32) -> String {
    token(&keys::task(run, place))
}

/// The place of such a token.
pub fn untoken_place(run: &RunRef, text: &str) -> Result<u32> {
    keys::task_index(run, &untoken(text)?).ok_or(RecordError::InvalidToken)
}

fn event_mark(newest_first: bool) -> &'static [u8] {
    if newest_first { b"events below " } else { b"events from " }
}

/// The token of a place in the event log, read in that direction.
#[must_use]
pub fn token_seq(seq: u64, newest_first: bool) -> String {
    token(&[event_mark(newest_first), &seq.to_be_bytes()].concat())
}

/// The place of such a token.
pub fn untoken_seq(text: &str, newest_first: bool) -> Result<u64> {
    let bytes = unmark(text, event_mark(newest_first))?;
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| RecordError::InvalidToken)
}

/// The cursor of places in the logs of a run's tasks.
#[must_use]
pub fn token_places(run: &RunRef, places: &BTreeMap<u32, u64>) -> String {
    let mut bytes = log_mark(run);
    for (place, seq) in places {
        bytes.extend_from_slice(&place.to_be_bytes());
        bytes.extend_from_slice(&seq.to_be_bytes());
    }
    token(&bytes)
}

/// The places of such a cursor.
pub fn untoken_places(run: &RunRef, text: &str) -> Result<BTreeMap<u32, u64>> {
    let bytes = unmark(text, &log_mark(run))?;
    let (pairs, []) = bytes.as_chunks::<12>() else { return Err(RecordError::InvalidToken) };
    let pairs = pairs.iter().filter_map(|pair| {
        let (place, seq) = pair.split_first_chunk::<4>()?;
        Some((u32::from_be_bytes(*place), u64::from_be_bytes(seq.try_into().ok()?)))
    });
    Ok(pairs.collect())
}

/// A short mark of the run, so that the cursor of another run is not taken for one of this.
fn log_mark(run: &RunRef) -> Vec<u8> {
    let mut mark = b"logs ".to_vec();
    mark.extend_from_slice(&crc32fast::hash(&keys::run(run)).to_be_bytes());
    mark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back() {
        for bytes in [&b""[..], b"run/x\0\x01", &[0xFF; 40]] {
            assert_eq!(untoken(&token(bytes)).ok(), Some(bytes.to_vec()));
        }
    }

    #[test]
    fn a_token_that_nobody_gave_out_is_refused() {
        let good = token(b"run/x");
        let cut = good[..good.len() - 2].to_owned();
        for text in ["", "x", "00000000zz", "deadbeef00", &cut, "é0000000"] {
            assert!(untoken(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_token_of_another_list_is_refused() {
        let page = PageRequest { size: 1, token: Some(token(b"run/x")) };
        assert!(page.after(b"ns/").is_err());
    }
}
