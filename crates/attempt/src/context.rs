//! What all attempts of one engine share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gofer_backend::Clock;
use gofer_logs::{LogError, LogStore};
use gofer_types::TaskRef;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::Backoff;

/// The operator's limits, as far as attempts need them.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a task may take to end by itself once it is asked to.
    pub stop_grace: Duration,
    /// How long the output of an ended task is waited for while its scheduler is away or silent.
    pub collect_timeout: Duration,
    /// How often a failed fetch of an image is tried again, where that may help.
    pub image_retries: u32,
}

/// What all attempts of one engine share.
pub struct Context {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where the output goes.
    pub logs: LogStore,
    /// Ends all work; nothing at a scheduler ends with it.
    pub stop: CancellationToken,
    /// Woken when something may be left at a scheduler that no record names.
    pub uncertain: Arc<Notify>,
    /// The operator's limits.
    pub limits: Limits,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Context {
    /// Waits on the clock; ends early, with `false`, when all work is to end.
    pub async fn pause(&self, span: Duration) -> bool {
        let until = self.clock.monotonic().saturating_add(span);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = self.clock.sleep_until(until) => true,
        }
    }

    /// Says that nothing follows in the log of a task, if it has one; waits for room as long as there is none. May be repeated.
    pub async fn seal(&self, task: &TaskRef) {
        let mut backoff = Backoff::new();
        loop {
            let result = match self.logs.tail_seq(task, 0).await {
                Ok(1) => return,
                Ok(_) => self.logs.seal(task).await,
                Err(error) => Err(error),
            };
            match result {
                Ok(()) | Err(LogError::Deleted { .. } | LogError::Sealed { .. } | LogError::Stopped) => {
                    return;
                }
                Err(error) => tracing::warn!(%task, %error, "cannot seal a log yet"),
            }
            if !self.pause(backoff.next(None)).await {
                return;
            }
        }
    }
}
