//! One open log, as its writer and its readers share it.
//!
//! The state says where whole frames end; the signal wakes who waits for it to change. Readers go no further than the
//! state, so they never see what is being written or what a failed write left.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use gofer_types::TaskRef;
use tokio::sync::{OnceCell, OwnedMutexGuard, watch};

use crate::disk;
use crate::error::LogError;
use crate::gates::{Gates, lock};
use crate::recent::{Budget, Recent};
use crate::recover::recover;
use crate::registry::Registry;
use crate::state::LogState;

/// An open log.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) task: TaskRef,
    pub(crate) dir: PathBuf,
    pub(crate) state: Mutex<LogState>,
    pub(crate) recent: Mutex<Recent>,
    signal: watch::Sender<()>,
    loaded: OnceCell<()>,
    claimed: AtomicBool,
    files: Arc<tokio::sync::Mutex<()>>,
    registry: Weak<Registry>,
}

impl Shared {
    pub(crate) fn new(task: TaskRef, dir: PathBuf, budget: Arc<Budget>, registry: Weak<Registry>) -> Self {
        Self {
            task,
            dir,
            state: Mutex::new(LogState::default()),
            recent: Mutex::new(Recent::new(budget)),
            signal: watch::Sender::new(()),
            loaded: OnceCell::new(),
            claimed: AtomicBool::new(false),
            files: Arc::default(),
            registry,
        }
    }

    /// Finds out what is on the disk, once; who comes meanwhile waits for the same answer.
    pub(crate) async fn load(self: &Arc<Self>, gates: &Gates) -> Result<(), LogError> {
        let load = async || {
            let this = Arc::clone(self);
            gates.readers.run(move || this.load_now()).await
        };
        self.loaded.get_or_try_init(load).await.copied()
    }

    fn load_now(&self) -> Result<(), LogError> {
        let found = recover(&self.dir);
        let mut state = lock(&self.state);
        if state.deleted {
            // it may have gone while it was looked at
            return Err(self.deleted_error());
        }
        *state = found?;
        Ok(())
    }

    /// Wakes all followers.
    pub(crate) fn tell(&self) {
        self.signal.send_replace(());
    }

    /// Hears of every change from now on.
    pub(crate) fn listen(&self) -> watch::Receiver<()> {
        self.signal.subscribe()
    }

    pub(crate) fn is_followed(&self) -> bool {
        self.signal.receiver_count() > 0
    }

    /// From here on every reader and the writer are told that the log is gone.
    pub(crate) fn mark_deleted(&self) {
        lock(&self.state).deleted = true;
        lock(&self.recent).clear();
        self.tell();
    }

    pub(crate) fn sealed_error(&self) -> LogError {
        LogError::Sealed { task: self.task.clone() }
    }

    pub(crate) fn deleted_error(&self) -> LogError {
        LogError::Deleted { task: self.task.clone() }
    }

    pub(crate) fn segment_path(&self, number: u32) -> PathBuf {
        disk::segment_path(&self.dir, number)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(registry) = self.registry.upgrade() {
            registry.forget(&self.task);
        }
    }
}

/// Says that a writer of a log lives. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Claim(Arc<Shared>);

impl Claim {
    pub(crate) fn take(shared: &Arc<Shared>) -> Result<Self, LogError> {
        if shared.claimed.swap(true, Ordering::AcqRel) {
            return Err(LogError::Busy { task: shared.task.clone() });
        }
        Ok(Self(Arc::clone(shared)))
    }

    /// The right to change the files, once work that an earlier writer left behind when it was dropped has ended.
    pub(crate) async fn slot(&self) -> Slot {
        Slot(Arc::clone(&self.0.files).lock_owned().await)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.claimed.store(false, Ordering::Release);
    }
}

/// The right to change the files of a log. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot(#[expect(dead_code, reason = "it is held, not used")] OwnedMutexGuard<()>);
