//! Bringing the image of an attempt to its scheduler, before the attempt is started.
//!
//! A fetch leaves no doubt: whoever fetches has started nothing. So an error that may pass is tried again a few times, any
//! other ends the attempt, and a wish that the attempt ends ends the waiting at once. What is told of it is stored, and so
//! little is told.

use std::sync::Arc;

use gofer_backend::{BackendError, ErrorKind, Result, RetryAdvice};
use gofer_scheduler::{Image, ImageProgress, Images, TaskSpec};
use gofer_types::ImageState;
use tokio::sync::watch;

use crate::attempt::{Attempt, Wish, asked};
use crate::backoff::Backoff;
use crate::meter::Meter;
use crate::report::{ImageNews, Report};

/// What came of bringing the image.
pub(crate) enum Brought {
    /// It is there, or is not needed.
    There,
    /// It cannot be brought.
    Refused(BackendError),
    /// The attempt is to end.
    Unwanted,
}

/// The image of one attempt, however often it is fetched.
pub(crate) struct Carrier<'a> {
    attempt: &'a Attempt,
    spec: &'a TaskSpec,
    meter: Meter,
    /// What was told last of the bytes.
    told: ImageProgress,
    backoff: Backoff,
    /// How often it may be tried again.
    left: u32,
    /// The digest, once it is known.
    pub(crate) digest: Option<String>,
}

impl<'a> Carrier<'a> {
    pub(crate) fn new(attempt: &'a Attempt, spec: &'a TaskSpec) -> Self {
        let left = attempt.context.limits.image_retries;
        let (meter, told) = (Meter::default(), ImageProgress::default());
        Self { attempt, spec, meter, told, backoff: Backoff::new(), left, digest: None }
    }

    /// Whether there is anything to bring.
    pub(crate) fn is_needed(&self) -> bool {
        self.attempt.scheduler.images().is_some() && !self.spec.image.is_empty()
    }

    /// Sees to it that the image is there.
    pub(crate) async fn bring(&mut self) -> Brought {
        let scheduler = Arc::clone(&self.attempt.scheduler);
        let Some(images) = scheduler.images().filter(|_| self.is_needed()) else { return Brought::There };
        loop {
            let mut wish = self.attempt.wish.clone();
            let fetched = tokio::select! {
                biased;
                Ok(_) = wish.wait_for(|wish| *wish != Wish::None) => return Brought::Unwanted,
                fetched = self.fetch(images) => fetched,
            };
            match fetched {
                Ok(image) => {
                    self.arrived(image).await;
                    return Brought::There;
                }
                // While the scheduler itself is away, no try is lost: the time limit of the task bounds the waiting.
                Err(error) if may_pass(&error) && (self.is_away().await || self.may_try_again()) => {
                    tracing::debug!(task = %self.attempt.task, error = %error.chain(), "the image is not there yet");
                    if self.meter.begins(self.attempt.context.clock.monotonic()) {
                        self.tell(ImageState::Fetching).await;
                    }
                    if !self.wait(&error).await {
                        return Brought::Unwanted;
                    }
                }
                Err(error) => return Brought::Refused(error),
            }
        }
    }

    /// Whether the scheduler cannot be reached at all. Nobody waits for that once the attempt is to end.
    async fn is_away(&self) -> bool {
        let mut wish = self.attempt.wish.clone();
        tokio::select! {
            biased;
            Ok(_) = wish.wait_for(|wish| *wish != Wish::None) => true,
            checked = self.attempt.scheduler.check() => checked.is_err(),
        }
    }

    /// Takes one of the tries that are left.
    pub(crate) fn may_try_again(&mut self) -> bool {
        let may = self.left > 0 && self.is_needed();
        self.left = self.left.saturating_sub(1);
        may
    }

    /// Waits before the next try. False if the attempt is to end.
    async fn wait(&mut self, error: &BackendError) -> bool {
        self.attempt.wait_or_wish(self.backoff.next(asked(error))).await;
        self.is_wanted()
    }

    fn is_wanted(&self) -> bool {
        *self.attempt.wish.borrow() == Wish::None
    }

    /// One fetch, and what is told meanwhile. Of what is reported while something is being told, the newest counts.
    async fn fetch(&mut self, images: &dyn Images) -> Result<Image> {
        let (reports, mut newest) = watch::channel(ImageProgress::default());
        let mut report = |progress| {
            reports.send_replace(progress);
        };
        let fetch = images.fetch(self.spec, &mut report);
        tokio::pin!(fetch);
        loop {
            tokio::select! {
                biased;
                fetched = &mut fetch => break fetched,
                Ok(()) = newest.changed() => {}
            }
            let progress = *newest.borrow_and_update();
            if self.meter.is_news(self.attempt.context.clock.monotonic(), progress.done, progress.total) {
                self.told = progress;
                self.tell(ImageState::Fetching).await;
            }
        }
    }

    async fn arrived(&mut self, image: Image) {
        self.digest = Some(image.digest.clone());
        if image.fetched || self.meter.has_told() {
            self.told.done = self.told.total;
            self.tell(ImageState::Fetched { digest: image.digest }).await;
        }
    }

    async fn tell(&self, state: ImageState) {
        let ImageProgress { done, total } = self.told;
        let (task, attempt) = (self.attempt.task.clone(), self.attempt.id.clone());
        let news = ImageNews { task, attempt, image: self.spec.image.clone(), done, total, state };
        let (task, attempt) = (self.attempt.place, self.attempt.number);
        self.attempt.tell(Report::Image { task, attempt, news }).await;
    }
}

/// Whether the same fetch may end otherwise later. A fetch that has had its time says so by its advice.
fn may_pass(error: &BackendError) -> bool {
    match error.kind() {
        ErrorKind::TimedOut => error.advice() != RetryAdvice::Never,
        ErrorKind::Unavailable | ErrorKind::Exhausted => true,
        _ => matches!(error.advice(), RetryAdvice::Later { .. }),
    }
}
