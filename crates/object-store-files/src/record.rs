//! What follows the bytes of an object in its file.
//!
//! A record, then 16 bytes: the format, the length of the record, a checksum over both and the record, and a mark. It is at
//! the end, as size and hash are known when the stream has ended, and so that the bytes begin at 0.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use gofer_object_store::{ObjectKey, ObjectMeta, Sha256};
use gofer_types::Timestamp;
use serde::{Deserialize, Serialize};

const FORMAT: u8 = 1;
const MARK: &[u8; 7] = b"gofer-o";
const TAIL: usize = 1 + 4 + 4 + MARK.len();

/// More than any record has: a key of 1024 bytes, a content type of 255, and numbers.
const MAX_RECORD: usize = 2048;

/// The record of format 1.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    key: String,
    size: u64,
    sha256: [u8; 32],
    content_type: String,
    created: i64,
    version: String,
}

/// The bytes behind those of an object.
pub(crate) fn encode(meta: &ObjectMeta) -> postcard::Result<Vec<u8>> {
    let record = Record {
        key: meta.key.to_string(),
        size: meta.size,
        sha256: meta.sha256.0,
        content_type: meta.content_type.clone(),
        created: meta.created.as_micros(),
        version: meta.version.clone(),
    };
    let mut raw = postcard::to_stdvec(&record)?;
    let length = u32::try_from(raw.len()).unwrap_or(u32::MAX).to_be_bytes();
    let sum = checksum(FORMAT, length, &raw).to_be_bytes();
    raw.push(FORMAT);
    raw.extend_from_slice(&length);
    raw.extend_from_slice(&sum);
    raw.extend_from_slice(MARK);
    Ok(raw)
}

/// Why there is no record.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The file could not be read.
    Failed(io::Error),
    /// The file is not what was written.
    Damaged(&'static str),
}

/// What the object in a file is. Its bytes are the first [`ObjectMeta::size`] ones.
pub(crate) fn read(file: &File) -> Result<ObjectMeta, Unread> {
    let length = file.metadata().map_err(Unread::Failed)?.len();
    let wanted = length.min((MAX_RECORD + TAIL) as u64);
    let mut end = vec![0; usize::try_from(wanted).unwrap_or_default()];
    match file.read_exact_at(&mut end, length - wanted) {
        // a sector that cannot be read is damage to this object alone
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
            return Err(Unread::Damaged("its record cannot be read from the disk"));
        }
        read => read.map_err(Unread::Failed)?,
    }
    decode(&end, length).map_err(Unread::Damaged)
}

fn decode(end: &[u8], length: u64) -> Result<ObjectMeta, &'static str> {
    const CUT: &str = "its file is cut short";
    let (rest, tail) = end.split_last_chunk::<TAIL>().ok_or(CUT)?;
    let (format, tail) = tail.split_first().ok_or(CUT)?;
    let (size, tail) = tail.split_first_chunk::<4>().ok_or(CUT)?;
    let (sum, mark) = tail.split_first_chunk::<4>().ok_or(CUT)?;
    if mark != MARK {
        return Err("its file does not end as one of an object does");
    }
    let start = usize::try_from(u32::from_be_bytes(*size)).ok().and_then(|size| rest.len().checked_sub(size));
    let raw = start.and_then(|start| rest.get(start..)).ok_or("its record has an impossible length")?;
    if checksum(*format, *size, raw) != u32::from_be_bytes(*sum) {
        return Err("its record fails its checksum");
    }
    if *format != FORMAT {
        return Err("its record has a format that this gofer does not know");
    }
    let record: Record = postcard::from_bytes(raw).map_err(|_| "its record cannot be understood")?;
    if record.size.checked_add((raw.len() + TAIL) as u64) != Some(length) {
        return Err("its file is not as long as its record says");
    }
    Ok(ObjectMeta {
        key: record.key.parse::<ObjectKey>().map_err(|_| "its record has no key")?,
        size: record.size,
        sha256: Sha256(record.sha256),
        content_type: record.content_type,
        created: Timestamp::from_micros(record.created),
        version: record.version,
    })
}

fn checksum(format: u8, length: [u8; 4], record: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[format]);
    hasher.update(&length);
    hasher.update(record);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meta(key: &str, content_type: String, size: u64) -> ObjectMeta {
        ObjectMeta {
            key: key.parse().unwrap(),
            size,
            sha256: Sha256::of(b"abc"),
            content_type,
            created: Timestamp::from_micros(-5),
            version: "v".repeat(32),
        }
    }

    #[test]
    fn the_largest_record_is_read() {
        let segments: Vec<String> = (0..8).map(|i| "x".repeat(if i == 7 { 128 } else { 127 })).collect();
        let meta = meta(&segments.join("/"), "t".repeat(255), u64::MAX / 2);
        let raw = encode(&meta).unwrap();
        assert!(raw.len() <= MAX_RECORD + TAIL);
        assert_eq!(decode(&raw, meta.size + raw.len() as u64).unwrap(), meta);
    }

    #[test]
    fn the_stored_form_of_version_1_stays() {
        let mut small = meta("k", "t".to_owned(), 2);
        small.version = "v".to_owned();
        small.sha256 = Sha256([7; 32]);
        let mut wanted = b"\x01k\x02".to_vec();
        wanted.extend([7; 32]);
        wanted.extend(b"\x01t\x09\x01v\x01\x00\x00\x00\x28");
        let raw = encode(&small).unwrap();
        assert_eq!(raw[..wanted.len()], wanted);
        assert_eq!(&raw[raw.len() - 7..], b"gofer-o");
        assert_eq!(raw.len(), wanted.len() + 4 + 7);
    }

    #[test]
    fn a_file_that_was_cut_or_has_grown_is_damaged() {
        let raw = encode(&meta("a/b", String::new(), 10)).unwrap();
        let length = 10 + raw.len() as u64;
        assert!(decode(&raw, length).is_ok());
        assert!(decode(&raw, length - 1).is_err() && decode(&raw, length + 1).is_err());
        for cut in 0..raw.len() {
            assert!(decode(&raw[..cut], length - (raw.len() - cut) as u64).is_err(), "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn a_flipped_bit_is_seen(at: prop::sample::Index, bit in 0_u8..8) {
            let mut raw = encode(&meta("a/b", "text/plain".to_owned(), 0)).unwrap();
            let at = at.index(raw.len());
            raw[at] ^= 1 << bit;
            prop_assert!(decode(&raw, raw.len() as u64).is_err());
        }

        #[test]
        fn no_bytes_make_a_panic(raw: Vec<u8>, length: u64) {
            let _ = decode(&raw, length);
        }
    }
}
