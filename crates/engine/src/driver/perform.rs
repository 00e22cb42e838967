//! The second half of a step: it is committed, and then what it decided is done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gofer_attempt::{Attempt, Backoff, Known, Report, Reporter, Wish};
use gofer_book::{Effect, Step, Timer};
use gofer_hall::Message;
use gofer_journal::{Haste, Refusal};
use gofer_records::Tx;
use gofer_types::{Actor, EventKind};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::run::{Driver, Late};

/// How many attempts of a run are put away in one step.
const FAREWELL: usize = 4_000;

/// Why a step of a run was not recorded.
enum Unrecorded {
    /// The engine has stopped.
    Stopped,
    /// It cannot be, and never will.
    Never(String),
}

impl Driver {
    /// Commits a step and performs it. False if the run is not driven any more: the engine has stopped, or the run was set aside.
    pub(super) async fn settle(&mut self, mut step: Step) -> bool {
        if !step.is_empty() {
            let tx = self.book.transaction(&mut step, false);
            if let Err(unrecorded) = self.commit(tx, Haste::Now).await {
                self.drop_out(&step, unrecorded).await;
                return false;
            }
        }
        self.perform(step);
        true
    }

    /// Commits, however long there is no room.
    async fn commit(&mut self, tx: Tx, haste: Haste) -> Result<(), Unrecorded> {
        let tx = Arc::new(tx.finished().map_err(|error| Unrecorded::Never(error.chain()))?);
        let mut backoff = Backoff::new();
        loop {
            match self.inner.committer.try_commit(&tx, haste).await {
                Ok(_) => return Ok(()),
                Err(Refusal::Stopped) => return Err(Unrecorded::Stopped),
                Err(Refusal::Full(error)) => {
                    tracing::warn!(run = %self.handle.run, error = %error.chain(), "no room to record what happened");
                    if !self.hold_out(backoff.next(None)).await {
                        return Err(Unrecorded::Stopped);
                    }
                }
                Err(Refusal::Never(error)) => return Err(Unrecorded::Never(error.chain())),
            }
        }
    }

    /// A run whose step can never be recorded is set aside, as one whose records cannot be read, so that no other run suffers.
    /// What it runs is killed. The next start of the server tries again.
    async fn drop_out(&mut self, step: &Step, unrecorded: Unrecorded) {
        let Unrecorded::Never(reason) = unrecorded else { return };
        let (inner, run) = (Arc::clone(&self.inner), self.handle.run.clone());
        tracing::error!(%run, reason, "a run was set aside: what happened to it cannot be recorded");
        let mut tx = Tx::default();
        tx.set_run_aside(&run, self.handle.created);
        tx.event(
            self.latest,
            Actor::System,
            EventKind::Quarantined { run: run.clone(), reason: reason.clone() },
        );
        match self.commit(tx, Haste::Now).await {
            Ok(()) => {}
            Err(Unrecorded::Stopped) => return,
            Err(Unrecorded::Never(why)) => {
                return inner.fate.fail(format!("run {run} cannot be set aside: {why}"));
            }
        }
        self.kill_all();
        inner.hall.set_aside(run, reason);
        let places = 0..u32::try_from(self.book.version.plan.count()).unwrap_or(u32::MAX);
        let held =
            places.filter(|task| self.machine.holds_slot(*task) && self.book.version.takes_slot(*task));
        self.leave(step.spare + held.count());
    }

    /// Waits for room. A deadline that passes meanwhile is obeyed at once; it is recorded when there is room again.
    async fn hold_out(&mut self, span: Duration) -> bool {
        let until = self.inner.clock.monotonic().saturating_add(span);
        loop {
            let now = self.inner.clock.monotonic();
            while let Some(timer) = self.timers.pop(now) {
                if self.is_certain(timer) {
                    self.obey_early(timer);
                } else {
                    self.timers.set(timer, until.max(now + Duration::from_micros(1)));
                }
            }
            let next = self.timers.next().map_or(until, |next| next.min(until));
            if !self.inner.pause(next.saturating_sub(now)).await {
                return false;
            }
            if self.inner.clock.monotonic() >= until {
                return true;
            }
        }
    }

