//! What a backend supplies to the suite, and the world that a case works in.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use gofer_backend::Result;

use super::expect::Outcome;
use crate::{Capabilities, Storage};

/// Frees room on a full disk.
pub type MakeRoom = Box<dyn FnOnce() + Send>;

/// How to reach a backend. It selects nothing: the cases belong to the suite.
#[async_trait]
pub trait Harness: Debug + Send + Sync + 'static {
    /// What the storages that it opens say of themselves.
    fn capabilities(&self) -> Capabilities;

    /// Opens the storage of a place as a freshly started server would: an empty one if nothing was opened there before.
    ///
    /// The place is a path that no other case uses; its parent exists. A backend without files may use it as a name.
    async fn open(&self, place: &Path) -> Result<Arc<dyn Storage>>;

    /// Lets the machine of a storage fail: it is not closed, and what was not synced is gone. A backend that cannot have its
    /// power cut just drops it; the suite kills a whole process, too.
    async fn crash(&self, place: &Path, storage: Arc<dyn Storage>);

    /// Whether another process that opens the place finds the same rows, on a disk that the suite may fill.
    fn on_disk(&self) -> bool;

    /// For a backend that is not on a disk: makes the place small, to some hundred KiB, and returns how to make room.
    fn small(&self, place: &Path) -> Option<MakeRoom>;
}

/// The world of one case: a place of its own.
#[derive(Debug)]
pub struct World {
    harness: Arc<dyn Harness>,
    dir: tempfile::TempDir,
}

impl World {
    /// A world with an empty place.
    pub fn new(harness: Arc<dyn Harness>) -> Outcome<Self> {
        Ok(Self { harness, dir: tempfile::tempdir()? })
    }

    pub(super) fn harness(&self) -> &dyn Harness {
        &*self.harness
    }

    pub(super) fn place(&self) -> PathBuf {
        self.dir.path().join("place")
    }

    pub(super) async fn open(&self) -> Result<Arc<dyn Storage>> {
        self.harness.open(&self.place()).await
    }

    pub(super) async fn crash(&self, storage: Arc<dyn Storage>) -> Result<Arc<dyn Storage>> {
        self.harness.crash(&self.place(), storage).await;
        self.open().await
    }

    pub(super) async fn reopen(&self, storage: Arc<dyn Storage>) -> Result<Arc<dyn Storage>> {
        storage.close().await?;
        drop(storage);
        self.open().await
    }
}
