//! The life of one attempt.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use gofer_backend::{BackendError, ErrorKind, RetryAdvice};
use gofer_scheduler::{Scheduler, Started, TaskExit, TaskSpec, TaskStatus};
use gofer_types::{AttemptId, Cause, TaskRef};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::context::Context;
use crate::image::{Brought, Carrier};
use crate::parcels::Parcels;
use crate::pump::pump;
use crate::report::{Report, Reporter, Sequel};

/// How an attempt is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// By itself.
    None,
    /// When it is asked to, or killed after the grace.
    Stop,
    /// At once.
    Kill,
}

impl Wish {
    /// The wish that an attempt ends.
    pub fn to_end(kill: bool) -> Self {
        if kill { Self::Kill } else { Self::Stop }
    }
}

/// How far an attempt has come, as the records tell.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    /// It is to be started; or it was, and nobody knows.
    Intended(Box<TaskSpec>),
    /// It was seen running.
    Running,
    /// Its end is recorded. Its output and its thing are still there, or not.
    Ended(End, Sequel),
}

/// What the pump has to know of an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was observed.
    Seen,
    /// Nobody knows what it was like.
    Lost,
}

impl End {
    /// The end that this cause tells of.
    #[must_use]
    pub fn of(cause: &Cause) -> Self {
        if matches!(cause, Cause::Lost(_)) { Self::Lost } else { Self::Seen }
    }
}

/// One attempt.
#[derive(Debug)]
pub struct Attempt {
    /// What all attempts share.
    pub context: Arc<Context>,
    /// Who is told.
    pub reports: Arc<dyn Reporter>,
    /// The place of the task.
    pub place: u32,
    /// Its number, from 1.
    pub number: u32,
    /// The task.
    pub task: TaskRef,
    /// Its identity.
    pub id: AttemptId,
    /// Where it runs.
    pub scheduler: Arc<dyn Scheduler>,
    /// What it is given by other tasks and leaves for others, if there is any of that.
    pub parcels: Option<Parcels>,
    /// Whether its output is kept.
    pub logging: bool,
    /// Whether an earlier server may have stored some of its output.
    pub resumed: bool,
    /// Whether no other attempt can follow, however it ends.
    pub last: bool,
    /// Whether all its output was stored by an earlier server.
    pub collected: bool,
    /// How long it may take to end by itself once it is asked to: less than the limit where an earlier server asked already.
    pub grace: Duration,
    /// How it is to end.
    pub wish: watch::Receiver<Wish>,
    /// Nobody takes reports any more. A new one; the attempt itself finds out.
    pub abandoned: CancellationToken,
}

/// What came of asking for the start.
#[derive(Debug, Clone, Copy)]
enum Begun {
    /// There is, or was, something whose end is to be waited for.
    Runs,
    /// It is over, and that was told.
    Over(Sequel),
}

