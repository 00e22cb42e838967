//! What a random history consists of: commands, each of which means something in every state.
//!
//! A machine must take any fact at any time, so no command has a condition under which it may come, and taking one out of a
//! history leaves a history. A plain list of commands therefore shrinks to the few that matter, together with the graph.
//! That is why this is not a `proptest-state-machine`: its transitions are drawn from a reference state that it keeps by
//! cloning, its preconditions would all be `true`, and its graph would shrink last, behind the transitions drawn for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use gofer_types::Cause;
use proptest::prelude::*;

use super::bench::Bench;
use super::causes::{self, RUN_LIMIT};
use super::graphs::{Layout, numbers};
use super::model::{Event, Outcome};
use crate::{Fact, Plan};

/// One of those it may be said about; which, the number says.
pub(super) type At = u16;

/// One step of a history.
#[derive(Debug, Clone, Copy)]
pub(super) enum Command {
    Admit,
    Cancel {
        force: bool,
    },
    RunDeadline,
    Grant(At),
    RefuseSlot(At),
    Waits(At),
    Started(At),
    Over {
        at: At,
        outcome: Outcome,
        in_time: bool,
    },
    PutAway(At),
    Rested(At),
    Overdue(At),
    /// A slot for somebody who asked for none.
    StraySlot(At),
    /// A fact that was told before, once more.
    Repeat(At),
    /// News of an attempt before the newest one.
    OfFormer(At),
    /// News of an attempt that is not there.
    OfNobody(At),
    Restart,
}

pub(super) fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        14 => Just(Outcome::Zero),
        3 => Just(Outcome::Other),
        1 => Just(Outcome::Busy),
        1 => Just(Outcome::Signal),
        1 => Just(Outcome::Memory),
        1 => Just(Outcome::NotKept),
        2 => Just(Outcome::Lost),
        1 => Just(Outcome::CannotStart),
        1 => Just(Outcome::NeverRan),
        1 => Just(Outcome::Approved),
        1 => Just(Outcome::Rejected),
        1 => Just(Outcome::ChildCancelled),
        1 => Just(Outcome::ChildErrored),
        1 => Just(Outcome::ChildTimedOut),
    ]
}

pub(super) fn command() -> impl Strategy<Value = Command> {
    let at = any::<At>;
    prop_oneof![
        2 => Just(Command::Admit),
        1 => any::<bool>().prop_map(|force| Command::Cancel { force }),
        1 => Just(Command::RunDeadline),
        40 => at().prop_map(Command::Grant),
        1 => at().prop_map(Command::RefuseSlot),
        4 => at().prop_map(Command::Waits),
        14 => at().prop_map(Command::Started),
        40 => (at(), outcome(), prop::bool::weighted(0.25))
            .prop_map(|(at, outcome, in_time)| Command::Over { at, outcome, in_time }),
        14 => at().prop_map(Command::PutAway),
        14 => at().prop_map(Command::Rested),
        6 => at().prop_map(Command::Overdue),
        2 => at().prop_map(Command::StraySlot),
        8 => at().prop_map(Command::Repeat),
        4 => at().prop_map(Command::OfFormer),
        2 => at().prop_map(Command::OfNobody),
        6 => Just(Command::Restart),
    ]
}

/// How a task ends in a run in which that depends on the task and its attempt alone, whatever place it has got.
pub(super) fn settled_outcome(layout: &Layout, place: usize, attempt: u32, outcomes: &[Outcome]) -> Outcome {
    let (of, by) = (layout.of[place], layout.read_by[place]);
    let first = (0..place).find(|at| layout.of[*at] == of && layout.read_by[*at] == by).unwrap_or(place);
    outcomes[(of * 5 + (place - first) + attempt as usize * 3) % outcomes.len()]
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap()
}

