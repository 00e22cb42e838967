//! Whether the engine works: serving, shutting down, or stopped for good.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::error::{JournalError, Result};

/// The state that all parts of the engine share.
#[derive(Debug)]
pub struct Fate {
    failure: watch::Sender<Option<String>>,
    /// Ends all work of the engine, be it by shutdown or by failure.
    stop: CancellationToken,
}

impl Default for Fate {
    fn default() -> Self {
        Self::new()
    }
}

impl Fate {
    /// An engine that works.
    #[must_use]
    pub fn new() -> Self {
        Self { failure: watch::Sender::new(None), stop: CancellationToken::new() }
    }

    /// Says that the engine can no longer work. The first reason stays.
    pub fn fail(&self, reason: String) {
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            failure.get_or_insert(reason);
            first
        });
        self.stop.cancel();
    }

    /// Whether the engine can no longer work.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    /// Waits until the engine can no longer work.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.subscribe();
        let reason = failure.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        match reason {
            Some(reason) => reason,
            None => std::future::pending().await,
        }
    }

    /// Begins the shutdown.
    pub fn shut_down(&self) {
        self.stop.cancel();
    }

    /// Ends when all work is to end.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Fails if the engine takes no more calls: [`JournalError::Stopped`] or [`JournalError::Failed`].
    pub fn check(&self) -> Result<()> {
        if self.stop.is_cancelled() { Err(self.error()) } else { Ok(()) }
    }

    /// Why the engine takes no more calls.
    #[must_use]
    pub fn error(&self) -> JournalError {
        match &*self.failure.borrow() {
            Some(reason) => JournalError::Failed { reason: reason.clone() },
            None => JournalError::Stopped,
        }
    }
}
