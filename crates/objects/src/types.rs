//! The arguments and answers of objects: plain data.

use std::fmt;
use std::time::Duration;

use gofer_backend::BackendError;
use gofer_object_store::{ByteStream, ObjectMeta, Sha256};
use gofer_types::{ObjectScope as Scope, Timestamp};

use crate::error::Result;
use crate::path::{Layout as _, ObjectPath};

/// The operator's limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How many objects a pipeline keeps; the oldest goes when there is one more. 0 means 1.
    pub ring: usize,
    /// The largest object, in bytes.
    pub object_bytes: u64,
    /// How many bytes the objects of a namespace may have together.
    pub namespace_bytes: u64,
    /// How many objects a run may have.
    pub run_objects: usize,
    /// How long a put waits for the next byte.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ring: 10,
            object_bytes: 1 << 30,
            namespace_bytes: 10 << 30,
            run_objects: 1000,
            stall: Duration::from_secs(60),
        }
    }
}

/// How an object is put.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PutObject {
    /// Whether what is under the key is replaced; otherwise the put is refused.
    pub replace: bool,
    /// What the bytes are, such as `application/json`; at most 255 printable ASCII characters, empty where nobody said.
    pub content_type: String,
    /// How many bytes will come, where the caller knows. Anything else is refused.
    pub expected_size: Option<u64>,
    /// The hash that the bytes must have, where the caller knows.
    pub sha256: Option<Sha256>,
}

/// What an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Its key.
    pub path: ObjectPath,
    /// Its length, in bytes.
    pub size: u64,
    /// The hash of its bytes.
    pub sha256: Sha256,
    /// What the bytes are, as the put said.
    pub content_type: String,
    /// When it was put.
    pub created: Timestamp,
    /// Differs between any two puts of a key; opaque.
    pub version: String,
}

impl Meta {
    pub(crate) fn new(scope: &Scope, meta: ObjectMeta) -> Result<Self> {
        let path = scope.path(&meta.key)?;
        let ObjectMeta { size, sha256, content_type, created, version, .. } = meta;
        Ok(Self { path, size, sha256, content_type, created, version })
    }
}

/// A put that has landed.
#[derive(Debug)]
pub struct Put {
    /// What the object is now.
    pub meta: Meta,
    /// The objects that went for it, oldest first.
    pub evicted: Vec<ObjectPath>,
    /// Why there are more objects than the ring has room for, if something kept the oldest from going. The next put tries again.
    pub untidy: Option<BackendError>,
}

/// An object that is being read.
pub struct Content {
    /// What it is: of the same put as the bytes.
    pub meta: Meta,
    /// The bytes that were asked for.
    pub bytes: ByteStream,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("meta", &self.meta).finish_non_exhaustive()
    }
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The cursor of the page before; `None` for the first page. Keys up to and including it are left out.
    pub after: Option<ObjectPath>,
    /// How many objects at most; more than 1,000 means 1,000, and 0 means 1.
    pub limit: usize,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The objects, in the byte order of their keys.
    pub objects: Vec<Meta>,
    /// The keys in this part of the list whose objects are damaged. They can be deleted or replaced.
    pub damaged: Vec<ObjectPath>,
    /// The cursor of the next page; `None` if this is the last one. The next page may be empty.
    pub next: Option<ObjectPath>,
}

/// What is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// How many objects.
    pub objects: u64,
    /// Their bytes; damaged objects count none.
    pub bytes: u64,
}

/// What the objects of a namespace take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The bytes of its objects.
    pub used: u64,
    /// The bytes that puts on their way hold reserved.
    pub reserved: u64,
    /// How many bytes there may be.
    pub limit: u64,
}