impl Bench<'_> {
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Admit => self.tell(Fact::Admitted, Some(Event::Admitted)),
            Command::Cancel { force } => {
                self.tell(Fact::Cancel(causes::request(force)), Some(Event::Cancel { force }));
            }
            Command::RunDeadline => self.tell(Fact::RunOverdue(RUN_LIMIT), Some(Event::RunDeadline)),
            Command::Grant(at) => self.waiting_at(at).into_iter().for_each(|place| self.grant(place)),
            Command::RefuseSlot(at) => self.waiting_at(at).into_iter().for_each(|place| self.refuse(place)),
            Command::Waits(at) => self.about(self.holder_at(at), |task, attempt, place| {
                let waits = Cause::FetchingImage("alpine:3".to_owned());
                (Fact::Waits(task, attempt, waits), Event::Waits(place))
            }),
            Command::Started(at) => self.started(self.holder_at(at)),
            Command::Over { at, outcome, in_time } => self.over(self.holder_at(at), outcome, in_time),
            Command::PutAway(at) => self.put_away(self.resting_at(at)),
            Command::Rested(at) => self.rested(self.resting_at(at)),
            Command::Overdue(at) => {
                let place = self.holder_at(at);
                let limit = self.plan.group_of(number(place)).timeout;
                self.about(place, |task, attempt, place| {
                    (Fact::Overdue(task, attempt, limit), Event::Deadline(place))
                });
            }
            Command::StraySlot(at) => {
                let task = number(self.any_at(at));
                if !self.waiting.contains(&task) && !self.told.held.contains(&task) {
                    self.tell(Fact::Slot(task), None);
                }
            }
            Command::Repeat(at) => self.repeat(at),
            Command::OfFormer(at) => self.of_former(self.any_at(at)),
            Command::OfNobody(at) => self.of_nobody(self.any_at(at)),
            Command::Restart => self.restart(),
        }
    }

    fn any_at(&self, at: At) -> usize {
        usize::from(at) % self.plan.count()
    }

    fn waiting_at(&self, at: At) -> Option<usize> {
        let at = usize::from(at) % self.waiting.len().max(1);
        self.waiting.iter().nth(at).map(|task| *task as usize)
    }

    /// Mostly one with a slot, sometimes any.
    fn holder_at(&self, at: At) -> usize {
        let (index, held) = (usize::from(at / 8), &self.told.held);
        let holder = held.iter().nth(index % held.len().max(1)).filter(|_| !at.is_multiple_of(8));
        holder.map_or_else(|| self.any_at(at), |task| *task as usize)
    }

    fn resting_at(&self, at: At) -> usize {
        let resting: Vec<u32> = self
            .records
            .tasks
            .iter()
            .filter(|(_, record)| matches!(record.cause, Cause::WaitingForRetry { .. }))
            .map(|(task, _)| *task)
            .collect();
        let one = resting.get(usize::from(at / 8) % resting.len().max(1)).filter(|_| !at.is_multiple_of(8));
        one.map_or_else(|| self.any_at(at), |task| *task as usize)
    }

    pub(super) fn grant(&mut self, place: usize) {
        if self.waiting.remove(&number(place)) {
            self.tell(Fact::Slot(number(place)), Some(Event::Slot(place)));
        }
    }

    fn refuse(&mut self, place: usize) {
        if self.waiting.remove(&number(place)) {
            let reason = "no such image".to_owned();
            self.tell(Fact::Refused(number(place), 0, reason), Some(Event::NotStartable(place)));
        }
    }

    /// Tells something about the newest attempt of a place, if there is one.
    fn about(&mut self, place: usize, what: impl FnOnce(u32, u32, usize) -> (Fact, Event)) {
        let attempt = self.records.attempt(place);
        if attempt > 0 {
            let (fact, event) = what(number(place), attempt, place);
            self.tell(fact, Some(event));
        }
    }

    pub(super) fn started(&mut self, place: usize) {
        self.about(place, |task, attempt, place| (Fact::Started(task, attempt), Event::Started(place)));
    }

    pub(super) fn put_away(&mut self, place: usize) {
        self.about(place, |task, attempt, place| (Fact::PutAway(task, attempt), Event::PutAway(place)));
    }

    pub(super) fn rested(&mut self, place: usize) {
        self.about(place, |task, attempt, place| (Fact::Rested(task, attempt), Event::Rested(place)));
    }

    pub(super) fn over(&mut self, place: usize, outcome: Outcome, in_time: bool) {
        let reads = outcome == Outcome::Zero && self.layout.reads_values(place);
        let plan = reads.then(|| Arc::new(self.fanned(self.layout.of[place])));
        let cause = causes::of_outcome(outcome, &self.records.run.id);
        self.about(place, |task, attempt, place| match (plan, outcome) {
            (Some(plan), _) => (Fact::FannedOut(task, attempt, plan), Event::FannedOut(place)),
            (None, Outcome::CannotStart) => {
                (Fact::Refused(task, attempt, "no".to_owned()), Event::Over(place, outcome))
            }
            (None, Outcome::NeverRan) => (Fact::NeverRan(task, attempt), Event::Over(place, outcome)),
            _ if in_time => (Fact::EndedInTime(task, attempt, cause), Event::OverInTime(place, outcome)),
            _ => (Fact::Ended(task, attempt, cause), Event::Over(place, outcome)),
        });
    }

    /// The graph once the late matrix of a task of the file is known.
    fn fanned(&self, group: usize) -> Plan {
        if !self.plan.groups[group].fanned.is_empty() {
            // a second reading would be of another run
            return self.plan.as_ref().clone();
        }
        let values = numbers(self.layout.tasks[group].becomes.unwrap_or(0));
        self.plan.fan_out(&self.config, number(group), &BTreeMap::from([("n".to_owned(), values)])).unwrap()
    }

    /// A fact once more. It means what it meant if it is about the newest attempt, or about the run; else nothing.
    fn repeat(&mut self, at: At) {
        let at = usize::from(at) % self.facts.len().max(1);
        // what meant nothing may have become true since
        let Some((fact, event @ Some(_))) = self.facts.get(at).cloned() else { return };
        let of = match &fact {
            // neither says of which attempt it is
            Fact::Slot(_) | Fact::Refused(_, 0, _) | Fact::Held(_) | Fact::NoSlot(..) => return,
            Fact::Admitted | Fact::RunOverdue(_) | Fact::Cancel(_) => return self.tell(fact, event),
            Fact::Refused(task, attempt, _)
            | Fact::Waits(task, attempt, _)
            | Fact::Started(task, attempt)
            | Fact::Ended(task, attempt, _)
            | Fact::EndedInTime(task, attempt, _)
            | Fact::FannedOut(task, attempt, _)
            | Fact::NeverRan(task, attempt)
            | Fact::PutAway(task, attempt)
            | Fact::Rested(task, attempt)
            | Fact::Overdue(task, attempt, _) => (*task as usize, *attempt),
        };
        let event = event.filter(|_| self.records.attempt(of.0) == of.1);
        self.tell(fact, event);
    }

    fn of_former(&mut self, place: usize) {
        let (task, attempt) = (number(place), self.records.attempt(place));
        if attempt > 1 {
            let limit = self.plan.group_of(task).timeout;
            self.tell(Fact::Ended(task, attempt - 1, Cause::ExitCode(0)), None);
            self.tell(Fact::Started(task, attempt - 1), None);
            self.tell(Fact::Overdue(task, attempt - 1, limit), None);
            self.tell(Fact::PutAway(task, attempt - 1), None);
        }
    }

    fn of_nobody(&mut self, place: usize) {
        let (task, attempt) = (number(place), self.records.attempt(place) + 1);
        self.tell(Fact::Ended(task, attempt, Cause::ExitCode(0)), None);
        self.tell(Fact::Rested(task, attempt), None);
        self.tell(Fact::Ended(number(self.plan.count()), 1, Cause::ExitCode(0)), None);
    }

    /// Lets everything come to its end, in rounds through places in that order.
    pub(super) fn drain(&mut self, outcomes: &[Outcome], order: &[usize]) {
        self.tell(Fact::Admitted, Some(Event::Admitted));
        let mut rounds = 0;
        while !self.machine.state().is_terminal() {
            let more = order.len()..self.plan.count();
            for place in order
                .iter()
                .copied()
                .filter(|place| *place < self.plan.count())
                .chain(more)
                .collect::<Vec<_>>()
            {
                self.grant(place);
                if self.told.held.contains(&number(place)) {
                    let attempt = self.records.attempt(place);
                    self.over(place, settled_outcome(&self.layout, place, attempt, outcomes), false);
                }
                if self.machine.rests(number(place), self.records.attempt(place)) {
                    self.rested(place);
                    self.put_away(place);
                }
            }
            rounds += 1;
            assert!(rounds <= 4 * self.plan.count() + 1, "INV-30: the run comes to an end");
        }
        self.conclude();
    }
}
