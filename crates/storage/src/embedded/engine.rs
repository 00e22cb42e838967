//! What a vendor's engine must do. Everything else is done around it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use gofer_backend::{BackendError, Result};

use crate::KeyRange;

/// The receiver of a scan: raw key, raw row; says whether it wants more.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>> + 'a;

/// An ordered map on disk. All calls block; [`Engine::write`], [`Engine::idle`] and [`Engine::close`] come from one thread.
///
/// Readers see the last group whose write returned `Ok`, whole, and nothing of a later one: what is read is on disk.
pub trait Engine: Debug + Send + Sync + 'static {
    /// The state row of the last group; `None` in a new directory.
    fn state(&self) -> Result<Option<Bytes>>;

    /// The raw row under a key.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>>;

    /// Hands the raw rows of a range to `visit`, in order, until it breaks or fails. All rows are of one instant.
    ///
    /// The range is never empty in the sense of [`KeyRange::is_empty`].
    fn scan(&self, range: &KeyRange, visit: &mut Visit<'_>) -> Result<()>;

    /// Writes a group whole, and returns once it is on disk. A group without rows still makes a durable write.
    fn write(&self, group: &Group) -> std::result::Result<(), WriteFailure>;

    /// How long no request must have come before [`Engine::idle`] is called; `None`: never.
    fn idle_after(&self) -> Option<Duration> {
        None
    }

    /// Does what would cost too much with every group, such as a mark that makes the next opening fast. Called once after
    /// writes, and not again before the next write, whatever it answers; a commit that comes meanwhile waits for it.
    fn idle(&self) -> std::result::Result<(), WriteFailure> {
        Ok(())
    }

    /// Lets go of all files, as well prepared for the next opening as after [`Engine::idle`], which is not called before it.
    /// Later calls answer `Unavailable`. Waits for readers.
    fn close(&self);
}

/// Several batches, merged into one write.
#[derive(Debug, Default)]
pub struct Group {
    /// The raw rows to set, or `None` to remove, each key once.
    pub rows: BTreeMap<Bytes, Option<Vec<u8>>>,
    /// The state row, to be replaced in the same write.
    pub state: Vec<u8>,
}

impl Group {
    /// The bytes of its rows.
    #[must_use]
    pub fn size(&self) -> u64 {
        let size = |(key, row): (&Bytes, &Option<Vec<u8>>)| key.len() + row.as_ref().map_or(0, Vec::len);
        self.rows.iter().map(size).map(|size| size as u64).sum()
    }
}

/// How a write failed.
#[derive(Debug)]
pub enum WriteFailure {
    /// Nothing was written, and the engine works: later writes may succeed.
    Refused(BackendError),
    /// The outcome is unknown. Nothing may be acknowledged before the storage is opened anew.
    Broken(BackendError),
}
