//! The driver of one run: a mailbox, the machine, the book, and the order "decide, commit, act".

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gofer_records::{IdempotencyRecord, RecordError};
use gofer_run_machine::{Decision, Fact, RunMachine};
use gofer_scheduler::TaskExit;
use gofer_types::{AttemptId, Cause, RunRecord, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};

use super::Inner;
use super::attempt::Wish;
use super::book::{Book, Step};
use super::committer::{Haste, Refusal};
use super::hall::{Admission, Slot};
use super::message::Message;
use super::seat::{MAILBOX, RunHandle};
use super::spec::prepare;
use super::timers::{Timer, Timers};
use super::versions::Version;
use crate::error::Result;

/// How long the news that an attempt runs waits for something that must be written anyway: about one sync of a disk. A short
/// task has ended by then, and its start and its end share a sync.
const COMPANY: Duration = Duration::from_millis(5);

/// The driver of one run.
pub(crate) struct Driver {
    pub(super) inner: Arc<Inner>,
    pub(super) handle: Arc<RunHandle>,
    pub(super) machine: RunMachine,
    pub(super) book: Book,
    pub(super) mailbox: mpsc::Receiver<Message>,
    /// How the attempts that are followed are to end.
    pub(super) wishes: BTreeMap<u32, watch::Sender<Wish>>,
    pub(super) timers: Timers,
    /// What came while there was no room to record anything, in its order. Bounded by the deadlines, a mailbox for each.
    pub(super) backlog: VecDeque<Late>,
    /// Whether an earlier server began this run.
    pub(super) resumed: bool,
    /// The time of the newest step: times never go backwards within a run.
    pub(super) latest: Timestamp,
}

/// Something that is taken in late.
#[derive(Debug)]
pub(super) enum Late {
    /// A message.
    Message(Message),
    /// A deadline that passed.
    Timer(Timer),
}

/// A run that is about to begin.
pub(crate) struct NewRun {
    /// Its first record.
    pub(crate) run: RunRecord,
    /// What it executes.
    pub(crate) version: Arc<Version>,
    /// What its idempotency key will stand for.
    pub(crate) idempotency: Option<IdempotencyRecord>,
    /// The number of the run after it.
    pub(crate) next_run: u64,
    /// Its seat, and whether it may run.
    pub(crate) handle: Arc<RunHandle>,
    /// Its mailbox.
    pub(crate) mailbox: mpsc::Receiver<Message>,
    /// Whether it may run.
    pub(crate) admission: Admission,
}

/// Gives a run a driver of its own, and answers when the run is durable. The driver does not depend on who waits here.
pub(crate) async fn launch(inner: &Arc<Inner>, new: NewRun) -> Result<RunRecord> {
    let (reply, answer) = oneshot::channel();
    inner.spawn(begin(Arc::clone(inner), new, reply));
    answer.await.unwrap_or_else(|_| Err(inner.fate.error()))
}

/// Makes a run durable together with what follows at once, answers, and drives it to its end.
async fn begin(inner: Arc<Inner>, new: NewRun, reply: oneshot::Sender<Result<RunRecord>>) {
    let NewRun { run, version, idempotency, next_run, handle, mailbox, admission } = new;
    let machine = RunMachine::new(Arc::clone(&version.plan));
    let mut driver = Driver::new(inner, handle, machine, Book::new(run, version), mailbox);
    let mut step = driver.step();
    let fact = match admission {
        Admission::Admitted => Fact::Admitted,
        Admission::Held(limit) => Fact::Held(limit),
    };
    driver.take_in(&mut step, fact);
    let mut tx = driver.book.transaction(&mut step, true);
    let pipeline = &driver.book.run.id.pipeline;
    tx.put_counter(pipeline, gofer_records::Counter::Runs, next_run);
    if let (Some(key), Some(record)) = (&driver.book.run.idempotency_key, idempotency) {
        tx.put_idempotency(pipeline, key, &record);
    }
    let refused = match tx.finished() {
        Ok(tx) => driver.inner.committer.try_commit(&Arc::new(tx), Haste::Now).await.err(),
        Err(error) => Some(Refusal::Never(too_large(&error))),
    };
    if let Some(refusal) = refused {
        driver.give_up(&step);
        drop(reply.send(Err(driver.inner.committer.error(refusal))));
        return;
    }
    drop(reply.send(Ok(driver.book.run.clone())));
    driver.perform(step);
    driver.drive().await;
}