    /// Whether nothing that waits to be told can move the deadline: the news that an attempt runs would.
    fn is_certain(&self, timer: Timer) -> bool {
        match timer {
            Timer::Attempt(task, _) => {
                self.book.attempts.get(&task).is_some_and(|attempt| attempt.started.is_some())
            }
            Timer::Run => true,
            // nothing new begins while nothing can be recorded
            Timer::Rest(..) | Timer::Answer(..) => false,
        }
    }

    /// Asks for the end of what is late, and keeps in order what was told before that and the deadline itself.
    fn obey_early(&mut self, timer: Timer) {
        while let Ok(message) = self.mailbox.try_recv() {
            self.backlog.push_back(Late::Message(message));
        }
        self.backlog.push_back(Late::Timer(timer));
        match timer {
            Timer::Attempt(task, _) => self.wish(task, Wish::Stop),
            Timer::Rest(..) | Timer::Answer(..) => {}
            Timer::Run => {
                let plan = &self.book.version.plan;
                let stops = self.wishes.keys().filter(|task| !plan.group_of(**task).cleanup);
                stops.for_each(|task| self.wish(*task, Wish::Stop));
            }
        }
    }

    /// Does what the step decided, now that it is durable.
    pub(super) fn perform(&mut self, mut step: Step) {
        let effects = std::mem::take(&mut step.effects);
        self.arm_run(&step);
        self.complete(&effects);
        let stops = effects.iter().filter_map(|effect| match effect {
            Effect::Stop(task, kill) => Some((*task, Wish::to_end(*kill))),
            _ => None,
        });
        // what is to end in the same step is followed with that wish from the first: it need not be started at all
        let wishes: BTreeMap<u32, Wish> = stops.collect();
        for effect in effects {
            match effect {
                Effect::Start(task) => {
                    if let Some(prepared) = step.prepared.remove(&task) {
                        let wish = wishes.get(&task).copied().unwrap_or(Wish::None);
                        let known = Known::Intended(Box::new(prepared.spec));
                        self.follow(task, &prepared.scheduler, (known, false), wish);
                    }
                }
                Effect::Stop(task, kill) => self.wish(task, Wish::to_end(kill)),
                Effect::RunEnded => {
                    self.inner.hall.run_ended(&self.handle);
                    self.handle.ended(self.machine.state());
                }
                Effect::Rest(task, attempt, wait) => {
                    // the machine may have gone on since
                    if self.machine.rests(task, attempt) {
                        self.arm_in(Timer::Rest(task, attempt), wait);
                    }
                }
                Effect::Complete(_) => {}
            }
        }
        self.inner.hall.free_slots(&self.handle, step.spare);
        for (recorded, sequel) in step.recorded {
            let _ = recorded.send(sequel);
        }
        for (place, reply) in step.decided {
            let answered = self.answered.remove(&place);
            drop(reply.send(answered));
        }
        for (reply, ended) in step.replies {
            drop(reply.send((self.book.run.clone(), ended)));
        }
    }

    /// Arms the deadline of the run once it runs, and disarms it when the run is being ended anyway. What is left of it counts from
    /// when the step was decided, and on the monotonic clock: the wall may have jumped while the step was made durable.
    fn arm_run(&mut self, step: &Step) {
        let over = self.machine.state().is_terminal() || self.machine.winds_down();
        match (self.book.run_left(step.moment()), over) {
            (_, true) => self.timers.forget(Timer::Run),
            (Some(left), false) if !self.timers.is_set(Timer::Run) => {
                let since = self.inner.clock.monotonic().saturating_sub(step.read);
                self.arm_in(Timer::Run, left.saturating_sub(since));
            }
            _ => {}
        }
    }

