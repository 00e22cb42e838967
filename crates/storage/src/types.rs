//! The arguments and answers of a storage.

use std::collections::HashSet;
use std::ops::Bound;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use gofer_backend::{BackendError, ErrorKind, Result};

/// The longest key, in bytes.
pub const MAX_KEY: usize = 1024;

/// The longest value, in bytes. Larger things belong into the log store or an object store.
pub const MAX_VALUE: usize = 64 * 1024;

/// The largest batch, as [`Batch::size`] counts it, in bytes.
pub const MAX_BATCH: usize = 32 * 1024 * 1024;

/// What a check or a write costs beside its bytes.
const ENTRY_COST: usize = 64;

/// A key as facts of errors show it: printable ASCII as it is, all else as `\\xNN`.
#[must_use]
pub fn escaped(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

/// The number of a commit. Grows by every commit that wrote something; 0 is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

/// A key with its value and the revision of the commit that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
    /// The commit that wrote it.
    pub revision: Revision,
}

/// A range of keys and the direction in which it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key.
    pub start: Bound<Bytes>,
    /// The last key.
    pub end: Bound<Bytes>,
    /// Whether the last rows are wanted, in descending order.
    pub reverse: bool,
}

impl KeyRange {
    /// All keys that start with these bytes.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        let end = successor(prefix).map_or(Bound::Unbounded, |end| Bound::Excluded(Bytes::from(end)));
        Self { start: Bound::Included(Bytes::copy_from_slice(prefix)), end, reverse: false }
    }

    /// The same range, continued behind a key (in the direction of reading).
    #[must_use]
    pub fn after(mut self, key: &[u8]) -> Self {
        let bound = Bound::Excluded(Bytes::copy_from_slice(key));
        if self.reverse {
            self.end = bound;
        } else {
            self.start = bound;
        }
        self
    }

    /// The same range, read from the end.
    #[must_use]
    pub fn reversed(mut self) -> Self {
        self.reverse = true;
        self
    }
}

impl KeyRange {
    /// Whether no key can be in this range.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match (&self.start, &self.end) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(start), Bound::Included(end)) => start > end,
            (
                Bound::Included(start) | Bound::Excluded(start),
                Bound::Included(end) | Bound::Excluded(end),
            ) => start >= end,
        }
    }
}

/// The smallest key that is greater than every key with this prefix; `None` if there is none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// What must hold for a batch to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// There is no row under the key.
    Absent,
    /// The row under the key was written by this commit.
    At(Revision),
}

/// One precondition of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The key.
    pub key: Bytes,
    /// What must hold there.
    pub precondition: Precondition,
}

/// One write of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Sets a row.
    Put {
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
    },
    /// Removes a row; no effect if there is none.
    Delete {
        /// The key.
        key: Bytes,
    },
}

impl Write {
    /// The key that it touches.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// Writes that take effect together, if every check holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// What must hold.
    pub checks: Vec<Check>,
    /// What is written.
    pub writes: Vec<Write>,
}

impl Batch {
    /// Adds a precondition.
    pub fn check(&mut self, key: impl Into<Bytes>, precondition: Precondition) -> &mut Self {
        self.checks.push(Check { key: key.into(), precondition });
        self
    }

    /// Adds a write.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> &mut Self {
        self.writes.push(Write::Put { key: key.into(), value: value.into() });
        self
    }

    /// Adds a removal.
    pub fn delete(&mut self, key: impl Into<Bytes>) -> &mut Self {
        self.writes.push(Write::Delete { key: key.into() });
        self
    }
}

/// What a storage can do beyond the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// What is written outlives the process.
    pub durable: bool,
    /// Several servers may use it at once.
    pub shared: bool,
}

/// The signals of a watch.
pub type WatchStream = BoxStream<'static, Revision>;

impl Batch {
    /// The bytes of all keys and values, and 64 bytes for each check and each write.
    #[must_use]
    pub fn size(&self) -> usize {
        let checks = self.checks.iter().map(|check| check.key.len() + ENTRY_COST);
        let writes = self.writes.iter().map(|write| match write {
            Write::Put { key, value } => key.len() + value.len() + ENTRY_COST,
            Write::Delete { key } => key.len() + ENTRY_COST,
        });
        checks.chain(writes).sum()
    }

