//! The driver of one run: a mailbox, the machine, the book, and the order "decide, commit, act".

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gofer_attempt::Wish;
use gofer_book::{Book, Prepared, Step, Timer, Timers, veiled};
use gofer_hall::{Admission, MAILBOX, Message, RunHandle, Slot};
use gofer_journal::{Haste, Refusal};
use gofer_records::{IdempotencyRecord, RecordError};
use gofer_run_machine::{Decision, Fact, RunMachine};
use gofer_types::record::{CancelRequest, FanOut};
use gofer_types::{Actor, AttemptId, RunRecord, RunRef, TaskRunRecord, Timestamp};
use gofer_versions::{Asked, Version};
use tokio::sync::{mpsc, oneshot, watch};

use super::Inner;
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
    /// Tasks whose log is not complete although nobody follows an attempt of theirs, or one that does not complete it.
    pub(super) unsealed: BTreeSet<u32>,
    pub(super) timers: Timers,
    /// Task runs that were answered, until whoever answered is told.
    pub(super) answered: BTreeMap<u32, TaskRunRecord>,
    /// What came while there was no room to record anything, in its order. Bounded by the deadlines, a mailbox for each.
    pub(super) backlog: VecDeque<Late>,
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
    /// What its late matrices have become in the run that it repeats, as far as that stays.
    pub(crate) fan_outs: Vec<(u32, FanOut)>,
    /// What its idempotency key will stand for.
    pub(crate) idempotency: Option<IdempotencyRecord>,
    /// The attempt of a task of another run that starts it.
    pub(crate) child: Option<AttemptId>,
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
    answer.await.unwrap_or_else(|_| Err(inner.fate.error().into()))
}

/// Makes a run durable together with what follows at once, answers, and drives it to its end.
async fn begin(inner: Arc<Inner>, new: NewRun, reply: oneshot::Sender<Result<RunRecord>>) {
    let NewRun { run, version, fan_outs, idempotency, child, next_run, handle, mailbox, admission } = new;
    let machine = RunMachine::new(Arc::clone(&version.plan), &run);
    let mut driver = Driver::new(inner, handle, machine, Book::new(run, version), mailbox);
    let mut step = driver.step();
    for (place, fan_out) in fan_outs {
        driver.book.keep_fan_out(&mut step, place, fan_out);
    }
    driver.take_in(&mut step, admission.held.map_or(Fact::Admitted, Fact::Held));
    let mut tx = driver.book.transaction(&mut step, true);
    let pipeline = &driver.book.run.id.pipeline;
    tx.put_counter(pipeline, gofer_records::Counter::Runs, next_run);
    if let Some(attempt) = &child {
        tx.put_child(attempt, &driver.book.run.id);
    }
    if let (Some(key), Some(record)) = (&driver.book.run.idempotency_key, idempotency) {
        tx.put_idempotency(pipeline, key, &record);
    }
    let refused = match tx.finished() {
        Ok(tx) => driver.inner.committer.try_commit(&Arc::new(tx), Haste::Now).await.err(),
        Err(error) => Some(Refusal::Never(too_large(&error))),
    };
    if let Some(refusal) = refused {
        driver.give_up(&step);
        driver.inner.hall.spare(&admission.replaces);
        drop(reply.send(Err(driver.inner.committer.error(refusal).into())));
        return;
    }
    drop(reply.send(Ok(driver.book.run.clone())));
    replace(&driver.inner, &driver.book.run.id, admission.replaces);
    driver.perform(step);
    // in a task of its own, which has no room for what only the beginning needed
    Arc::clone(&driver.inner).spawn(Box::new(driver).drive());
}

