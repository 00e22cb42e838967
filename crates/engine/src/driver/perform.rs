//! The second half of a step: it is committed, and then what it decided is done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gofer_records::Tx;
use tokio::sync::watch;

use super::Backoff;
use super::attempt::{Attempt, Known, Wish};
use super::book::{Effect, Step};
use super::committer::{Haste, Refusal};
use super::message::Message;
use super::run::{Driver, Late};
use super::timers::Timer;

impl Driver {
    /// Commits a step and performs it. False if the engine has stopped.
    pub(super) async fn settle(&mut self, mut step: Step) -> bool {
        if !step.is_empty() {
            let tx = self.book.transaction(&mut step, false);
            if !self.commit(tx, Haste::Now).await {
                return false;
            }
        }
        self.perform(step);
        true
    }

    /// Commits, however long there is no room. False if the engine has stopped.
    async fn commit(&mut self, tx: Tx, haste: Haste) -> bool {
        let tx = match tx.finished() {
            Ok(tx) => Arc::new(tx),
            Err(error) => {
                self.inner
                    .fate
                    .fail(format!("a record of run {} cannot be written: {error}", self.handle.run));
                return false;
            }
        };
        let mut backoff = Backoff::new();
        loop {
            match self.inner.committer.try_commit(&tx, haste).await {
                Ok(_) => return true,
                Err(Refusal::Stopped) => return false,
                Err(Refusal::Full(error)) => {
                    tracing::warn!(run = %self.handle.run, error = %error.chain(), "no room to record what happened");
                    if !self.hold_out(backoff.next(None)).await {
                        return false;
                    }
                }
                Err(Refusal::Never(error)) => {
                    let run = &self.handle.run;
                    self.inner
                        .fate
                        .fail(format!("the storage refuses records of run {run}: {}", error.chain()));
                    return false;
                }
            }
        }
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
            Timer::Run => {
                let plan = &self.book.version.plan;
                let stops = self.wishes.keys().filter(|task| !plan.task(**task).cleanup);
                stops.for_each(|task| self.wish(*task, Wish::Stop));
            }
        }
    }

    /// Does what the step decided, now that it is durable.
    pub(super) fn perform(&mut self, mut step: Step) {
        let effects = std::mem::take(&mut step.effects);
        self.arm_run();
        let complete = effects.iter().filter_map(|effect| match effect {
            Effect::Complete(task) => Some(*task),
            _ => None,
        });
        let complete: Vec<u32> = complete.collect();
        if !complete.is_empty() {
            self.handle.complete_tasks(complete);
        }
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
                        self.follow(task, &prepared.scheduler, known, wish);
                    }
                }
                Effect::Stop(task, kill) => self.wish(task, Wish::to_end(kill)),
                Effect::RunEnded => self.inner.hall.run_ended(&self.handle),
                Effect::Complete(_) => {}
            }
        }
        self.inner.hall.free_slots(step.spare);
        for recorded in step.recorded {
            let _ = recorded.send(());
        }
        for (reply, ended) in step.replies {
            drop(reply.send((self.book.run.clone(), ended)));
        }
    }

    /// Arms the deadline of the run once it runs, and disarms it when the run is being ended anyway.
    fn arm_run(&mut self) {
        let run = &self.book.run;
        match (run.deadline, self.machine.state().is_terminal() || self.machine.winds_down()) {
            (_, true) => self.timers.forget(Timer::Run),
            (Some(deadline), false) if !self.timers.is_set(Timer::Run) => {
                let left = deadline.since(self.inner.clock.now()).min(self.book.run_limit());
                self.arm_in(Timer::Run, left);
            }
            _ => {}
        }
    }

    /// Follows an attempt to its end in a task of its own, with what is wished of it already.
    pub(super) fn follow(
        &mut self,
        place: u32,
        scheduler: &Arc<dyn gofer_scheduler::Scheduler>,
        known: Known,
        wish: Wish,
    ) {
        if self.wishes.contains_key(&place) {
            // one attempt, one follower: a second would take the wishes away from the first
            tracing::error!(run = %self.handle.run, place, "an attempt is followed already");
            return;
        }
        let Some(record) = self.book.attempts.get(&place) else { return };
        let config = &self.book.version.record.config;
        let own = config.tasks.get(place as usize).and_then(|task| task.logging);
        let (sender, wish) = watch::channel(wish);
        let attempt = Attempt {
            inner: Arc::clone(&self.inner),
            run: Arc::clone(&self.handle),
            place,
            number: record.number,
            task: record.task.clone(),
            id: record.id.clone(),
            scheduler: Arc::clone(scheduler),
            logging: own.unwrap_or(config.logging),
            resumed: self.resumed,
            wish,
        };
        self.wishes.insert(place, sender);
        self.inner.spawn(attempt.follow(known));
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

    pub(super) async fn say_farewell(mut self) {
        let tx = self.book.farewell();
        if self.commit(tx, Haste::InCompany).await {
            self.mailbox.close();
            self.inner.hall.put_away(&self.handle);
            // a wish that came too late: the run has ended
            while let Ok(message) = self.mailbox.try_recv() {
                if let Message::Cancel { reply, .. } = message {
                    drop(reply.send((self.book.run.clone(), true)));
                }
            }
        }
    }

    /// The run could not be made durable: nothing of it is left behind.
    pub(super) fn give_up(&self, step: &Step) {
        let count = u32::try_from(self.book.version.plan.count()).unwrap_or(u32::MAX);
        for task in 0..count {
            self.inner.hall.forget(&self.handle, task);
        }
        for attempt in self.book.attempts.values() {
            self.inner.hall.in_hand(&attempt.id, false);
        }
        self.inner.hall.put_away(&self.handle);
        self.inner.hall.free_slots(step.taken);
    }
}