fn too_large(error: &RecordError) -> gofer_backend::BackendError {
    gofer_backend::BackendError::new(gofer_backend::ErrorKind::InvalidInput, error.chain())
}

impl Driver {
    /// A driver; nothing happens before it is told something.
    pub(super) fn new(
        inner: Arc<Inner>,
        handle: Arc<RunHandle>,
        machine: RunMachine,
        mut book: Book,
        mailbox: mpsc::Receiver<Message>,
    ) -> Self {
        book.max_run_timeout = inner.options.max_run_timeout.map(gofer_types::Span::get);
        let (wishes, timers) = (BTreeMap::new(), Timers::default());
        let latest = book.latest();
        Self {
            inner,
            handle,
            machine,
            book,
            mailbox,
            wishes,
            timers,
            backlog: VecDeque::new(),
            resumed: false,
            latest,
        }
    }

    /// Goes on until the run has ended and everything of it is put away, or the engine stops.
    pub(super) async fn drive(mut self) {
        let stop = self.inner.fate.stop().clone();
        let mut messages = Vec::with_capacity(MAILBOX);
        let mut news: Option<(Step, Duration)> = None;
        while !self.is_over() {
            let deadline = self.timers.next().into_iter().chain(news.as_ref().map(|(_, until)| *until)).min();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = std::future::ready(()), if !self.backlog.is_empty() => {}
                _ = self.mailbox.recv_many(&mut messages, MAILBOX) => {}
                () = self.handle.wake.notified() => {}
                () = sleep_until(&self.inner, deadline), if deadline.is_some() => {}
            }
            let fresh = self.step();
            let (mut step, until) = match news.take() {
                Some((step, until)) => (step.later(fresh.now), until),
                None => (fresh, self.inner.clock.monotonic().saturating_add(COMPANY)),
            };
            self.take_backlog(&mut step);
            self.take_messages(&mut step, &mut messages);
            self.take_granted(&mut step);
            self.take_deadlines(&mut step);
            if step.is_news_alone() && self.inner.clock.monotonic() < until {
                news = Some((step, until));
            } else if !self.settle(step).await {
                return;
            }
        }
        self.say_farewell().await;
    }

    fn is_over(&self) -> bool {
        self.machine.state().is_terminal() && self.wishes.is_empty()
    }

    /// A step now; never before the one before it.
    pub(super) fn step(&mut self) -> Step {
        self.latest = self.latest.max(self.inner.clock.now());
        Step::at(self.latest)
    }

    fn take_backlog(&mut self, step: &mut Step) {
        while let Some(late) = self.backlog.pop_front() {
            match late {
                Late::Message(message) => self.take_message(step, message),
                Late::Timer(timer) => self.take_deadline(step, timer),
            }
        }
    }

    fn take_messages(&mut self, step: &mut Step, messages: &mut Vec<Message>) {
        while let Ok(message) = self.mailbox.try_recv() {
            messages.push(message);
            if messages.len() >= 2 * MAILBOX {
                break;
            }
        }
        for message in messages.drain(..) {
            self.take_message(step, message);
        }
    }

    pub(super) fn take_message(&mut self, step: &mut Step, message: Message) {
        match message {
            Message::Image { task, attempt, news } => {
                if let Some(cause) = self.book.image_news(step, task, news) {
                    self.take_in(step, Fact::Waits(task, attempt, cause));
                }
            }
            Message::Started { task, attempt, handle, image } => {
                self.book.attempt_started(step, task, (handle, image));
                self.arm(task, attempt);
                self.take_in(step, Fact::Started(task, attempt));
            }
            Message::Refused { task, attempt, reason, recorded } => {
                step.recorded.push(recorded);
                let exit = TaskExit { cause: Cause::CannotStart(reason.clone()), at: None };
                self.book.attempt_ended(step, task, &exit);
                self.take_in(step, Fact::Refused(task, attempt, reason));
            }
            Message::Ended { task, attempt, exit, recorded } => {
                step.recorded.push(recorded);
                self.book.attempt_ended(step, task, &exit);
                self.take_in(step, Fact::Ended(task, attempt, exit.cause));
            }
            Message::NeverRan { task, attempt } => {
                let cause = Cause::CannotStart("it was stopped before it was started".to_owned());
                self.book.attempt_ended(step, task, &TaskExit { cause, at: None });
                self.take_in(step, Fact::NeverRan(task, attempt));
            }
            Message::PutAway { task } => {
                self.wishes.remove(&task);
                if let Some(attempt) = self.book.attempts.get(&task) {
                    self.inner.hall.in_hand(&attempt.id, false);
                }
                self.handle.complete_tasks([task]);
            }
            Message::Cancel { request, reply } => {
                let ended = self.machine.state().is_terminal();
                self.take_in(step, Fact::Cancel(request));
                step.replies.push((reply, ended));
            }
        }
    }

    fn take_granted(&mut self, step: &mut Step) {
        let granted = self.handle.take_granted();
        if granted.admitted {
            self.take_in(step, Fact::Admitted);
        }
        for task in granted.tasks {
            step.taken += 1;
            self.grant(step, task);
        }
    }

    fn take_deadlines(&mut self, step: &mut Step) {
        let now = self.inner.clock.monotonic();
        while let Some(timer) = self.timers.pop(now) {
            self.take_deadline(step, timer);
        }
    }

    fn take_deadline(&mut self, step: &mut Step, timer: Timer) {
        match timer {
            Timer::Attempt(task, attempt) => {
                let limit = self.book.attempt_limit(task);
                self.take_in(step, Fact::Overdue(task, attempt, limit));
            }
            Timer::Run => {
                let limit = self.book.run_limit();
                self.take_in(step, Fact::RunOverdue(limit));
            }
        }
    }

    /// Tells the machine, records what it decides, and answers its wishes, until it wishes nothing more.
    pub(super) fn take_in(&mut self, step: &mut Step, fact: Fact) {
        let mut wishes = VecDeque::new();
        let mut next = Some(fact);
        while let Some(fact) = next {
            for decision in self.machine.apply(fact) {
                match decision {
                    // answered last: slots that are given back are there for the wishes of the same step
                    Decision::Want(task) => wishes.push_back(task),
                    Decision::Unwant(task) => self.inner.hall.forget(&self.handle, task),
                    Decision::Start(task, attempt) => self.intend(step, task, attempt),
                    Decision::Task { task, state, .. } if state.is_terminal() => {
                        self.disarm(task);
                        self.book.record(step, decision);
                    }
                    other => self.book.record(step, other),
                }
            }
            next = wishes.pop_front().map(|task| self.ask(step, task));
        }
    }

    /// A task may start: it is prepared, and asks for a slot.
    fn ask(&mut self, step: &mut Step, task: u32) -> Fact {
        if let Err(reason) = self.prepare(step, task) {
            return Fact::Refused(task, 0, reason);
        }
        match self.inner.hall.ask_slot(&self.handle, task, step.spare > 0) {
            Slot::Granted => {
                step.taken += 1;
                Fact::Slot(task)
            }
            Slot::Spare => {
                step.spare -= 1;
                Fact::Slot(task)
            }
            Slot::Wait(limit) => {
                step.prepared.remove(&task);
                Fact::NoSlot(task, limit)
            }
        }
    }

    /// A task that waited got its slot.
    fn grant(&mut self, step: &mut Step, task: u32) {
        if self.machine.wants_slot(task)
            && let Err(reason) = self.prepare(step, task)
        {
            step.spare += 1;
            return self.take_in(step, Fact::Refused(task, 0, reason));
        }
        self.take_in(step, Fact::Slot(task));
    }

    fn prepare(&self, step: &mut Step, place: u32) -> std::result::Result<(), String> {
        let Some(task) = self.book.version.record.config.tasks.get(place as usize) else {
            return Err("its version has no such task".to_owned());
        };
        let Inner { schedulers, options, .. } = &*self.inner;
        let prepared = prepare(schedulers, &options.address, &self.book.run, task, 1)?;
        step.prepared.insert(place, prepared);
        Ok(())
    }

    fn intend(&mut self, step: &mut Step, task: u32, attempt: u32) {
        let id = AttemptId::from_u128((self.inner.new_id)());
        self.inner.hall.in_hand(&id, true);
        self.book.intend(step, (task, attempt), id);
        self.arm(task, attempt);
    }

    fn arm(&mut self, task: u32, attempt: u32) {
        let limit = self.book.attempt_limit(task);
        self.arm_in(Timer::Attempt(task, attempt), limit);
    }

    pub(super) fn arm_in(&mut self, timer: Timer, limit: Duration) {
        self.timers.set(timer, self.inner.clock.monotonic().saturating_add(limit));
    }

    fn disarm(&mut self, task: u32) {
        if let Some(attempt) = self.book.attempts.get(&task) {
            self.timers.forget(Timer::Attempt(task, attempt.number));
        }
    }
}

async fn sleep_until(inner: &Inner, deadline: Option<Duration>) {
    match deadline {
        Some(deadline) => inner.clock.sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
