//! The life of one process: whether it lives, and when it is to die.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use gofer_backend::{BackendError, ErrorKind, Result};
use tokio_util::sync::CancellationToken;

/// What all parts of one process share.
#[derive(Debug)]
pub struct Life {
    /// Its number, from 1.
    pub number: u32,
    dead: CancellationToken,
    appointment: Mutex<Option<Appointment>>,
    /// Whether the next sync fails.
    sync_fails: AtomicBool,
    /// Whether a sync has failed: nothing may be acknowledged any more.
    failed: AtomicBool,
}

/// A death at a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appointment {
    /// How many commits from now; it dies at the last of them.
    pub commits: u32,
    /// Whether that one reaches the disk.
    pub behind: bool,
}

impl Life {
    /// A new life.
    #[must_use]
    pub fn new(number: u32) -> Self {
        Self {
            number,
            dead: CancellationToken::new(),
            appointment: Mutex::new(None),
            sync_fails: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        }
    }

    /// Ends it: nothing that it does from here on has an effect.
    pub fn end(&self) {
        self.dead.cancel();
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.dead.is_cancelled()
    }

    /// Returns when it has ended.
    pub async fn over(&self) {
        self.dead.cancelled().await;
    }

    /// An error once it has ended.
    pub fn ensure(&self) -> Result<()> {
        if self.is_over() {
            return Err(BackendError::new(ErrorKind::Unavailable, "the process has died"));
        }
        Ok(())
    }

    /// Lets it die at a commit.
    pub fn appoint(&self, appointment: Appointment) {
        *self.appointment.lock().unwrap_or_else(PoisonError::into_inner) = Some(appointment);
    }

    /// Counts a commit; answers how it dies if it dies at this one.
    pub fn commits(&self) -> Option<Appointment> {
        let mut appointment = self.appointment.lock().unwrap_or_else(PoisonError::into_inner);
        let due = appointment.as_mut()?;
        due.commits = due.commits.saturating_sub(1);
        if due.commits == 0 { appointment.take() } else { None }
    }

    /// Lets the next sync fail.
    pub fn let_sync_fail(&self) {
        self.sync_fails.store(true, Ordering::SeqCst);
    }

    /// Whether this sync fails.
    pub fn sync_fails(&self) -> bool {
        self.sync_fails.swap(false, Ordering::SeqCst)
    }

    /// Lets no sync fail any more.
    pub fn let_syncs_work(&self) {
        self.sync_fails.store(false, Ordering::SeqCst);
    }

    /// A sync has failed.
    pub fn fails(&self) {
        self.failed.store(true, Ordering::SeqCst);
    }

    /// Whether a sync has failed in it.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }
}
