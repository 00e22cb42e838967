//! What is around every value on disk, so that damage is seen and never served.
//!
//! A row is a format byte, the revision, a checksum over format, revision, key and value, and the value. The key is in the
//! checksum: a row that turns up under a foreign key is damage, too. The state row is alike, with the format of the
//! whole directory and the newest revision.

use bytes::Bytes;
use gofer_backend::{BackendError, ErrorKind, Result};

use crate::{Revision, Row, escaped};

/// The format of rows and of the directory around them. A newer one is refused.
pub const FORMAT: u32 = 1;

const ROW_FORMAT: u8 = 1;
const HEADER: usize = 1 + 8 + 4;
const STATE: usize = 4 + 8 + 4;

/// The raw row of a value.
#[must_use]
pub fn encode(key: &[u8], value: &[u8], revision: Revision) -> Vec<u8> {
    let mut raw = Vec::with_capacity(HEADER + value.len());
    raw.push(ROW_FORMAT);
    raw.extend_from_slice(&revision.0.to_be_bytes());
    raw.extend_from_slice(&checksum(ROW_FORMAT, revision.0, key, value).to_be_bytes());
    raw.extend_from_slice(value);
    raw
}

/// The row in a raw row; `Internal` with the fact `key` if it is damaged.
pub fn decode(key: &[u8], raw: &Bytes) -> Result<Row> {
    let revision = revision(key, raw)?;
    let value = raw.slice(HEADER..);
    Ok(Row { key: Bytes::copy_from_slice(key), value, revision })
}

/// The revision in a raw row, whose checksum is verified.
pub fn revision(key: &[u8], raw: &[u8]) -> Result<Revision> {
    let (format, rest) = raw.split_first().ok_or_else(|| damaged(key, "a row is cut short"))?;
    if *format != ROW_FORMAT {
        return Err(damaged(key, "a row has an unknown format").with("format", format));
    }
    let (revision, rest) = rest.split_first_chunk::<8>().ok_or_else(|| damaged(key, "a row is cut short"))?;
    let (sum, value) = rest.split_first_chunk::<4>().ok_or_else(|| damaged(key, "a row is cut short"))?;
    let revision = u64::from_be_bytes(*revision);
    if checksum(*format, revision, key, value) != u32::from_be_bytes(*sum) {
        return Err(damaged(key, "a row fails its checksum"));
    }
    Ok(Revision(revision))
}

/// The raw state row.
#[must_use]
pub fn encode_state(revision: Revision) -> Vec<u8> {
    state_of(FORMAT, revision)
}

fn state_of(format: u32, revision: Revision) -> Vec<u8> {
    let mut raw = Vec::with_capacity(STATE);
    raw.extend_from_slice(&format.to_be_bytes());
    raw.extend_from_slice(&revision.0.to_be_bytes());
    let sum = crc32fast::hash(&raw);
    raw.extend_from_slice(&sum.to_be_bytes());
    raw
}

/// The newest revision in a raw state row; `Conflict` with the facts `found` and `supported` for a newer format.
pub fn decode_state(raw: &[u8]) -> Result<Revision> {
    let broken = || BackendError::new(ErrorKind::Internal, "the state row fails its checksum");
    let (format, rest) = raw.split_first_chunk::<4>().ok_or_else(broken)?;
    check_format(u32::from_be_bytes(*format))?;
    let (revision, sum) = rest.split_first_chunk::<8>().ok_or_else(broken)?;
    let covered = raw.get(..STATE - 4).ok_or_else(broken)?;
    if sum != crc32fast::hash(covered).to_be_bytes() {
        return Err(broken());
    }
    Ok(Revision(u64::from_be_bytes(*revision)))
}

/// Refuses a format that is newer than this build.
pub fn check_format(found: u32) -> Result<()> {
    if found > FORMAT {
        let text = "the data were written by a newer gofer; use that one, or restore an older export";
        let error = BackendError::new(ErrorKind::Conflict, text);
        return Err(error.with("found", found).with("supported", FORMAT));
    }
    Ok(())
}

fn checksum(format: u8, revision: u64, key: &[u8], value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[format]);
    hasher.update(&revision.to_be_bytes());
    hasher.update(&(key.len() as u64).to_be_bytes());
    hasher.update(key);
    hasher.update(value);
    hasher.finalize()
}

fn damaged(key: &[u8], message: &str) -> BackendError {
    BackendError::new(ErrorKind::Internal, message).with("key", escaped(key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_row_reads_back(key: Vec<u8>, value: Vec<u8>, revision: u64) {
            let row = decode(&key, &Bytes::from(encode(&key, &value, Revision(revision)))).unwrap();
            prop_assert_eq!(row, Row { key: key.into(), value: value.into(), revision: Revision(revision) });
        }

        #[test]
        fn a_flipped_bit_is_seen(value: Vec<u8>, revision: u64, at: prop::sample::Index, bit in 0_u8..8) {
            let mut raw = encode(b"key", &value, Revision(revision));
            let at = at.index(raw.len());
            raw[at] ^= 1 << bit;
            prop_assert_eq!(decode(b"key", &Bytes::from(raw)).unwrap_err().kind(), ErrorKind::Internal);
        }

        #[test]
        fn no_bytes_make_a_panic(raw: Vec<u8>) {
            let _ = decode(b"key", &Bytes::from(raw.clone()));
            let _ = decode_state(&raw);
        }
    }

    #[test]
    fn a_row_under_a_foreign_key_is_damage() {
        let raw = encode(b"ns/a", b"value", Revision(1));
        let error = decode(b"ns/b", &Bytes::from(raw)).unwrap_err();
        assert_eq!(error.to_string(), "a row fails its checksum (key ns/b)");
    }

    #[test]
    fn the_stored_form_of_version_1_stays() {
        assert_eq!(encode(b"k", b"v", Revision(258)), b"\x01\0\0\0\0\0\0\x01\x02\xf0\x8e\xb0\xcbv");
        assert_eq!(encode_state(Revision(258)), b"\0\0\0\x01\0\0\0\0\0\0\x01\x02\x9b\xbb\x82\x41");
    }

    #[test]
    fn a_state_row_of_a_newer_format_is_refused_with_both_numbers() {
        assert_eq!(decode_state(&encode_state(Revision(7))).unwrap(), Revision(7));
        let error = decode_state(&state_of(2, Revision(7))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(error.facts(), [("found", "2".to_owned()), ("supported", "1".to_owned())]);
    }
}