    /// Follows an attempt to its end in a task of its own, with what is wished of it already.
    pub(super) fn follow(
        &mut self,
        place: u32,
        scheduler: &Arc<dyn gofer_scheduler::Scheduler>,
        (known, resumed): (Known, bool),
        wish: Wish,
    ) {
        if self.wishes.contains_key(&place) {
            // one attempt, one follower: a second would take the wishes away from the first
            tracing::error!(run = %self.handle.run, place, "an attempt is followed already");
            return;
        }
        let Some(record) = self.book.attempts.get(&place) else { return };
        let version = &self.book.version;
        let most = version.plan.group_of(place).retry.as_ref().map_or(1, |rule| rule.attempts);
        self.unsealed.remove(&place);
        let grace = if resumed && wish == Wish::Stop {
            self.grace_left(place)
        } else {
            self.inner.attempts.limits.stop_grace
        };
        let (sender, wish) = watch::channel(wish);
        let attempt = Attempt {
            context: Arc::clone(&self.inner.attempts),
            reports: Arc::clone(&self.handle) as Arc<dyn Reporter>,
            place,
            number: record.number,
            task: record.task.clone(),
            id: record.id.clone(),
            scheduler: Arc::clone(scheduler),
            parcels: self.parcels(place),
            logging: version.keeps_output(place),
            resumed,
            last: record.number >= most,
            collected: record.collected,
            grace,
            wish,
            abandoned: CancellationToken::new(),
        };
        self.wishes.insert(place, sender);
        self.inner.spawn(attempt.follow(known));
    }

    /// Tells that nothing is added to the output of some tasks any more.
    fn complete(&mut self, effects: &[Effect]) {
        let mut complete = Vec::new();
        for effect in effects {
            match effect {
                Effect::Complete(task) if self.unsealed.remove(task) => {
                    self.seal(*task, self.machine.next_attempt(*task) - 1);
                }
                Effect::Complete(task) => complete.push(*task),
                _ => {}
            }
        }
        if !complete.is_empty() {
            self.handle.complete_tasks(complete);
        }
    }

    /// Completes the log of a task that ended while it rested. Until then something is left of its newest attempt.
    pub(super) fn seal(&mut self, task: u32, attempt: u32) {
        let context = Arc::clone(&self.inner.attempts);
        let handle = Arc::clone(&self.handle);
        let id = self.handle.run.task(self.book.version.plan.task(task).id.clone());
        self.wishes.insert(task, watch::Sender::new(Wish::None));
        self.inner.spawn(async move {
            context.seal(&id).await;
            handle.report(Report::PutAway { task, attempt }).await;
        });
    }

    pub(super) fn wish(&self, task: u32, wish: Wish) {
        if let Some(sender) = self.wishes.get(&task) {
            sender.send_if_modified(|current| {
                let more = wish > *current;
                *current = wish.max(*current);
                more
            });
        }
    }

    pub(super) async fn say_farewell(&mut self) {
        let mut last = false;
        while !last {
            let tx;
            (tx, last) = self.book.farewell(FAREWELL);
            if let Err(unrecorded) = self.commit(tx, Haste::InCompany).await {
                let step = self.step();
                return self.drop_out(&step, unrecorded).await;
            }
        }
        self.mailbox.close();
        self.inner.hall.put_away(&self.handle);
        self.inner.household.touch(&self.handle.run.pipeline);
        // a wish that came too late: the run has ended
        while let Ok(message) = self.mailbox.try_recv() {
            if let Message::Cancel { reply, .. } = message {
                drop(reply.send((self.book.run.clone(), true)));
            }
        }
    }

    /// Kills what runs, be it followed or, right behind a restart, not yet.
    fn kill_all(&self) {
        for (place, attempt) in self.book.attempts.iter().filter(|(_, attempt)| attempt.exit.is_none()) {
            if self.wishes.contains_key(place) {
                self.wish(*place, Wish::Kill);
            } else if let Some(scheduler) = self.inner.scheduler(&attempt.scheduler).map(Arc::clone) {
                let id = attempt.id.clone();
                self.inner.spawn(async move { drop(scheduler.stop(&id, Duration::ZERO).await) });
            }
        }
    }

    /// The run could not be made durable: nothing of it is left behind.
    pub(super) fn give_up(&self, step: &Step) {
        self.leave(step.taken);
    }

    /// Leaves the hall, with that many slots.
    fn leave(&self, slots: usize) {
        let count = u32::try_from(self.book.version.plan.count()).unwrap_or(u32::MAX);
        for task in 0..count {
            self.inner.hall.forget(&self.handle, task);
        }
        for attempt in self.book.attempts.values() {
            self.inner.hall.in_hand(&attempt.id, false);
        }
        self.inner.hall.put_away(&self.handle);
        self.inner.hall.free_slots(&self.handle, slots);
    }
}
