//! Whether the engine works: serving, shutting down, or stopped for good.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::error::{EngineError, Result};

/// The state that all parts of the engine share.
#[derive(Debug)]
pub(crate) struct Fate {
    failure: watch::Sender<Option<String>>,
    /// Ends all work of the engine, be it by shutdown or by failure.
    stop: CancellationToken,
}

impl Fate {
    pub(crate) fn new() -> Self {
        Self { failure: watch::Sender::new(None), stop: CancellationToken::new() }
    }

    /// Says that the engine can no longer work. The first reason stays.
    pub(crate) fn fail(&self, reason: String) {
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            failure.get_or_insert(reason);
            first
        });
        self.stop.cancel();
    }

    /// Whether the engine can no longer work.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    /// Waits until the engine can no longer work.
    pub(crate) async fn failed(&self) -> String {
        let mut failure = self.failure.subscribe();
        let reason = failure.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        match reason {
            Some(reason) => reason,
            None => std::future::pending().await,
        }
    }

    /// Begins the shutdown.
    pub(crate) fn shut_down(&self) {
        self.stop.cancel();
    }

    /// Ends when all work is to end.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Fails if the engine takes no more calls.
    pub(crate) fn check(&self) -> Result<()> {
        if self.stop.is_cancelled() { Err(self.error()) } else { Ok(()) }
    }

    /// Why the engine takes no more calls.
    pub(crate) fn error(&self) -> EngineError {
        match &*self.failure.borrow() {
            Some(reason) => EngineError::Failed { reason: reason.clone() },
            None => EngineError::ShuttingDown,
        }
    }
}
