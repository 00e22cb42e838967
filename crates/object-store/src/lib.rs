//! Bytes under keys, as a trait: what pipelines and runs leave behind for each other.
//!
//! An object is some bytes with a length, a hash, a content type and the time of its put. It is written as a whole and
//! replaced as a whole; nothing changes a part of it.
//!
//! What every implementation owes:
//! - **Durable and whole.** `Ok` from [`ObjectStore::put`] means that the object survives the crash of the process and of
//!   the machine, and that [`ObjectStore::get`] answers exactly these bytes until the next put or delete of the key.
//! - **Whole or not at all.** A put that fails, is refused, or is dropped before its stream has ended is never visible, not for
//!   a moment and not after a crash; what was under the key before stays. Only a put whose stream has ended and whose outcome
//!   is unknown (its future was dropped, it answered `Unavailable` or `TimedOut`) may be there, and then it is there whole.
//! - **One winner.** Of puts with [`Put::if_absent`] that race for one key exactly one is answered `Ok`; the others are
//!   answered `AlreadyExists`.
//! - **Readers keep what they read.** An object that was opened is read to its end, also while it is replaced or deleted.
//!   Its bytes and its [`ObjectMeta`] are of one put.
//! - **Unknown is not "not found".** A key is `NotFound` only if the backend itself said that nothing is there.
//! - **Keys are only names.** Two different keys are two different objects, whatever the host makes of case, of Unicode
//!   forms, of dots and of slashes. No key reaches anything but its object.
//! - **Lists are complete.** In the byte order of keys; each key that is there throughout is listed once; nothing from outside
//!   the prefix.
//! - **Bounded.** Neither a put nor a get holds more than a few chunks of an object in memory.
//!
//! Behind features: `conformance`, the suite that proves the above for any object store; `fake`, an object store in
//! memory with deliberate defects. [`Intake`] is what every implementation passes the bytes of a put through.

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "fake")]
pub mod fake;
pub mod intake;
pub mod key;
pub mod types;

use std::fmt::Debug;

use async_trait::async_trait;
use gofer_backend::{BackendInfo, Result};

pub use intake::Intake;
pub use key::{KeyPrefix, MAX_KEY, MAX_SEGMENT, MAX_SEGMENTS, ObjectKey};
pub use types::{
    ByteRange, ByteStream, Capabilities, MAX_CONTENT_TYPE, MAX_PAGE, Object, ObjectMeta, ObjectPage,
    PageRequest, Put, Sha256,
};

/// Bytes under keys.
#[async_trait]
pub trait ObjectStore: Debug + Send + Sync + 'static {
    /// What this object store is.
    fn info(&self) -> BackendInfo;

    /// What this object store can do beyond the contract.
    fn capabilities(&self) -> Capabilities;

    /// Whether an object could be written and read now. No lasting effect.
    ///
    /// Errors: `Exhausted` when there is no room, `Unavailable` when it cannot be reached or does not trust its disk any more.
    async fn check(&self) -> Result<()>;

    /// Reads the stream to its end, writes it under the key, and answers when it is durable, with what it now is. Replaces
    /// what was there, unless [`Put::if_absent`] says otherwise.
    ///
    /// Not idempotent by itself: a repeated put makes a new version with the same bytes; a repeated one with `if_absent` is
    /// answered `AlreadyExists` by its own first try. A future that is dropped before the stream has ended has no effect;
    /// one that is dropped later leaves the outcome unknown, as `Unavailable` and `TimedOut` do.
    /// Errors: `AlreadyExists` (fact `key`), which may be answered before the stream is read; `InvalidInput` for what
    /// [`Put::validate`] refuses, as soon as the stream passes [`Put::size_limit`] (fact `limit`; nothing behind the chunk that
    /// passes it is read), for a stream that is not as long as announced and for bytes that have another hash; `Exhausted`
    /// when there is no room. An error in the stream ends the put and is answered as it is.
    async fn put(&self, key: &ObjectKey, bytes: ByteStream, put: Put) -> Result<ObjectMeta>;

    /// Opens the object for reading: what it is, and the bytes of the range. No effect; a dropped stream ends the reading.
    ///
    /// A range that passes the end is cut there; at the end it is empty. The stream gives chunks of at most 1 MiB and none that
    /// is empty. An error in it means that the rest cannot be read; bytes that came before it are not to be trusted either.
    /// Errors: `NotFound` (fact `key`); `InvalidInput` for a range that begins behind the end (fact `size`); `Internal` for an
    /// object that is damaged (fact `key`).
    async fn get(&self, key: &ObjectKey, range: ByteRange) -> Result<Object>;

    /// What the object is. No effect.
    ///
    /// Errors: `NotFound` and `Internal` as for [`ObjectStore::get`].
    async fn head(&self, key: &ObjectKey) -> Result<ObjectMeta>;

    /// Removes the object, and answers when that is durable. Nothing there: `Ok`. Idempotent; a dropped future leaves the
    /// outcome unknown. A damaged object can be deleted.
    async fn delete(&self, key: &ObjectKey) -> Result<()>;

    /// The first objects below a prefix, in the byte order of their keys, behind the cursor of the page before. No effect.
    ///
    /// No object below the prefix: an empty page, never `NotFound`. The cursor is a key and need not be there (any more).
    /// Objects that come and go meanwhile may be listed or not.
    /// Errors: `InvalidInput` for a page of 0 objects. A damaged object is no error: the page names it and goes on.
    async fn list(&self, prefix: &KeyPrefix, page: PageRequest) -> Result<ObjectPage>;
}
