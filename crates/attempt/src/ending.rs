//! The end of an attempt: waited for, asked for, and cleared away.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gofer_backend::ErrorKind;
use gofer_scheduler::{TaskExit, TaskStatus};

use crate::attempt::{Attempt, Wish, asked, lost, may_retry, sensible, shortened};
use crate::backoff::Backoff;

/// How often a scheduler may give a definite answer that makes no sense before we give up on it.
const PATIENCE: u32 = 20;

/// How long a scheduler may take to say whether a task has ended, before it is asked to end it.
const LOOK: Duration = Duration::from_secs(1);

impl Attempt {
    /// Waits for the end, asking for it when it is wished. Answers as well whether nothing that was asked came through.
    pub(crate) async fn wait(&self) -> (TaskExit, bool) {
        // an earlier server may have asked already
        let asked_before = self.resumed && *self.wish.borrow() != Wish::None;
        let unreached = AtomicBool::new(!asked_before);
        let exit = tokio::select! {
            exit = self.observe() => exit,
            never = self.obey(&unreached) => match never {},
        };
        (exit, unreached.into_inner())
    }

    async fn observe(&self) -> TaskExit {
        let mut backoff = Backoff::new();
        let mut nonsense = 0;
        loop {
            let error = match self.scheduler.wait(&self.id).await {
                Ok(exit) => return sensible(exit),
                Err(error) => error,
            };
            if error.kind() == ErrorKind::NotFound {
                return lost("the scheduler does not know it any more: it was removed".to_owned());
            }
            nonsense = if may_retry(&error) { 0 } else { nonsense + 1 };
            if nonsense >= PATIENCE {
                return lost(shortened(format!("the scheduler cannot tell: {}", error.chain())));
            }
            let _ = self.context.pause(backoff.next(asked(&error))).await;
        }
    }

    /// Stops the attempt when that is wished. Never returns: the end is observed by who waits for it.
    async fn obey(&self, unreached: &AtomicBool) -> Infallible {
        let mut wish = self.wish.clone();
        let mut done = Wish::None;
        loop {
            let wished = *wish.borrow_and_update();
            if wished > done {
                tokio::select! {
                    biased;
                    // something more urgent is wished: dropping the call ends the waiting and nothing else
                    Ok(()) = wish.changed() => continue,
                    () = self.stop(unreached) => done = wished,
                }
            } else if wish.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Whether it has ended already. Whoever slept through the end and the limit finds both at once, and what has ended was
    /// not ended by us. Not asked for long, and not before a kill: the answer changes nothing then.
    async fn has_ended(&self) -> bool {
        let clock = &self.context.clock;
        tokio::select! {
            biased;
            status = self.scheduler.inspect(&self.id), if *self.wish.borrow() != Wish::Kill => {
                matches!(status, Ok(TaskStatus::Ended(_)))
            }
            () = clock.sleep_until(clock.monotonic().saturating_add(LOOK)), if *self.wish.borrow() != Wish::Kill => false,
            else => false,
        }
    }

    async fn stop(&self, unreached: &AtomicBool) {
        if self.has_ended().await {
            return;
        }
        let mut backoff = Backoff::new();
        loop {
            // for as long as nobody has answered it may have come through
            unreached.store(false, Ordering::Relaxed);
            let answer = self.scheduler.stop(&self.id, self.grace()).await;
            unreached.store(answer.is_err(), Ordering::Relaxed);
            match answer {
                Ok(()) => return,
                Err(error) if error.kind() == ErrorKind::NotFound => return,
                Err(error) => {
                    tracing::warn!(task = %self.task, error = %error.chain(), "cannot stop a task yet");
                    let _ = self.context.pause(backoff.next(asked(&error))).await;
                }
            }
        }
    }

    /// Frees what the attempt held at the scheduler.
    pub(crate) async fn remove(&self) {
        let mut backoff = Backoff::new();
        let mut nonsense = 0;
        loop {
            match self.scheduler.remove(&self.id).await {
                Ok(()) => return,
                Err(error) if error.kind() == ErrorKind::NotFound => return,
                // a start that was refused may yet have left something that runs
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    let _ = self.scheduler.stop(&self.id, Duration::ZERO).await;
                    nonsense += 1;
                    let _ = self.context.pause(backoff.next(None)).await;
                }
                Err(error) => {
                    nonsense = if may_retry(&error) { nonsense } else { nonsense + 1 };
                    let _ = self.context.pause(backoff.next(asked(&error))).await;
                }
            }
            if nonsense >= PATIENCE {
                tracing::warn!(task = %self.task, attempt = %self.id, "something is left at the scheduler");
                self.context.uncertain.notify_one();
                return;
            }
        }
    }
}