    /// Refuses what no storage takes: an empty key, a key, value or batch over its limit, one key written twice.
    ///
    /// Every storage calls it before anything else; the fact `key` names the culprit.
    pub fn validate(&self) -> Result<()> {
        for check in &self.checks {
            validate_key(&check.key)?;
        }
        let mut seen = HashSet::with_capacity(self.writes.len());
        for write in &self.writes {
            validate_key(write.key())?;
            if let Write::Put { key, value } = write
                && value.len() > MAX_VALUE
            {
                return Err(refused("a value is over its limit", key)
                    .with("limit", MAX_VALUE)
                    .with("size", value.len()));
            }
            if !seen.insert(write.key()) {
                return Err(refused("one key is written twice in a batch", write.key()));
            }
        }
        let size = self.size();
        if size > MAX_BATCH {
            let error = BackendError::new(ErrorKind::InvalidInput, "a batch is over its limit");
            return Err(error.with("limit", MAX_BATCH).with("size", size));
        }
        Ok(())
    }
}

impl Check {
    /// Whether it holds, given the revision of the row under its key: `Conflict` with the facts `key`, `wanted`, `found`.
    pub fn verify(&self, found: Option<Revision>) -> Result<()> {
        let holds = match self.precondition {
            Precondition::Absent => found.is_none(),
            Precondition::At(revision) => found == Some(revision),
        };
        if holds {
            return Ok(());
        }
        let name = |revision: Option<Revision>| {
            revision.map_or_else(|| "absent".to_owned(), |revision| format!("revision {}", revision.0))
        };
        let wanted = match self.precondition {
            Precondition::Absent => None,
            Precondition::At(revision) => Some(revision),
        };
        let error = BackendError::new(ErrorKind::Conflict, "a precondition does not hold");
        Err(error.with("key", escaped(&self.key)).with("wanted", name(wanted)).with("found", name(found)))
    }
}

fn validate_key(key: &[u8]) -> Result<()> {
    if key.is_empty() {
        return Err(refused("a key is empty", key));
    }
    if key.len() > MAX_KEY {
        let shown = key.get(..32).unwrap_or_default();
        return Err(refused("a key is over its limit", shown).with("limit", MAX_KEY).with("size", key.len()));
    }
    Ok(())
}

fn refused(message: &str, key: &[u8]) -> BackendError {
    BackendError::new(ErrorKind::InvalidInput, message).with("key", escaped(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: Bound<&'static [u8]>, end: Bound<&'static [u8]>) -> KeyRange {
        KeyRange { start: start.map(Bytes::from_static), end: end.map(Bytes::from_static), reverse: false }
    }

    #[test]
    fn a_prefix_ends_where_its_last_byte_can_grow() {
        assert_eq!(KeyRange::prefix(b"a\xff").end, Bound::Excluded(Bytes::from_static(b"b")));
        assert_eq!(KeyRange::prefix(b"\xff\xff").end, Bound::Unbounded);
        assert_eq!(KeyRange::prefix(b"").end, Bound::Unbounded);
    }

    #[test]
    fn only_ranges_that_can_hold_no_key_are_empty() {
        let (a, b): (&[u8], &[u8]) = (b"a", b"b");
        let (a, b): (&'static [u8], &'static [u8]) = (a, b);
        assert!(!range(Bound::Included(a), Bound::Included(a)).is_empty());
        assert!(range(Bound::Included(a), Bound::Excluded(a)).is_empty());
        assert!(range(Bound::Excluded(a), Bound::Included(a)).is_empty());
        assert!(range(Bound::Included(b), Bound::Included(a)).is_empty());
        assert!(!range(Bound::Excluded(a), Bound::Included(b)).is_empty());
        assert!(!range(Bound::Unbounded, Bound::Excluded(a)).is_empty());
    }

    #[test]
    fn a_failed_check_says_what_was_wanted_and_what_was_found() {
        let check = Check { key: Bytes::from_static(b"a\0"), precondition: Precondition::At(Revision(3)) };
        assert!(check.verify(Some(Revision(3))).is_ok());
        let text = check.verify(None).unwrap_err().to_string();
        assert_eq!(text, r"a precondition does not hold (key a\x00, wanted revision 3, found absent)");
    }
}
