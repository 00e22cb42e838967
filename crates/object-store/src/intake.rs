//! What the bytes of a put go through: counted, limited, hashed.
//!
//! Counting and hashing are apart, as a backend counts a chunk when it comes and hashes it where it writes it.

use std::fmt;

use gofer_backend::{BackendError, ErrorKind, Result};
use sha2::Digest as _;

use crate::{Put, Sha256};

/// The running count and hash of one put.
pub struct Intake {
    limit: u64,
    expected: Option<u64>,
    wanted: Option<Sha256>,
    size: u64,
    hasher: sha2::Sha256,
}

impl Intake {
    /// Nothing was read yet.
    ///
    /// Errors: `InvalidInput` for what [`Put::validate`] refuses.
    pub fn new(put: &Put) -> Result<Self> {
        put.validate()?;
        let (limit, expected, wanted) = (put.size_limit, put.expected_size, put.sha256);
        Ok(Self { limit, expected, wanted, size: 0, hasher: sha2::Sha256::default() })
    }

    /// Counts a chunk.
    ///
    /// Errors: `InvalidInput` if with it the stream is over its limit (facts `limit`, `size`) or longer than announced.
    pub fn admit(&mut self, length: usize) -> Result<()> {
        self.size = self.size.saturating_add(length as u64);
        if self.size > self.limit {
            return Err(refused("the object is over its limit")
                .with("limit", self.limit)
                .with("size", self.size));
        }
        match self.expected {
            Some(expected) if self.size > expected => Err(self.mismatched(expected)),
            _ => Ok(()),
        }
    }

    /// Hashes a chunk. All of them, in order.
    pub fn hash(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// The size and the hash of the whole.
    ///
    /// Errors: `InvalidInput` if the stream is shorter than announced or has another hash.
    pub fn finish(self) -> Result<(u64, Sha256)> {
        if let Some(expected) = self.expected
            && self.size != expected
        {
            return Err(self.mismatched(expected));
        }
        let found = Sha256(self.hasher.finalize().into());
        if let Some(wanted) = self.wanted
            && wanted != found
        {
            let error = refused("the bytes do not have the announced hash");
            return Err(error.with("announced", wanted).with("found", found));
        }
        Ok((self.size, found))
    }

    fn mismatched(&self, expected: u64) -> BackendError {
        refused("the object is not as long as announced").with("announced", expected).with("found", self.size)
    }
}

fn refused(message: &str) -> BackendError {
    BackendError::new(ErrorKind::InvalidInput, message)
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("size", &self.size).field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use gofer_types::Timestamp;

    use super::*;

    fn put(limit: u64) -> Put {
        Put::new(limit, Timestamp::default())
    }

    fn through(put: &Put, chunks: &[&[u8]]) -> Result<(u64, Sha256)> {
        let mut intake = Intake::new(put)?;
        for chunk in chunks {
            intake.admit(chunk.len())?;
            intake.hash(chunk);
        }
        intake.finish()
    }

    #[test]
    fn size_and_hash_are_of_all_chunks_together() {
        assert_eq!(through(&put(3), &[b"a", b"", b"bc"]).unwrap(), (3, Sha256::of(b"abc")));
        assert_eq!(through(&put(0), &[]).unwrap(), (0, Sha256::of(b"")));
    }

    #[test]
    fn what_is_not_as_announced_is_refused() {
        let sized = |size| Put { expected_size: Some(size), ..put(9) };
        let hashed = |bytes: &[u8]| Put { sha256: Some(Sha256::of(bytes)), ..put(9) };
        assert!(through(&put(2), &[b"ab", b"c"]).is_err());
        assert!(through(&sized(10), &[]).is_err());
        assert!(through(&sized(2), &[b"abc"]).is_err());
        assert!(through(&sized(4), &[b"abc"]).is_err());
        assert!(through(&hashed(b"abd"), &[b"abc"]).is_err());
        through(&sized(3), &[b"abc"]).unwrap();
        through(&hashed(b"abc"), &[b"abc"]).unwrap();
    }
}
