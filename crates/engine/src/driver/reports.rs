//! What reaches a run from its attempts and from callers, taken into a step.

use std::collections::BTreeMap;
use std::sync::Arc;

use gofer_attempt::{Report, Sequel};
use gofer_book::{Effect, Step, Timer, veiled, veiled_cause};
use gofer_hall::Message;
use gofer_run_machine::Fact;
use gofer_scheduler::TaskExit;
use gofer_types::{Cause, TaskRunRecord};
use tokio::sync::oneshot;

use super::run::Driver;

impl Driver {
    pub(super) fn take_message(&mut self, step: &mut Step, message: Message) {
        match message {
            Message::Report(report) => self.take_report(step, *report),
            Message::Answer { task, approved, answer, reply } => {
                let cause = if approved { Cause::Approved } else { Cause::Rejected }(answer);
                self.take_answer(step, task, cause, reply);
            }
            Message::Cancel { request, reply } => {
                let ended = self.machine.state().is_terminal();
                self.take_in(step, Fact::Cancel(*request));
                step.replies.push((reply, ended));
            }
        }
    }

    /// An answer ends the attempt that waits for it. Whoever follows the attempt is told to let go.
    fn take_answer(
        &mut self,
        step: &mut Step,
        task: u32,
        cause: Cause,
        reply: oneshot::Sender<Option<TaskRunRecord>>,
    ) {
        let attempt = self.machine.next_attempt(task) - 1;
        if !self.book.version.asks(task) || attempt == 0 || !self.machine.is_under_way(task, attempt) {
            drop(reply.send(None));
            return;
        }
        let exit = TaskExit { cause: cause.clone(), at: None };
        self.book.attempt_ended(step, task, &exit);
        self.take_in(step, Fact::Ended(task, attempt, cause));
        if let Some(record) = self.book.tasks.get(&task) {
            self.answered.insert(task, record.clone());
        }
        step.decided.push((task, reply));
        step.effects.push(Effect::Stop(task, true));
    }

    pub(super) fn take_report(&mut self, step: &mut Step, report: Report) {
        match report {
            Report::Image { task, attempt, news } => {
                if let Some(cause) = self.book.image_news(step, task, news) {
                    self.take_in(step, Fact::Waits(task, attempt, cause));
                }
            }
            Report::Started { task, attempt, at, handle, image } => {
                self.book.attempt_started(step, (task, at), (handle, image));
                self.arm_in(Timer::Attempt(task, attempt), self.book.attempt_left(task, step.moment()));
                self.take_in(step, Fact::Started(task, attempt));
            }
            Report::Refused { task, attempt, reason, recorded } => {
                let reason = veiled(&self.book.run, reason);
                let exit = TaskExit { cause: Cause::CannotStart(reason.clone()), at: None };
                self.take_end(step, task, (&exit, recorded), Fact::Refused(task, attempt, reason));
            }
            Report::Ended {
                task,
                attempt,
                exit: TaskExit { cause: Cause::FannedOut { values, .. }, .. },
                recorded,
                ..
            } => {
                self.take_values(step, (task, attempt), values, recorded);
            }
            Report::Ended { task, attempt, exit, unreached, recorded } => {
                let exit = TaskExit { cause: veiled_cause(&self.book.run, exit.cause), ..exit };
                let cause = exit.cause.clone();
                let fact = if unreached && self.book.was_in_time(task, &exit, step.shown()) {
                    Fact::EndedInTime(task, attempt, cause)
                } else {
                    Fact::Ended(task, attempt, cause)
                };
                self.take_end(step, task, (&exit, recorded), fact);
            }
            Report::NeverRan { task, attempt, recorded } => {
                let cause = Cause::CannotStart("it was stopped before it was started".to_owned());
                let exit = TaskExit { cause, at: None };
                self.take_end(step, task, (&exit, recorded), Fact::NeverRan(task, attempt));
            }
            Report::Collected { task, recorded, .. } => {
                self.book.attempt_collected(step, task);
                step.recorded.push((recorded, Sequel::Again));
            }
            Report::PutAway { task, attempt } => self.put_away(step, task, attempt),
        }
    }

    /// The values of a late matrix are known: they become tasks, or are refused.
    fn take_values(
        &mut self,
        step: &mut Step,
        (task, attempt): (u32, u32),
        values: BTreeMap<String, Vec<String>>,
        recorded: oneshot::Sender<Sequel>,
    ) {
        let before = self.book.version.plan.count();
        let (fact, cause) = match self.book.version.fan_out(task, &values, self.inner.options.fan_out) {
            Err(reason) => (Fact::Refused(task, attempt, reason.clone()), Cause::CannotStart(reason)),
            Ok(_) if !self.machine.is_under_way(task, attempt) => {
                let reason = "it was stopped before it was started".to_owned();
                (Fact::NeverRan(task, attempt), Cause::CannotStart(reason))
            }
            Ok(version) => {
                let plan = Arc::clone(&version.plan);
                let tasks = u32::try_from(plan.count() - before).unwrap_or(u32::MAX);
                self.book.fan_out(step, (task, version), values);
                (Fact::FannedOut(task, attempt, plan), Cause::FannedOut { tasks, values: BTreeMap::new() })
            }
        };
        let exit = TaskExit { cause, at: None };
        self.take_end(step, task, (&exit, recorded), fact);
    }

    /// An attempt is over: what follows it is known once the machine was told.
    fn take_end(
        &mut self,
        step: &mut Step,
        task: u32,
        (exit, recorded): (&TaskExit, oneshot::Sender<Sequel>),
        fact: Fact,
    ) {
        self.book.attempt_ended(step, task, exit);
        self.take_in(step, fact);
        step.recorded.push((recorded, self.sequel(task)));
    }

    /// What follows the newest attempt of a task, once it has ended.
    pub(super) fn sequel(&mut self, task: u32) -> Sequel {
        if self.machine.has_ended(task) {
            return Sequel::Over;
        }
        self.unsealed.insert(task);
        Sequel::Again
    }

    /// Nothing is left of an attempt.
    pub(super) fn put_away(&mut self, step: &mut Step, task: u32, attempt: u32) {
        if self.machine.has_ended(task) && self.unsealed.remove(&task) {
            // it was to go on when it ended, and then it was not: whoever followed it has left the log open
            return self.seal(task, attempt);
        }
        self.wishes.remove(&task);
        if let Some(attempt) = self.book.attempts.get(&task) {
            self.inner.hall.in_hand(&attempt.id, false);
        }
        if self.machine.has_ended(task) {
            self.handle.complete_tasks([task]);
        } else {
            self.book.put_away(step, task);
            self.take_in(step, Fact::PutAway(task, attempt));
        }
    }
}
