//! The bytes of one frame. Pure: no file, no state.
//!
//! Layout, little-endian: `length u32` (of what follows the checksum), `crc32 u32` (of the length and of what follows),
//! `kind u8`, `stream u8`, `cursor length u16`, `attempt u32`, `time i64` (microseconds), `first entry u64`,
//! `entries u32`, cursor, payload. A change of this layout is a new format version in the segment header.

use std::ops::Range;

use crate::entry::StreamKind;

/// The most bytes of output in one piece.
pub const MAX_PAYLOAD: usize = 64 * 1024;

/// The longest cursor, in bytes.
pub const MAX_CURSOR: usize = 128;

const PREFIX: usize = 8;
const FIELDS: usize = 28;
const MAX_BODY: usize = FIELDS + MAX_CURSOR + MAX_PAYLOAD;

/// What a frame takes besides its cursor and its payload.
pub(crate) const OVERHEAD: usize = PREFIX + FIELDS;

/// The longest frame.
pub(crate) const MAX_FRAME: usize = PREFIX + MAX_BODY;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Output.
    Data,
    /// A gap that the writer was told of.
    Gap,
    /// The log reached its limit here.
    Limit,
    /// How much was dropped behind the limit so far. No entry: readers do not see it.
    Dropped,
}

/// Everything in a frame but cursor and payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) stream: StreamKind,
    pub(crate) attempt: u32,
    pub(crate) time: i64,
    pub(crate) first_seq: u64,
    pub(crate) entries: u32,
}

/// A frame within some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) header: Header,
    pub(crate) cursor: Range<usize>,
    pub(crate) payload: Range<usize>,
}

impl Frame {
    /// How many bytes it takes.
    pub(crate) fn len(&self) -> usize {
        self.payload.end
    }
}

/// What the beginning of some bytes is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A whole frame.
    Frame(Frame),
    /// The beginning of a frame, or nothing.
    Incomplete,
    /// No frame of ours.
    Bad,
}

/// Appends a frame whose payload is the parts one behind the other. The caller keeps to the limits.
pub(crate) fn encode<'a>(
    out: &mut Vec<u8>,
    header: &Header,
    cursor: &str,
    parts: impl Iterator<Item = &'a [u8]>,
) {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX]);
    out.push(match header.kind {
        Kind::Data => 1,
        Kind::Gap => 2,
        Kind::Limit => 3,
        Kind::Dropped => 4,
    });
    out.push(match header.stream {
        StreamKind::Out => 1,
        StreamKind::Err => 2,
    });
    let cursor_len = u16::try_from(cursor.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&cursor_len.to_le_bytes());
    out.extend_from_slice(&header.attempt.to_le_bytes());
    out.extend_from_slice(&header.time.to_le_bytes());
    out.extend_from_slice(&header.first_seq.to_le_bytes());
    out.extend_from_slice(&header.entries.to_le_bytes());
    out.extend_from_slice(cursor.as_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
    let length = u32::try_from(out.len() - start - PREFIX).unwrap_or(u32::MAX).to_le_bytes();
    let crc = checksum(length, &out[start + PREFIX..]).to_le_bytes();
    out[start..start + 4].copy_from_slice(&length);
    out[start + 4..start + PREFIX].copy_from_slice(&crc);
}

/// Reads the frame at the start of `bytes`. `verify` is left out for bytes that this process has just encoded.
pub(crate) fn parse(bytes: &[u8], verify: bool) -> Parsed {
    let mut prefix = Fields(bytes);
    let (Some(length), Some(crc)) = (prefix.take::<4>(), prefix.take::<4>()) else {
        return Parsed::Incomplete;
    };
    let len = u32::from_le_bytes(length) as usize;
    if !(FIELDS..=MAX_BODY).contains(&len) {
        return Parsed::Bad;
    }
    let Some(body) = prefix.0.get(..len) else {
        return Parsed::Incomplete;
    };
    if verify && checksum(length, body) != u32::from_le_bytes(crc) {
        return Parsed::Bad;
    }
    body_of(body).map_or(Parsed::Bad, Parsed::Frame)
}

