//! The small formats: the header of a segment, the index beside it, and the mark that a log is complete. Pure.
//!
//! Each begins with its magic and a format version and is covered by a checksum. An index may be lost: it is made again
//! from its segment. Only the mark says that a log is complete; nothing in the output can.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::LogError;
use crate::frame::Fields;
use crate::state::{Head, Segment};

/// The format of segments, indexes and marks that is written, and the newest that is read.
const FORMAT: u16 = 1;

/// The length of a segment's header.
pub(crate) const SEGMENT_HEADER: u64 = 32;

const SEGMENT_MAGIC: [u8; 8] = *b"gofr-log";

/// What kind of small file: its magic.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sidecar {
    Index,
    Sealed,
}

impl Sidecar {
    fn magic(self) -> [u8; 8] {
        match self {
            Self::Index => *b"gofr-lix",
            Self::Sealed => *b"gofr-lse",
        }
    }
}

/// What is kept beside a segment that nothing is appended to any more.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Index {
    pub(crate) segment: Segment,
    pub(crate) head: Head,
}

/// What is known of a complete log.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sealed {
    /// How many segments there are.
    pub(crate) segments: u32,
    /// How much is stored.
    pub(crate) stored: u64,
    /// The number behind the last entry.
    pub(crate) next_seq: u64,
}

/// Writes the header of a segment.
pub(crate) fn segment_header(number: u32, first_seq: u64) -> Vec<u8> {
    let mut out = SEGMENT_MAGIC.to_vec();
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&first_seq.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

/// What the header of a segment says: its number and its first entry. `None` if it was not written to its end.
pub(crate) fn parse_segment_header(path: &Path, bytes: &[u8]) -> Result<Option<(u32, u64)>, LogError> {
    let mut fields = Fields(bytes);
    if fields.take() != Some(SEGMENT_MAGIC) {
        return Ok(None);
    }
    let Some(format) = fields.take().map(u16::from_le_bytes) else { return Ok(None) };
    let whole = bytes.split_first_chunk::<28>().is_some_and(|(covered, crc)| {
        Fields(crc).take().map(u32::from_le_bytes) == Some(crc32fast::hash(covered))
    });
    if !whole {
        return Ok(None);
    }
    known(path, format)?;
    let fields =
        (fields.take::<2>(), fields.take().map(u32::from_le_bytes), fields.take().map(u64::from_le_bytes));
    Ok(fields.1.zip(fields.2))
}

fn known(path: &Path, found: u16) -> Result<(), LogError> {
    if found == FORMAT {
        Ok(())
    } else {
        Err(LogError::UnknownFormat { path: path.to_owned(), found, known: FORMAT })
    }
}

/// Writes a small file.
pub(crate) fn encode<T: Serialize>(kind: Sidecar, value: &T) -> Result<Vec<u8>, LogError> {
    let body = postcard::to_stdvec(value).map_err(|_| LogError::Stopped)?;
    let mut out = kind.magic().to_vec();
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    out.extend_from_slice(&body);
    Ok(out)
}

/// Reads a small file; `None` if it is not what was written.
pub(crate) fn decode<T: DeserializeOwned>(
    kind: Sidecar,
    path: &Path,
    bytes: &[u8],
) -> Result<Option<T>, LogError> {
    let mut fields = Fields(bytes);
    if fields.take() != Some(kind.magic()) {
        return Ok(None);
    }
    let (Some(format), Some(crc)) =
        (fields.take().map(u16::from_le_bytes), fields.take().map(u32::from_le_bytes))
    else {
        return Ok(None);
    };
    if crc32fast::hash(fields.0) != crc {
        return Ok(None);
    }
    known(path, format)?;
    Ok(postcard::from_bytes(fields.0).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "/x";

    #[test]
    fn a_segment_header_reads_back_and_nothing_shorter_does() {
        let header = segment_header(7, 900_000);
        assert_eq!(header.len() as u64, SEGMENT_HEADER);
        let read = |bytes: &[u8]| parse_segment_header(Path::new(AT), bytes).expect("a known format");
        assert_eq!(read(&header), Some((7, 900_000)));
        for len in 0..header.len() {
            assert_eq!(read(&header[..len]), None);
        }
    }

    #[test]
    fn the_stored_bytes_of_format_1_do_not_change() {
        let header = segment_header(1, 1);
        assert_eq!(&header[..28], b"gofr-log\x01\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0");
        let sealed = Sealed { segments: 2, stored: 300, next_seq: 5 };
        let bytes = encode(Sidecar::Sealed, &sealed).expect("encodes");
        assert_eq!(&bytes[14..], [2, 0xac, 2, 5]);
        assert_eq!(decode(Sidecar::Sealed, Path::new(AT), &bytes).expect("a known format"), Some(sealed));
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let mut header = segment_header(1, 1);
        header[8] = 9;
        let crc = crc32fast::hash(&header[..28]).to_le_bytes();
        header[28..].copy_from_slice(&crc);
        let error = parse_segment_header(Path::new(AT), &header).expect_err("unknown");
        assert_eq!(error.to_string(), "/x has log format 9; this version reads 1");
    }

    #[test]
    fn a_damaged_small_file_is_not_read() {
        let mut bytes = encode(Sidecar::Index, &7_u32).expect("encodes");
        *bytes.last_mut().expect("not empty") ^= 1;
        assert_eq!(decode::<u32>(Sidecar::Index, Path::new(AT), &bytes).expect("a known format"), None);
        assert_eq!(decode::<u32>(Sidecar::Sealed, Path::new(AT), &bytes).expect("a known format"), None);
    }
}
