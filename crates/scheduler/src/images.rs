//! Fetching the images of tasks: an ability of schedulers that run containers.
//!
//! It stands beside [`Scheduler::start`](crate::Scheduler::start) because it takes minutes where a start takes
//! milliseconds, has a time limit of its own, and leaves no doubt: whoever fetches an image has started nothing.

use std::fmt::Debug;

use async_trait::async_trait;
use gofer_backend::Result;

use crate::TaskSpec;

/// Fetches images.
#[async_trait]
pub trait Images: Debug + Send + Sync {
    /// Sees to it that the image of this task is there, as its pull policy says, and answers what it is.
    ///
    /// Idempotent; several fetches of one image at once may be one. `progress` is told how far it is, as often as the
    /// backend says something, and nothing where nothing is transferred. Dropping the future ends the waiting; what was transferred stays.
    /// Errors: `InvalidInput` if there is no such image or its name is malformed; `Unauthenticated` or `PermissionDenied` if
    /// the registry refuses the credentials; `Unavailable` if the registry or the engine cannot be reached; `Exhausted` if
    /// there is no room for it; `TimedOut` with the
    /// advice `Never` if the time limit of a fetch has passed, and otherwise if one answer did not come in time.
    async fn fetch(&self, spec: &TaskSpec, progress: &mut (dyn FnMut(ImageProgress) + Send))
    -> Result<Image>;
}

/// An image that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its digest, such as `sha256:...`: the registry's where it came from one, else the engine's own.
    pub digest: String,
    /// Whether something was transferred.
    pub fetched: bool,
}

/// How far the fetch of an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImageProgress {
    /// The bytes that are there.
    pub done: u64,
    /// The bytes of all parts whose size is known so far; it may grow.
    pub total: u64,
}
