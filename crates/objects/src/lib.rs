//! Objects of pipelines and of runs, over any object store.
//!
//! The object store is the truth: there are no records beside it that could disagree. What is kept in memory can be counted
//! from it at any time.
//!
//! # Where an object is
//!
//! ```text
//! <namespace>/<pipeline>/p/<key of the user>                an object of the pipeline
//! <namespace>/<pipeline>/r/<number, 20 digits>/<key ..>     an object of a run
//! ```
//!
//! Each part is a segment or several whole ones, so that no two scopes and no two keys meet, and runs list in their order.
//!
//! # What is promised
//!
//! - **A ring.** A pipeline has at most [`Limits::ring`] objects. A put that makes one too many deletes the oldest, by the time of
//!   the put and then by key, and names it. What was put is never older than what was there before, whatever the clock says, and
//!   is not deleted by its own put. A crash in between leaves one too many until the next put or [`Objects::tidy`].
//! - **A quota.** The objects of a namespace never have more than [`Limits::namespace_bytes`] together, not even while several are
//!   on their way: each put reserves its bytes, the announced ones before anything is read, the others as they come. What a put
//!   replaces counts until the put has landed. Only what a store lost track of (an answer that did not come) counts as if it was
//!   there, until the namespace has a quiet moment and is counted anew.
//! - **Uploads side by side.** They wait for each other only in their last step, one scope at a time: so a slow client holds up
//!   nobody, and sizes are counted exactly.
//! - **An end.** [`Objects::expire_run`] and [`Objects::delete_pipeline`] also end the puts that are on their way; such a put is
//!   answered [`ObjectsError::Gone`], and nothing of it stays. Both can be repeated, and go on where they stopped.
//!
//! A put whose future is dropped before its stream has ended has no effect and frees what it reserved. Later the outcome is
//! unknown; whoever wants to know it must not drop the future then.
//!
//! At the end of a stream its put looks at the store: a store must not hold up its other calls while it waits for bytes.
//!
//! The crate must not know who may do what, whether a pipeline or a run is there, or what is in an object.

mod account;
mod desk;
mod error;
mod path;
mod put;
mod read;
mod ring;
mod sweep;
mod types;
mod upload;

use std::fmt;
use std::sync::Arc;

use gofer_backend::Clock;
use gofer_object_store::ObjectStore;

pub use error::{ObjectsError, Result};
pub use gofer_object_store::{ByteRange, ByteStream, Sha256};
pub use gofer_types::ObjectScope as Scope;
pub use path::{MAX_PATH, MAX_PATH_SEGMENTS, ObjectPath};
pub use types::{Content, Limits, Listing, Meta, Page, Put, PutObject, Removed, Usage};

/// The objects of a server: cheap to clone, all clones are the same.
#[derive(Clone)]
pub struct Objects {
    inner: Arc<Inner>,
}

/// What an upload on its way shares with the rest.
struct Inner {
    store: Arc<dyn ObjectStore>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    accounts: account::Accounts,
    desks: desk::Desks,
}

impl Objects {
    /// Objects over a store that nobody else writes below the namespaces. No I/O.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        let accounts = account::Accounts::new(Arc::clone(&store), limits.namespace_bytes);
        Self { inner: Arc::new(Inner { store, limits, clock, accounts, desks: desk::Desks::default() }) }
    }

    /// Objects in memory, for tests of what stands above.
    #[cfg(feature = "fake")]
    #[must_use]
    pub fn in_memory(clock: Arc<dyn Clock>) -> Self {
        let disk = gofer_object_store::fake::FakeDisk::new();
        let store = gofer_object_store::fake::FakeObjectStore::open(&disk, "fake");
        #[expect(clippy::expect_used, reason = "nobody else has this disk")]
        let store = store.expect("a disk of its own");
        Self::new(Arc::new(store), Limits::default(), clock)
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.inner.store
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects")
            .field("store", &self.inner.store.info())
            .field("limits", &self.inner.limits)
            .finish_non_exhaustive()
    }
}
