//! One attempt, from the intent to the empty place: start, wait, stop, the output, and the removal.
//!
//! It reports facts to the run's driver and decides nothing. The id and the arguments of the start never change, so that
//! an outcome that is not known is met by looking, and then by asking for the very same thing again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use gofer_backend::{BackendError, ErrorKind, RetryAdvice};
use gofer_scheduler::{Scheduler, TaskExit, TaskSpec, TaskStatus};
use gofer_types::{AttemptId, Cause, TaskRef};
use tokio::sync::{oneshot, watch};

use super::image::{Brought, Carrier};
use super::message::Message;
use super::pump::pump;
use super::seat::RunHandle;
use super::{Backoff, Inner};

/// How often a scheduler may give a definite answer that makes no sense before we give up on it.
const PATIENCE: u32 = 20;

/// How an attempt is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wish {
    /// By itself.
    None,
    /// When it is asked to, or killed after the grace.
    Stop,
    /// At once.
    Kill,
}

impl Wish {
    /// The wish that an attempt ends.
    pub(crate) fn to_end(kill: bool) -> Self {
        if kill { Self::Kill } else { Self::Stop }
    }
}

/// How far an attempt has come, as the records tell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Known {
    /// It is to be started; or it was, and nobody knows.
    Intended(Box<TaskSpec>),
    /// It was seen running.
    Running,
    /// Its end is recorded. Its output and its thing are still there, or not.
    Ended(End),
}

/// What the pump has to know of an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was observed.
    Seen,
    /// Nobody knows what it was like.
    Lost,
}

impl End {
    pub(crate) fn of(cause: &Cause) -> Self {
        if matches!(cause, Cause::Lost(_)) { Self::Lost } else { Self::Seen }
    }
}

/// One attempt.
pub(crate) struct Attempt {
    pub(crate) inner: Arc<Inner>,
    pub(crate) run: Arc<RunHandle>,
    /// The place of the task.
    pub(crate) place: u32,
    pub(crate) number: u32,
    pub(crate) task: TaskRef,
    pub(crate) id: AttemptId,
    pub(crate) scheduler: Arc<dyn Scheduler>,
    /// Whether its output is kept.
    pub(crate) logging: bool,
    /// Whether an earlier server may have stored some of its output.
    pub(crate) resumed: bool,
    pub(crate) wish: watch::Receiver<Wish>,
}

/// What came of asking for the start.
enum Begun {
    /// There is, or was, something whose end is to be waited for.
    Runs,
    /// It is over, and that was told.
    Over,
}