impl Attempt {
    /// Follows the attempt until nothing of it is left, all work is to end, or nobody takes in how it ended.
    pub async fn follow(self, known: Known) {
        let (stop, abandoned) = (self.context.stop.clone(), self.abandoned.clone());
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = abandoned.cancelled() => {}
            () = self.live(known) => {}
        }
    }

    async fn live(self, known: Known) {
        let begun = match &known {
            Known::Intended(spec) => self.start(spec).await,
            Known::Running | Known::Ended(..) => Begun::Runs,
        };
        let sequel = match begun {
            Begun::Over(sequel) => sequel,
            Begun::Runs => self.run(&known).await,
        };
        if sequel == Sequel::Again && self.logging && !self.collected {
            let (task, attempt) = (self.place, self.number);
            self.report(|recorded| Report::Collected { task, attempt, recorded }).await;
        }
        self.remove().await;
        if sequel == Sequel::Over && !self.seals_itself(begun) {
            self.context.seal(&self.task).await;
        }
        self.tell(Report::PutAway { task: self.place, attempt: self.number }).await;
    }

    /// Whether the log is sealed with the last of the output: at once, and not only when it is known that nothing follows.
    fn seals_itself(&self, begun: Begun) -> bool {
        !self.logging || (self.last && (self.number == 1 || matches!(begun, Begun::Runs)))
    }

    /// Waits for the end and takes the output, each at its own pace.
    async fn run(&self, known: &Known) -> Sequel {
        let end = match known {
            Known::Ended(end, sequel) => Some((*end, *sequel)),
            Known::Intended(_) | Known::Running => None,
        };
        let over = watch::Sender::new(end.map(|(end, _)| end));
        let wait = async {
            if let Some((_, sequel)) = end {
                return sequel;
            }
            let (exit, unreached) = self.wait().await;
            over.send_replace(Some(End::of(&exit.cause)));
            let exit = self.with_outputs(exit).await;
            // the end may have been in time: what it promised was not kept in time
            let unreached = unreached && !matches!(exit.cause, Cause::CannotKeep(_));
            let (task, attempt) = (self.place, self.number);
            self.report(|recorded| Report::Ended { task, attempt, exit, unreached, recorded }).await
        };
        let (sequel, ()) = join(wait, pump(self, over.subscribe())).await;
        sequel
    }

    pub(crate) async fn tell(&self, report: Report) {
        self.reports.report(report).await;
    }

    /// Tells of an end, and returns once it is durable: what is removed before that would be gone without a trace.
    async fn report(&self, report: impl FnOnce(oneshot::Sender<Sequel>) -> Report) -> Sequel {
        let (sender, recorded) = oneshot::channel();
        self.tell(report(sender)).await;
        match recorded.await {
            Ok(sequel) => sequel,
            // the engine stops, or the run was set aside: nothing may be removed any more
            Err(_) => {
                self.abandoned.cancel();
                std::future::pending().await
            }
        }
    }

    /// Asks for the start until there is an answer, or until it is certain that it never ran.
    async fn start(&self, spec: &TaskSpec) -> Begun {
        let mut backoff = Backoff::new();
        let mut carrier = Carrier::new(self, spec);
        // an earlier server may have started it: then it is taken up, and neither its image nor its inputs are asked for
        let has_needs = carrier.is_needed() || self.parcels.is_some();
        let is_fresh = !self.resumed || (has_needs && self.is_unknown().await);
        let mut wanted = carrier.is_needed() && is_fresh;
        let mut asked_for = self.resumed || !wanted;
        loop {
            if std::mem::take(&mut wanted) && *self.wish.borrow() == Wish::None {
                match carrier.bring().await {
                    Brought::Refused(error) => return self.refused(&error).await,
                    Brought::There | Brought::Unwanted => {}
                }
            }
            let answer = self.ask(spec, is_fresh).await;
            asked_for |= answer.is_some();
            let after = match answer {
                Some(Ok(started)) => {
                    return self.runs(started.handle, started.image.or(carrier.digest)).await;
                }
                Some(Err(error)) if error.kind() == ErrorKind::NotFound && carrier.may_try_again() => {
                    // its image has gone in between
                    wanted = true;
                    None
                }
                Some(Err(error)) if !may_retry(&error) => return self.refused(&error).await,
                Some(Err(error)) => {
                    tracing::debug!(task = %self.task, error = %error.chain(), "the start is not certain");
                    asked(&error)
                }
                None if !asked_for || self.never_ran().await => return self.unstarted().await,
                None => None,
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

    /// Asks for the start, behind bringing what the attempt is given. `None` if the attempt is to end before it was asked for.
    async fn ask(&self, spec: &TaskSpec, is_fresh: bool) -> Option<gofer_backend::Result<Started>> {
        if let Some(parcels) = self.parcels.as_ref().filter(|_| is_fresh) {
            let mut wish = self.wish.clone();
            tokio::select! {
                biased;
                Ok(_) = wish.wait_for(|wish| *wish != Wish::None) => return None,
                given = parcels.deliver(self, spec) => if let Err(error) = given { return Some(Err(error)) },
            }
        }
        if *self.wish.borrow() != Wish::None {
            return None;
        }
        Some(self.scheduler.start(&self.id, spec).await)
    }

    /// Whether the scheduler says that it has started nothing for the attempt. Asked until it answers, or the attempt is to end.
    async fn is_unknown(&self) -> bool {
        let mut backoff = Backoff::new();
        while *self.wish.borrow() == Wish::None {
            match self.scheduler.inspect(&self.id).await {
                // what is only laid out counts as nothing: it may not be whole
                Ok(TaskStatus::Starting) => return true,
                Ok(_) => return false,
                Err(error) if error.kind() == ErrorKind::NotFound => return true,
                Err(error) => self.wait_or_wish(backoff.next(asked(&error))).await,
            }
        }
        false
    }

    async fn runs(&self, handle: String, image: Option<String>) -> Begun {
        let at = self.context.clock.moment();
        self.tell(Report::Started { task: self.place, attempt: self.number, at, handle, image }).await;
        Begun::Runs
    }

    async fn unstarted(&self) -> Begun {
        self.context.uncertain.notify_one();
        let (task, attempt) = (self.place, self.number);
        Begun::Over(self.report(|recorded| Report::NeverRan { task, attempt, recorded }).await)
    }

    async fn refused(&self, error: &BackendError) -> Begun {
        self.context.uncertain.notify_one();
        let (task, attempt, reason) = (self.place, self.number, shortened(error.chain()));
        Begun::Over(self.report(|recorded| Report::Refused { task, attempt, reason, recorded }).await)
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

    pub(crate) fn grace(&self) -> Duration {
        match *self.wish.borrow() {
            Wish::Kill => Duration::ZERO,
            Wish::None | Wish::Stop => self.grace,
        }
    }

    pub(crate) async fn wait_or_wish(&self, span: Duration) {
        let mut wish = self.wish.clone();
        let until = self.context.clock.monotonic().saturating_add(span);
        // a wish that was there before does not shorten the wait again
        wish.mark_unchanged();
        tokio::select! {
            biased;
            () = self.context.clock.sleep_until(until) => {}
            Ok(()) = wish.changed() => {}
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
pub fn lost(reason: String) -> TaskExit {
    TaskExit { cause: Cause::Lost(reason), at: None }
}

/// An end with one of the causes that a scheduler may name, and a text of bounded length.
pub(crate) fn sensible(exit: TaskExit) -> TaskExit {
    let cause = match exit.cause {
        Cause::Lost(reason) => Cause::Lost(shortened(reason)),
        Cause::CannotStart(reason) => Cause::CannotStart(shortened(reason)),
        known @ (Cause::ExitCode(_)
        | Cause::Signal(_)
        | Cause::OutOfMemory
        | Cause::ChildRun { .. }
        | Cause::FannedOut { .. }) => known,
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
