//! The format of the log file, which the shim appends to and the scheduler reads.
//!
//! A frame is: length of the payload (u32), checksum of all that follows (u32), microseconds since 1970 (i64), what it is
//! (u8), payload. Numbers are little endian. A payload has at most [`MAX`] bytes. The payload of a gap is the number of
//! bytes that are missing (u64) and then the cause as text.

use bytes::Bytes;
use gofer_scheduler::{LogItem, StreamKind};
use gofer_types::Timestamp;

/// The greatest payload of a frame.
pub(crate) const MAX: usize = 64 << 10;
/// What stands before a payload.
pub(crate) const HEADER: usize = 17;

const OUT: u8 = 0;
const ERR: u8 = 1;
const GAP: u8 = 2;

/// What stands at a place of the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A frame, and how many bytes it takes.
    Frame { at: Timestamp, item: LogItem, size: usize },
    /// A frame that is damaged, and how many bytes it takes.
    Damaged { payload: u64, size: usize },
    /// The beginning of a frame.
    Incomplete,
    /// No frame: where the next one begins cannot be known.
    Nonsense,
}

/// Appends a frame of output. More than [`MAX`] bytes are not a frame.
pub(crate) fn output(buffer: &mut Vec<u8>, at: Timestamp, stream: StreamKind, bytes: &[u8]) {
    let kind = match stream {
        StreamKind::Out => OUT,
        StreamKind::Err => ERR,
    };
    append(buffer, at, kind, &[bytes]);
}

/// Appends a frame that says how much is missing, and why.
pub(crate) fn gap(buffer: &mut Vec<u8>, at: Timestamp, missing: u64, cause: &str) {
    append(buffer, at, GAP, &[&missing.to_le_bytes(), cause.as_bytes()]);
}

fn append(buffer: &mut Vec<u8>, at: Timestamp, kind: u8, payload: &[&[u8]]) {
    let length: usize = payload.iter().map(|part| part.len()).sum();
    buffer.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    let checksum = buffer.len();
    buffer.extend_from_slice(&[0; 4]);
    buffer.extend_from_slice(&at.as_micros().to_le_bytes());
    buffer.push(kind);
    for part in payload {
        buffer.extend_from_slice(part);
    }
    let sum = crc32fast::hash(&buffer[checksum + 4..]);
    buffer[checksum..checksum + 4].copy_from_slice(&sum.to_le_bytes());
}

/// Reads what stands at the beginning of these bytes.
pub(crate) fn read(bytes: &Bytes) -> Found {
    let Some((length, sum, at, kind)) = header(bytes) else {
        return Found::Incomplete;
    };
    if length > MAX {
        return Found::Nonsense;
    }
    let size = HEADER + length;
    if bytes.len() < size {
        return Found::Incomplete;
    }
    let payload = bytes.slice(HEADER..size);
    let item = if crc32fast::hash(&bytes[8..size]) == sum { item(kind, payload) } else { None };
    match item {
        Some(item) => Found::Frame { at: Timestamp::from_micros(at), item, size },
        None => Found::Damaged { payload: length as u64, size },
    }
}

fn header(bytes: &[u8]) -> Option<(usize, u32, i64, u8)> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk()?;
    let (at, rest) = rest.split_first_chunk()?;
    let kind = rest.first()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    Some((length, u32::from_le_bytes(*sum), i64::from_le_bytes(*at), *kind))
}

fn item(kind: u8, payload: Bytes) -> Option<LogItem> {
    match kind {
        OUT => Some(LogItem::Data { stream: StreamKind::Out, bytes: payload }),
        ERR => Some(LogItem::Data { stream: StreamKind::Err, bytes: payload }),
        GAP => {
            let (missing, cause) = payload.split_first_chunk()?;
            let cause = String::from_utf8_lossy(cause).into_owned();
            Some(LogItem::Gap { bytes: Some(u64::from_le_bytes(*missing)), cause })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn written() -> Vec<u8> {
        let mut file = Vec::new();
        output(&mut file, AT, StreamKind::Err, b"a\0\xff\n");
        file
    }

    #[test]
    fn what_is_written_is_read() {
        let mut file = written();
        let first = file.len();
        gap(&mut file, AT, 7, "full");
        let data = LogItem::Data { stream: StreamKind::Err, bytes: Bytes::from_static(b"a\0\xff\n") };
        let file = Bytes::from(file);
        assert_eq!(read(&file), Found::Frame { at: AT, item: data, size: first });
        let missing = LogItem::Gap { bytes: Some(7), cause: "full".to_owned() };
        assert_eq!(
            read(&file.slice(first..)),
            Found::Frame { at: AT, item: missing, size: file.len() - first }
        );
    }

    #[test]
    fn every_beginning_of_a_frame_is_incomplete() {
        let file = Bytes::from(written());
        for length in 0..file.len() {
            assert_eq!(read(&file.slice(..length)), Found::Incomplete, "{length}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let file = written();
        let whole = read(&Bytes::from(file.clone()));
        for bit in 0..file.len() * 8 {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(read(&Bytes::from(damaged)), Found::Frame { .. }), "bit {bit}");
        }
        assert!(matches!(whole, Found::Frame { .. }));
    }
}