impl Attempt {
    /// Follows the attempt until nothing of it is left, or the engine stops.
    pub(crate) async fn follow(self, known: Known) {
        let stop = self.inner.fate.stop().clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.live(known) => {}
        }
    }

    async fn live(self, known: Known) {
        let begun = match &known {
            Known::Intended(spec) => self.start(spec).await,
            Known::Running | Known::Ended(_) => Begun::Runs,
        };
        if matches!(begun, Begun::Runs) {
            let end = match known {
                Known::Ended(end) => Some(end),
                Known::Intended(_) | Known::Running => None,
            };
            let over = watch::Sender::new(end);
            let wait = async {
                if end.is_none() {
                    let exit = self.wait().await;
                    over.send_replace(Some(End::of(&exit.cause)));
                    let (task, attempt) = (self.place, self.number);
                    self.report(|recorded| Message::Ended { task, attempt, exit, recorded }).await;
                }
            };
            join(wait, pump(&self, over.subscribe())).await;
        }
        self.remove().await;
        self.tell(Message::PutAway { task: self.place }).await;
    }

    pub(super) async fn tell(&self, message: Message) {
        // a driver that is gone has stopped with the engine
        drop(self.run.mailbox.send(message).await);
    }

    /// Tells of an end, and returns once it is durable: what is removed before that would be gone without a trace.
    async fn report(&self, message: impl FnOnce(oneshot::Sender<()>) -> Message) {
        let (sender, recorded) = oneshot::channel();
        self.tell(message(sender)).await;
        if recorded.await.is_err() {
            // the engine stops: nothing may be removed any more
            std::future::pending::<()>().await;
        }
    }

    /// Asks for the start until there is an answer, or until it is certain that it never ran.
    async fn start(&self, spec: &TaskSpec) -> Begun {
        let mut backoff = Backoff::new();
        let mut carrier = Carrier::new(self, spec);
        // an earlier server may have started it: then it is taken up, and its image is not asked for
        let mut wanted = carrier.is_needed() && (!self.resumed || self.is_unknown().await);
        let mut asked_for = self.resumed || !wanted;
        loop {
            if std::mem::take(&mut wanted) && *self.wish.borrow() == Wish::None {
                match carrier.bring().await {
                    Brought::Refused(error) => return self.refused(&error).await,
                    Brought::There | Brought::Unwanted => {}
                }
            }
            let after = if *self.wish.borrow() == Wish::None {
                asked_for = true;
                match self.scheduler.start(&self.id, spec).await {
                    Ok(started) => {
                        return self.runs(started.handle, started.image.or(carrier.digest)).await;
                    }
                    Err(error) if error.kind() == ErrorKind::NotFound && carrier.may_try_again() => {
                        // its image has gone in between
                        wanted = true;
                        None
                    }
                    Err(error) if !may_retry(&error) => return self.refused(&error).await,
                    Err(error) => {
                        tracing::debug!(task = %self.task, error = %error.chain(), "the start is not certain");
                        asked(&error)
                    }
                }
            } else if !asked_for || self.never_ran().await {
                return self.unstarted().await;
            } else {
                None
            };
            // look before anything else: the start may have taken effect
            match self.scheduler.inspect(&self.id).await {
                Ok(TaskStatus::Running { handle }) => return self.runs(handle, carrier.digest).await,
                // it never ran, and nobody may say that it did: the end alone is told
                Ok(TaskStatus::Ended(exit)) if matches!(exit.cause, Cause::CannotStart(_)) => {
                    return Begun::Runs;
                }
                Ok(TaskStatus::Ended(_)) => return self.runs(String::new(), carrier.digest).await,
                Err(_) if wanted => {}
                Ok(TaskStatus::Starting) | Err(_) => self.wait_or_wish(backoff.next(after)).await,
            }
        }
    }

    /// Whether the scheduler says that it knows nothing of the attempt. Asked until it answers, or the attempt is to end.
    async fn is_unknown(&self) -> bool {
        let mut backoff = Backoff::new();
        while *self.wish.borrow() == Wish::None {
            match self.scheduler.inspect(&self.id).await {
                Ok(_) => return false,
                Err(error) if error.kind() == ErrorKind::NotFound => return true,
                Err(error) => self.wait_or_wish(backoff.next(asked(&error))).await,
            }
        }
        false
    }

    async fn runs(&self, handle: String, image: Option<String>) -> Begun {
        self.tell(Message::Started { task: self.place, attempt: self.number, handle, image }).await;
        Begun::Runs
    }

    async fn unstarted(&self) -> Begun {
        self.inner.uncertain.notify_one();
        self.tell(Message::NeverRan { task: self.place, attempt: self.number }).await;
        Begun::Over
    }

    async fn refused(&self, error: &BackendError) -> Begun {
        self.inner.uncertain.notify_one();
        let (task, attempt, reason) = (self.place, self.number, shortened(error.chain()));
        self.report(|recorded| Message::Refused { task, attempt, reason, recorded }).await;
        Begun::Over
    }

    /// It is to end before anybody knows whether it began: true if it is certain now that it never will.
    async fn never_ran(&self) -> bool {
        match self.scheduler.stop(&self.id, self.grace()).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            _ => return false,
        }
        // a removed id can never be started, should the start still be on its way
        self.scheduler.remove(&self.id).await.is_ok()
    }

    fn grace(&self) -> Duration {
        match *self.wish.borrow() {
            Wish::Kill => Duration::ZERO,
            Wish::None | Wish::Stop => self.inner.options.stop_grace.get(),
        }
    }

    pub(super) async fn wait_or_wish(&self, span: Duration) {
        let mut wish = self.wish.clone();
        let until = self.inner.clock.monotonic().saturating_add(span);
        // a wish that was there before does not shorten the wait again
        wish.mark_unchanged();
        tokio::select! {
            biased;
            () = self.inner.clock.sleep_until(until) => {}
            Ok(()) = wish.changed() => {}
        }
    }

    /// Waits for the end, asking for it when it is wished.
    async fn wait(&self) -> TaskExit {
        tokio::select! {
            exit = self.observe() => exit,
            never = self.obey() => match never {},
        }
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
            let _ = self.inner.pause(backoff.next(asked(&error))).await;
        }
    }

    /// Stops the attempt when that is wished. Never returns: the end is observed by who waits for it.
    async fn obey(&self) -> Infallible {
        let mut wish = self.wish.clone();
        let mut done = Wish::None;
        loop {
            let wished = *wish.borrow_and_update();
            if wished > done {
                tokio::select! {
                    biased;
                    // something more urgent is wished: dropping the call ends the waiting and nothing else
                    Ok(()) = wish.changed() => continue,
                    () = self.stop() => done = wished,
                }
            } else if wish.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    async fn stop(&self) {
        let mut backoff = Backoff::new();
        loop {
            match self.scheduler.stop(&self.id, self.grace()).await {
                Ok(()) => return,
                Err(error) if error.kind() == ErrorKind::NotFound => return,
                Err(error) => {
                    tracing::warn!(task = %self.task, error = %error.chain(), "cannot stop a task yet");
                    let _ = self.inner.pause(backoff.next(asked(&error))).await;
                }
            }
        }
    }

    /// Frees what the attempt held at the scheduler.
    async fn remove(&self) {
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
                    let _ = self.inner.pause(backoff.next(None)).await;
                }
                Err(error) => {
                    nonsense = if may_retry(&error) { nonsense } else { nonsense + 1 };
                    let _ = self.inner.pause(backoff.next(asked(&error))).await;
                }
            }
            if nonsense >= PATIENCE {
                tracing::warn!(task = %self.task, attempt = %self.id, "something is left at the scheduler");
                self.inner.uncertain.notify_one();
                return;
            }
        }
    }
}

