//! What a backend supplies to the suite, and the world that a case works in.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use gofer_backend::{ErrorKind, Result};

use super::expect::{Outcome, within};
use crate::{Capabilities, ObjectStore};

/// Frees room on a full disk.
pub type MakeRoom = Box<dyn FnOnce() + Send>;

/// How to reach a backend. It selects nothing: the cases belong to the suite.
#[async_trait]
pub trait Harness: Debug + Send + Sync + 'static {
    /// What the object stores that it opens say of themselves.
    fn capabilities(&self) -> Capabilities;

    /// Opens the object store of a place as a freshly started server would: an empty one if nothing was opened there before.
    ///
    /// The place is a path that no other case uses; its parent exists. A backend without files may use it as a name.
    async fn open(&self, place: &Path) -> Result<Arc<dyn ObjectStore>>;

    /// Lets the machine of an object store fail: what is not durable is gone. A backend that cannot have its power cut just
    /// drops it; the suite kills a whole process, too.
    async fn crash(&self, place: &Path, store: Arc<dyn ObjectStore>);

    /// Whether another process that opens the place finds the same objects, on a disk that the suite may fill.
    fn on_disk(&self) -> bool;

    /// For a backend that is not on a disk: makes the place small, to some MiB, and returns how to make room.
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

    pub(super) async fn open(&self) -> Result<Arc<dyn ObjectStore>> {
        self.harness.open(&self.place()).await
    }

    pub(super) async fn crash(&self, store: Arc<dyn ObjectStore>) -> Outcome<Arc<dyn ObjectStore>> {
        self.harness.crash(&self.place(), store).await;
        self.open_again().await
    }

    pub(super) async fn reopen(&self, store: Arc<dyn ObjectStore>) -> Outcome<Arc<dyn ObjectStore>> {
        drop(store);
        self.open_again().await
    }

    /// Opens it once the one before has let go: calls that were left alone may still be under way.
    async fn open_again(&self) -> Outcome<Arc<dyn ObjectStore>> {
        let open = async {
            loop {
                match self.open().await {
                    Err(error) if error.kind() == ErrorKind::Conflict => tokio::task::yield_now().await,
                    answer => break answer,
                }
            }
        };
        Ok(within("opening anew", open).await??)
    }
}