/// Ends the runs that a newer one replaces, each on its own.
pub(super) fn replace(inner: &Arc<Inner>, by: &RunRef, runs: Vec<RunRef>) {
    for run in runs {
        let request = Box::new(CancelRequest {
            actor: Actor::System,
            reason: format!("replaced by run {by}"),
            at: inner.clock.now(),
            force: false,
        });
        if let Some(handle) = inner.hall.find(&run) {
            let (reply, _) = oneshot::channel();
            let message = Message::Cancel { request, reply };
            inner.spawn(async move { drop(handle.mailbox.send(message).await) });
        }
    }
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
        let (wishes, timers, unsealed) = (BTreeMap::new(), Timers::default(), BTreeSet::new());
        let latest = book.latest();
        Self {
            inner,
            handle,
            machine,
            book,
            mailbox,
            wishes,
            unsealed,
            timers,
            answered: BTreeMap::new(),
            backlog: VecDeque::new(),
            latest,
        }
    }

    /// Goes on until the run has ended and everything of it is put away, or the engine stops.
    ///
    /// Many runs wait for long: what only a step needs is not a part of the future.
    pub(super) async fn drive(mut self: Box<Self>) {
        let stop = self.inner.fate.stop().clone();
        let mut messages = Vec::new();
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
                Some((step, until)) => (step.later((fresh.now, fresh.shown(), fresh.read)), until),
                None => (fresh, self.inner.clock.monotonic().saturating_add(COMPANY)),
            };
            self.take_backlog(&mut step);
            self.take_messages(&mut step, &mut messages);
            self.take_granted(&mut step);
            self.take_deadlines(&mut step);
            if step.is_news_alone() && self.inner.clock.monotonic() < until {
                news = Some((step, until));
            } else if !Box::pin(self.settle(step)).await {
                return;
            }
        }
        Box::pin(self.say_farewell()).await;
    }

    fn is_over(&self) -> bool {
        self.machine.state().is_terminal() && self.wishes.is_empty()
    }

    /// A step now; never before the one before it.
    pub(super) fn step(&mut self) -> Step {
        let shown = self.inner.clock.moment();
        self.latest = self.latest.max(shown.wall);
        Step::at((self.latest, shown, self.inner.clock.monotonic()))
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
            // Asked before we slept, answered since, and not heard yet: its limit would count from the answer.
            Timer::Attempt(task, attempt) if self.book.awaits_start(task, attempt) => {
                self.arm_in(Timer::Answer(task, attempt), Timer::ANSWER);
            }
            Timer::Answer(task, attempt) if !self.book.awaits_start(task, attempt) => {}
            Timer::Attempt(task, attempt) | Timer::Answer(task, attempt) => {
                self.take_in(step, Fact::Overdue(task, attempt, self.book.attempt_limit(task)));
            }
            Timer::Rest(task, attempt) => self.take_in(step, Fact::Rested(task, attempt)),
            Timer::Run => self.take_in(step, Fact::RunOverdue(self.book.run_limit())),
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
                    Decision::Free(task) if !self.book.version.takes_slot(task) => {}
                    Decision::Unwant(task) => self.inner.hall.forget(&self.handle, task),
                    Decision::Start(task, attempt) => self.intend(step, task, attempt),
                    Decision::Task { task, state, .. } if state.is_terminal() => {
                        self.disarm(task);
                        self.book.record(step, decision);
                    }
                    Decision::Rest(task, ..) => {
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
        if !self.book.version.takes_slot(task) {
            return Fact::Slot(task);
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
        let attempt = self.machine.next_attempt(place);
        let prepared = self.inputs(place).and_then(|_| self.prepared(place, attempt));
        step.prepared.insert(place, prepared.map_err(|reason| veiled(&self.book.run, reason))?);
        Ok(())
    }

    /// What the scheduler is asked to run for an attempt.
    pub(super) fn prepared(&self, place: u32, attempt: u32) -> std::result::Result<Prepared, String> {
        let version = &self.book.version;
        let Some(task) = version.task(place) else { return Err("its version has no such task".to_owned()) };
        let planned = version.plan.task(place);
        let answers = self.book.answers_for(place);
        self.inner.prepare(&Asked { run: &self.book.run, task, planned, attempt, answers })
    }

    fn intend(&mut self, step: &mut Step, task: u32, attempt: u32) {
        let id = AttemptId::from_u128((self.inner.new_id)());
        self.inner.hall.in_hand(&id, true);
        self.book.intend(step, (task, attempt), id);
        self.arm(task, attempt);
    }

    pub(super) fn arm(&mut self, task: u32, attempt: u32) {
        let limit = self.book.attempt_limit(task);
        self.arm_in(Timer::Attempt(task, attempt), limit);
    }

    pub(super) fn arm_in(&mut self, timer: Timer, limit: Duration) {
        self.timers.set(timer, self.inner.clock.monotonic().saturating_add(limit));
    }

    fn disarm(&mut self, task: u32) {
        let attempt = self.machine.next_attempt(task) - 1;
        self.timers.forget_attempt(task, attempt);
    }
}

async fn sleep_until(inner: &Inner, deadline: Option<Duration>) {
    match deadline {
        Some(deadline) => inner.clock.sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