/// Whether the same call may be answered otherwise later.
pub(crate) fn may_retry(error: &BackendError) -> bool {
    error.kind().outcome_unknown()
        || error.kind() == ErrorKind::Exhausted
        || matches!(error.advice(), RetryAdvice::Later { .. })
}

/// How long the backend asks us to wait.
pub(crate) fn asked(error: &BackendError) -> Option<Duration> {
    match error.advice() {
        RetryAdvice::Later { after } => after,
        RetryAdvice::Never | RetryAdvice::GaveUp => None,
    }
}

/// The end of something of which nothing more can be known.
pub(crate) fn lost(reason: String) -> TaskExit {
    TaskExit { cause: Cause::Lost(reason), at: None }
}

/// An end with one of the causes that a scheduler may name, and a text of bounded length.
fn sensible(exit: TaskExit) -> TaskExit {
    let cause = match exit.cause {
        Cause::Lost(reason) => Cause::Lost(shortened(reason)),
        Cause::CannotStart(reason) => Cause::CannotStart(shortened(reason)),
        known @ (Cause::ExitCode(_) | Cause::Signal(_) | Cause::OutOfMemory) => known,
        other => Cause::Lost(format!("the scheduler told an end that it cannot know: {other:?}")),
    };
    TaskExit { cause, at: exit.at }
}

/// A text of at most a screenful.
pub(crate) fn shortened(mut text: String) -> String {
    const LONGEST: usize = 2048;
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