fn body_of(body: &[u8]) -> Option<Frame> {
    let mut fields = Fields(body);
    let kind = match fields.take::<1>()? {
        [1] => Kind::Data,
        [2] => Kind::Gap,
        [3] => Kind::Limit,
        [4] => Kind::Dropped,
        _ => return None,
    };
    let stream = match fields.take::<1>()? {
        [1] => StreamKind::Out,
        [2] => StreamKind::Err,
        _ => return None,
    };
    let cursor_len = usize::from(u16::from_le_bytes(fields.take()?));
    let header = Header {
        kind,
        stream,
        attempt: u32::from_le_bytes(fields.take()?),
        time: i64::from_le_bytes(fields.take()?),
        first_seq: u64::from_le_bytes(fields.take()?),
        entries: u32::from_le_bytes(fields.take()?),
    };
    let cursor = OVERHEAD..OVERHEAD + cursor_len;
    let payload = cursor.end..PREFIX + body.len();
    (payload.start <= payload.end).then_some(Frame { header, cursor, payload })
}

fn checksum(length: [u8; 4], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(body);
    hasher.finalize()
}

/// Takes fixed fields off the front of some bytes.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl Fields<'_> {
    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
}

/// What a gap frame says: how many bytes, and why.
pub(crate) fn encode_gap(bytes: Option<u64>, cause: &str) -> Vec<u8> {
    let mut out = vec![u8::from(bytes.is_some())];
    out.extend_from_slice(&bytes.unwrap_or(0).to_le_bytes());
    out.extend_from_slice(cause.as_bytes());
    out
}

/// Reads what [`encode_gap`] wrote.
pub(crate) fn decode_gap(payload: &[u8]) -> (Option<u64>, String) {
    let mut fields = Fields(payload);
    let known = fields.take() == Some([1]);
    let bytes = fields.take().map(u64::from_le_bytes).filter(|_| known);
    (bytes, String::from_utf8_lossy(fields.0).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            kind: Kind::Data,
            stream: StreamKind::Err,
            attempt: 3,
            time: 1_000_000,
            first_seq: 7,
            entries: 2,
        }
    }

    fn encoded() -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, &header(), "c9", [&b"one\n"[..], b"two"].into_iter());
        out
    }

    #[test]
    fn the_stored_bytes_of_format_1_do_not_change() {
        let golden = [
            0x25, 0, 0, 0, 0x03, 0xc2, 0x3f, 0x2a, 1, 2, 2, 0, 3, 0, 0, 0, 0x40, 0x42, 0x0f, 0, 0, 0, 0, 0,
            7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, b'c', b'9', b'o', b'n', b'e', b'\n', b't', b'w', b'o',
        ];
        assert_eq!(encoded(), golden);
    }

    #[test]
    fn a_frame_reads_back() {
        let bytes = encoded();
        let Parsed::Frame(frame) = parse(&bytes, true) else { panic!("no frame") };
        assert_eq!(frame.header, header());
        assert_eq!(&bytes[frame.cursor.clone()], b"c9");
        assert_eq!(&bytes[frame.payload.clone()], b"one\ntwo");
        assert_eq!(frame.len(), bytes.len());
    }

    #[test]
    fn every_shorter_frame_is_incomplete() {
        let bytes = encoded();
        for len in 0..bytes.len() {
            assert_eq!(parse(&bytes[..len], true), Parsed::Incomplete, "{len}");
        }
    }

    #[test]
    fn a_changed_bit_is_never_a_frame() {
        let bytes = encoded();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(parse(&changed, true), Parsed::Frame(_)), "bit {bit}");
        }
    }

    #[test]
    fn zeros_are_no_frame() {
        assert_eq!(parse(&[0; 4096], true), Parsed::Bad);
    }

    #[test]
    fn a_gap_reads_back() {
        for bytes in [None, Some(0), Some(u64::MAX)] {
            assert_eq!(decode_gap(&encode_gap(bytes, "why")), (bytes, "why".to_owned()));
        }
    }
}
