//! The arguments and answers of an object store.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_types::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{KeyPrefix, ObjectKey};

/// The most objects of a page.
pub const MAX_PAGE: usize = 1000;

/// The longest content type, in bytes.
pub const MAX_CONTENT_TYPE: usize = 255;

/// The bytes of an object on their way, in chunks of any size.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// What a SHA-256 is, written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// The hash of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(<sha2::Sha256 as sha2::Digest>::digest(bytes).into())
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256 {
    type Err = BackendError;

    /// Reads 64 hex digits of either case.
    fn from_str(text: &str) -> Result<Self> {
        let fail = || BackendError::new(ErrorKind::InvalidInput, "a SHA-256 is 64 hex digits");
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(fail());
        }
        let mut hash = [0; 32];
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = digit(*high).ok_or_else(fail)? << 4 | digit(*low).ok_or_else(fail)?;
        }
        Ok(Self(hash))
    }
}

impl TryFrom<String> for Sha256 {
    type Error = BackendError;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Sha256> for String {
    fn from(hash: Sha256) -> Self {
        hash.to_string()
    }
}

/// How an object is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Refuse if something is under the key; without it, that is replaced.
    pub if_absent: bool,
    /// The most bytes that the stream may have.
    pub size_limit: u64,
    /// How many bytes the stream must have, where the caller knows.
    pub expected_size: Option<u64>,
    /// The hash that the bytes must have, where the caller knows.
    pub sha256: Option<Sha256>,
    /// What the bytes are, such as `application/json`; at most 255 printable ASCII characters, empty where nobody said. Kept
    /// as it is and never interpreted.
    pub content_type: String,
    /// When this is, by the caller's clock.
    pub created: Timestamp,
}

impl Put {
    /// A put that replaces, of at most that many bytes, at that time.
    #[must_use]
    pub fn new(size_limit: u64, created: Timestamp) -> Self {
        Self {
            if_absent: false,
            size_limit,
            expected_size: None,
            sha256: None,
            content_type: String::new(),
            created,
        }
    }

    /// Refuses what no object store takes: an announced size over the limit, a content type that is too long or not printable.
    ///
    /// Every object store calls it (through [`crate::Intake::new`]) before it reads the stream.
    pub fn validate(&self) -> Result<()> {
        let refused = |message| Err(BackendError::new(ErrorKind::InvalidInput, message));
        if let Some(size) = self.expected_size
            && size > self.size_limit
        {
            let error = BackendError::new(ErrorKind::InvalidInput, "the object is over its limit");
            return Err(error.with("limit", self.size_limit).with("size", size));
        }
        if self.content_type.len() > MAX_CONTENT_TYPE {
            return refused("a content type is too long");
        }
        if !self.content_type.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return refused("a content type is not of printable ASCII characters");
        }
        Ok(())
    }
}

/// What an object is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectMeta {
    /// Its key.
    pub key: ObjectKey,
    /// Its length, in bytes.
    pub size: u64,
    /// The hash of its bytes.
    pub sha256: Sha256,
    /// What the bytes are, as the put said.
    pub content_type: String,
    /// When it was put, as the put said.
    pub created: Timestamp,
    /// Differs between any two puts of a key; opaque, 1 to 128 printable ASCII characters.
    pub version: String,
}

/// Which bytes of an object are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByteRange {
    /// The first byte, from 0.
    pub offset: u64,
    /// How many; `None` for all that follow.
    pub length: Option<u64>,
}

impl ByteRange {
    /// The whole object.
    pub const WHOLE: Self = Self { offset: 0, length: None };

    /// The range within an object of that size, cut at its end.
    ///
    /// Errors: `InvalidInput` with the facts `offset` and `size` if it begins behind the end.
    pub fn within(self, size: u64) -> Result<Range<u64>> {
        if self.offset > size {
            let error =
                BackendError::new(ErrorKind::InvalidInput, "the range begins behind the end of the object");
            return Err(error.with("offset", self.offset).with("size", size));
        }
        let end = self.length.map_or(size, |length| self.offset.saturating_add(length).min(size));
        Ok(self.offset..end)
    }
}

/// An object that is being read.
pub struct Object {
    /// What it is: of the same put as the bytes.
    pub meta: ObjectMeta,
    /// The bytes of the range that was asked for.
    pub bytes: ByteStream,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("meta", &self.meta).finish_non_exhaustive()
    }
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The cursor of the page before; `None` for the first page. Keys up to and including it are left out.
    pub after: Option<ObjectKey>,
    /// How many objects at most; more than [`MAX_PAGE`] means [`MAX_PAGE`].
    pub limit: usize,
}

impl PageRequest {
    /// The first page, of at most that many objects.
    #[must_use]
    pub fn first(limit: usize) -> Self {
        Self { after: None, limit }
    }

    /// How many objects the page may have.
    ///
    /// Errors: `InvalidInput` for none.
    pub fn bound(&self) -> Result<usize> {
        if self.limit == 0 {
            return Err(BackendError::new(ErrorKind::InvalidInput, "the limit of a page is 0"));
        }
        Ok(self.limit.min(MAX_PAGE))
    }

    /// Whether a key belongs into this page or one behind it.
    #[must_use]
    pub fn wants(&self, prefix: &KeyPrefix, key: &ObjectKey) -> bool {
        prefix.holds(key) && self.after.as_ref().is_none_or(|after| key > after)
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectPage {
    /// The objects, in the byte order of their keys.
    pub objects: Vec<ObjectMeta>,
    /// The keys in this part of the list whose objects are damaged; they count against the limit.
    pub damaged: Vec<ObjectKey>,
    /// The cursor for the next page; `None` if this is the last one. The next page may be empty.
    pub next: Option<ObjectKey>,
}

/// What an object store can do beyond the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capabilities {
    /// What is put outlives the process.
    pub durable: bool,
    /// Several servers may use it at once.
    pub shared: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_reads_back_from_its_digits() {
        let hash = Sha256::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        assert_eq!(text.to_uppercase().parse::<Sha256>().unwrap(), hash);
        for wrong in ["", "ba", &text[1..], &format!("{text}00"), &text.replace('b', "g"), &"é".repeat(32)] {
            assert!(wrong.parse::<Sha256>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_range_is_cut_at_the_end_and_refused_behind_it() {
        let within = |offset, length, size| ByteRange { offset, length }.within(size);
        assert_eq!(within(0, None, 10).unwrap(), 0..10);
        assert_eq!(within(3, Some(4), 10).unwrap(), 3..7);
        assert_eq!(within(3, Some(u64::MAX), 10).unwrap(), 3..10);
        assert_eq!(within(10, Some(1), 10).unwrap(), 10..10);
        assert_eq!(within(0, Some(0), 10).unwrap(), 0..0);
        assert_eq!(within(11, Some(0), 10).unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_page_is_bounded_and_not_empty() {
        assert_eq!(PageRequest::first(usize::MAX).bound().unwrap(), MAX_PAGE);
        assert_eq!(PageRequest::first(1).bound().unwrap(), 1);
        assert_eq!(PageRequest::first(0).bound().unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_content_type_is_bounded_and_printable() {
        let put = |text: String| Put { content_type: text, ..Put::new(0, Timestamp::default()) };
        put("x".repeat(MAX_CONTENT_TYPE)).validate().unwrap();
        put(String::new()).validate().unwrap();
        for wrong in ["x".repeat(MAX_CONTENT_TYPE + 1), "text/plain\r\nx: y".to_owned(), "ü".to_owned()] {
            assert_eq!(put(wrong).validate().unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    }
}
