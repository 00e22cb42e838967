//! The state of gofer, as a trait of three verbs and a watch.
//!
//! A storage is an ordered map from byte keys to byte values, in which every row carries the revision of the commit that
//! wrote it. It is the only truth: notifications only wake somebody up.
//!
//! What every implementation owes:
//! - **Durable.** `Ok` from [`Storage::commit`] means that the batch survives the crash of the process and of the machine.
//! - **Atomic.** A batch takes effect whole or not at all, also across a crash; its checks are made in the same instant.
//! - **Ordered.** Revisions grow by commit; a read after an `Ok` sees that commit. Keys are ordered by their bytes.
//! - **Fail-stop.** After the first failed sync nothing is acknowledged any more; only opening anew helps.
//! - **Shared.** Many commits that wait at the same time may share one sync.
//!
//! Behind features: `conformance`, the suite that proves the above for any storage; `fake`, a storage in memory with
//! scripted faults; [`embedded`], what an engine that lives in a directory needs to become a storage.

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "fake")]
pub mod fake;
pub mod types;
#[cfg(any(feature = "embedded", feature = "fake"))]
pub(crate) mod watchers;

use std::fmt::Debug;

use async_trait::async_trait;
use gofer_backend::{BackendInfo, Result};

pub use types::{
    Batch, Capabilities, Check, KeyRange, MAX_BATCH, MAX_KEY, MAX_VALUE, Precondition, Revision, Row,
    WatchStream, Write, escaped,
};

/// An ordered, durable map with preconditions.
#[async_trait]
pub trait Storage: Debug + Send + Sync + 'static {
    /// What this storage is.
    fn info(&self) -> BackendInfo;

    /// What this storage can do beyond the contract.
    fn capabilities(&self) -> Capabilities;

    /// Whether a read and a durable write work now. No lasting effect.
    ///
    /// Errors: `Exhausted` when the disk is full, `Unavailable` after a failed sync.
    async fn check(&self) -> Result<()>;

    /// The row under a key, or `None` if there is none. No effect.
    ///
    /// Errors: `Internal` for a row that fails its checksum (a fact `key` names it, as [`escaped`] prints it); never `None` for a row that cannot be
    /// read.
    async fn get(&self, key: &[u8]) -> Result<Option<Row>>;

    /// The first `limit` rows of a range in key order (`reverse`: the last ones, in descending order). No effect. The empty
    /// list means that the range holds no row. Rows of one call are of one instant.
    ///
    /// A `limit` of 0 is `InvalidInput`. A row that fails its checksum ends the call with `Internal` and the fact `key`.
    async fn scan(&self, range: KeyRange, limit: usize) -> Result<Vec<Row>>;

    /// Writes the whole batch if every check holds, and answers when it is on disk, with the revision that its rows now carry.
    ///
    /// A batch without writes writes nothing, and answers the newest revision if its checks hold. Checks see the state before
    /// the batch, never its own writes.
    ///
    /// Not idempotent by itself: who must repeat it puts a check into it. A dropped future leaves the outcome unknown.
    /// Errors: `Conflict` when a check does not hold (fact `key`, as [`escaped`] prints it), with nothing written;
    /// `InvalidInput` for what [`Batch::validate`] refuses; `Exhausted` for a full disk, with nothing written, and later
    /// commits work again once there is room; `Unavailable` after a failed sync, when the outcome is unknown and nothing
    /// is acknowledged any more.
    async fn commit(&self, batch: Batch) -> Result<Revision>;

    /// Tells of commits that touched a key with this prefix, from now on: the revision of the newest such commit.
    ///
    /// It is a signal, not a log: revisions may be merged into the newest, none is ever missed for good. Ends when the
    /// storage is closed.
    fn watch(&self, prefix: &[u8]) -> WatchStream;

    /// Waits until what was accepted is on disk, and lets go of files and locks. Later calls answer `Unavailable`.
    /// Already closed: `Ok`.
    async fn close(&self) -> Result<()>;
}
