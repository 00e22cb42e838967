//! A machine on a bench: beside it the model, what was told, and what the driver would have written. Behind every fact
//! everything is compared.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gofer_types::{Cause, Pipeline, RunState, TaskState};

use super::causes;
use super::graphs::{Layout, ModelTask, TIMEOUT, Wanted, pipeline};
use super::model::{Ask, Event, Model, Place, Why};
use super::promises::{Moment, Promises, Told};
use super::records::Records;
use super::story::Story;
use crate::{Decision, Fact, Plan, RunMachine};

/// Something that is to happen after a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The time limit of an attempt.
    Limit(Duration),
    /// The wait behind it.
    Rest(Duration),
}

/// A machine and everything that is known about it.
pub(super) struct Bench<'p> {
    pub(super) machine: RunMachine,
    /// The model that goes along; without it, what happened is judged now and then from the whole history.
    pub(super) model: Option<Model>,
    pub(super) plan: Arc<Plan>,
    pub(super) config: Pipeline,
    pub(super) records: Records,
    pub(super) layout: Layout,
    pub(super) told: Told,
    /// The tasks that ask for a slot.
    pub(super) waiting: BTreeSet<u32>,
    /// The facts that were told, each with what it means and the attempt that it was about.
    pub(super) facts: Vec<(Fact, Option<Event>)>,
    events: Vec<Event>,
    wanted: Wanted,
    timers: BTreeSet<(u32, u32, Timer)>,
    promises: &'p Promises,
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap()
}

impl<'p> Bench<'p> {
    pub(super) fn new(tasks: &[ModelTask], promises: &'p Promises) -> Self {
        let config = pipeline(tasks);
        let plan = Plan::new(&config, Duration::from_secs(TIMEOUT)).unwrap();
        Self::on(Arc::new(plan), tasks, Wanted::default(), promises)
    }

    /// On a graph some of whose late matrices are known already.
    pub(super) fn on(plan: Arc<Plan>, tasks: &[ModelTask], wanted: Wanted, promises: &'p Promises) -> Self {
        let mut records = Records::new(plan.count(), &wanted);
        records.ids = plan.tasks.iter().map(|task| task.id.clone()).collect();
        let mut layout = Layout::new(tasks);
        let mut known: Vec<_> = plan.groups.iter().filter(|group| !group.fanned.is_empty()).collect();
        known.sort_by_key(|group| group.fanned.start);
        for group in known {
            layout.fan_out(group.own.start as usize);
        }
        let mut bench = Self {
            machine: RunMachine::new(Arc::clone(&plan), &records.run),
            model: Some(Model::new(layout.clone(), wanted.clone())),
            plan,
            config: pipeline(tasks),
            records,
            layout,
            told: Told::default(),
            waiting: BTreeSet::new(),
            facts: Vec::new(),
            events: Vec::new(),
            wanted,
            timers: BTreeSet::new(),
            promises,
        };
        bench.tell(Fact::Held(causes::LIMIT.to_owned()), None);
        bench
    }

    /// The same without the model that goes along, for graphs for which it is too slow.
    pub(super) fn without_model(mut self) -> Self {
        self.model = None;
        self
    }

    /// Tells the machine and the model, and looks at everything.
    pub(super) fn tell(&mut self, fact: Fact, event: Option<Event>) {
        self.witness(&fact);
        let decisions = self.machine.apply(fact.clone());
        self.grow(&fact, &decisions);
        for decision in &decisions {
            self.judge(&fact, Some(decision));
            self.note(decision);
            self.records.write(decision);
        }
        self.events.extend(event);
        self.answer_wishes(&decisions);
        if self.model.is_some() {
            self.compare(&fact, event, &decisions);
        }
        self.facts.push((fact, event));
    }

    fn judge(&self, fact: &Fact, decision: Option<&Decision>) {
        let (records, layout, told) = (&self.records, &self.layout, &self.told);
        self.promises.judge(&Moment { records, layout, told, fact, decision });
    }

    fn witness(&mut self, fact: &Fact) {
        self.told.was_over = self.records.run.state.is_terminal();
        let rests = |task: &u32, attempt: &u32| {
            let record = self.records.tasks.get(task);
            record.is_some_and(|record| {
                let rests = matches!(record.cause, Cause::WaitingForRetry { .. });
                rests && number(record.attempts.len()) == *attempt
            })
        };
        match fact {
            Fact::Slot(task) => drop(self.told.held.insert(*task)),
            Fact::Overdue(task, attempt, _) => drop(self.told.overdue.insert((*task, *attempt))),
            Fact::RunOverdue(_) => self.told.run_overdue = true,
            Fact::Rested(task, attempt) if rests(task, attempt) => {
                self.told.rested.insert((*task, *attempt));
                self.drop_timers(*task, |_| true);
            }
            Fact::PutAway(task, attempt) if rests(task, attempt) => {
                self.told.away.insert((*task, *attempt));
            }
            _ => {}
        }
    }

    fn drop_timers(&mut self, task: u32, which: impl Fn(&Timer) -> bool) {
        let of_task = self.timers.range((task, 0, Timer::Limit(Duration::ZERO))..);
        let of_task = of_task.take_while(|(of, ..)| *of == task);
        let gone: Vec<_> = of_task.filter(|(.., timer)| which(timer)).copied().collect();
        for timer in gone {
            self.timers.remove(&timer);
        }
    }

    /// The graph is a larger one, if the values of a late matrix were taken.
    fn grow(&mut self, fact: &Fact, decisions: &[Decision]) {
        let Fact::FannedOut(task, _, plan) = fact else { return };
        let took = |decision: &Decision| {
            let Decision::Task { cause, .. } = decision else { return false };
            matches!(cause, Cause::FannedOut { .. } | Cause::NothingListed)
        };
        if decisions.iter().any(took) {
            self.plan = Arc::clone(plan);
            self.records.run.tasks = number(plan.count());
            self.records.ids = plan.tasks.iter().map(|task| task.id.clone()).collect();
            self.layout.fan_out(*task as usize);
        }
    }

    /// What a driver would do for this decision.
    fn note(&mut self, decision: &Decision) {
        match decision {
            Decision::Start(task, attempt) => {
                let limit = Timer::Limit(self.plan.group_of(*task).timeout);
                self.timers.insert((*task, *attempt, limit));
            }
            Decision::Rest(task, attempt, wait) => {
                self.timers.insert((*task, *attempt, Timer::Rest(*wait)));
            }
            Decision::Free(task) => {
                assert!(self.told.held.remove(task), "INV-27: a slot that {task} does not have");
                self.drop_timers(*task, |timer| matches!(timer, Timer::Limit(_)));
            }
            Decision::Task { task, state, exit_code, .. } if state.is_terminal() => {
                self.drop_timers(*task, |_| true);
                exit_code.map(|code| self.told.codes.insert(*task, code));
            }
            _ => {}
        }
    }

    /// Wishes for a slot are refused at first, so that the test says when they are granted.
    fn answer_wishes(&mut self, decisions: &[Decision]) {
        for decision in decisions {
            match decision {
                Decision::Want(task) => {
                    self.waiting.insert(*task);
                    let told = self.machine.apply(Fact::NoSlot(*task, causes::LIMIT.to_owned()));
                    told.iter().for_each(|decision| self.records.write(decision));
                }
                Decision::Unwant(task) => drop(self.waiting.remove(task)),
                Decision::Start(task, _) => drop(self.waiting.remove(task)),
                _ => {}
            }
        }
    }

    fn compare(&mut self, fact: &Fact, event: Option<Event>, decisions: &[Decision]) {
        let Some(mut model) = self.model.take() else { return };
        let mut expected = event.map(|event| model.step(event)).unwrap_or_default();
        if let Fact::Slot(task) = fact
            && !expected.iter().any(|ask| matches!(ask, Ask::Start(..)))
        {
            expected.insert(Ask::Free(*task as usize));
        }
        assert_eq!(asks(decisions), expected, "what is to be done behind {fact:?}");
        self.judge(fact, None);
        assert_eq!(self.records.run.state, model.run_state(), "the record of the run");
        assert_eq!(self.machine.state(), model.run_state(), "the run");
        causes::check_run(&model, &self.records);
        for (place, at) in model.places.iter().enumerate() {
            assert_eq!(self.records.state(place), at.state(), "place {place}");
            assert_eq!(self.records.attempt(place), model.attempts[place], "the attempts of place {place}");
            assert_eq!(self.told.held.contains(&number(place)), at.holds_slot(), "INV-27: place {place}");
            causes::check_task(&model, place, &self.records);
        }
        self.promises.count("INV-27");
        assert_eq!(self.timers, timers(&model), "the timers");
        self.check_restart(&model);
        self.model = Some(model);
    }

    /// What a restart finds under way is what the model knows of.
    fn check_restart(&self, model: &Model) {
        let again = self.restored();
        let under_way = asks(&again.under_way());
        let mut expected = BTreeSet::new();
        for (place, at) in model.places.iter().enumerate() {
            let (task, attempt) = (model.layout.task(place), model.attempts[place]);
            match at {
                Place::Ready => drop(expected.insert(Ask::Want(place))),
                Place::Resting { .. } => {
                    expected.insert(Ask::Rest(place, attempt, task.wait(attempt)));
                }
                Place::Asked(why) | Place::Running(why) => {
                    expected.insert(Ask::Start(place, attempt));
                    // what cleans up may have begun behind the wish
                    let kill = model.forced && (!task.cleanup || *why == Some(Why::Cancel));
                    expected.extend(why.map(|_| Ask::Stop(place, attempt, kill)));
                }
                Place::Waiting | Place::Done(_) => {}
            }
        }
        assert_eq!(under_way, expected, "INV-24: what is under way behind a restart");
    }

    /// INV-24: the machine that is rebuilt from records is the machine that wrote them.
    fn restored(&self) -> RunMachine {
        let tasks = self.records.tasks.iter().map(|(task, record)| (*task, record));
        let mut again = RunMachine::restore(&self.plan, &self.records.run, tasks).unwrap();
        for (place, record) in &self.records.tasks {
            // how much of a rest is over is told again
            if matches!(record.cause, Cause::WaitingForRetry { .. }) {
                let attempt = number(record.attempts.len());
                let known = |set: &BTreeSet<(u32, u32)>| set.contains(&(*place, attempt));
                let told = [
                    (known(&self.told.rested), Fact::Rested(*place, attempt)),
                    (known(&self.told.away), Fact::PutAway(*place, attempt)),
                ];
                for (_, fact) in told.into_iter().filter(|(is, _)| *is) {
                    assert!(again.apply(fact).is_empty());
                }
            }
        }
        assert_eq!(again, self.machine);
        self.promises.count("INV-24");
        again
    }

    /// The server dies and comes back.
    pub(super) fn restart(&mut self) {
        self.machine = self.restored();
    }

    /// Judges everything from the whole history.
    pub(super) fn judge_history(&self) {
        let story = Story::of(&self.layout, &self.wanted, &self.events);
        assert_eq!(self.records.run.state, story.run, "the run, by its history");
        for (place, at) in story.places.iter().enumerate() {
            assert_eq!(self.records.state(place), at.state(), "place {place}, by the history");
            assert_eq!(self.records.attempt(place), story.attempts[place], "the attempts of place {place}");
            assert_eq!(self.told.held.contains(&number(place)), at.holds_slot(), "INV-27: place {place}");
            let ready = *at == Place::Ready;
            assert_eq!(self.waiting.contains(&number(place)), ready, "whether place {place} asks for a slot");
            assert_eq!(self.machine.wants_slot(number(place)), ready);
        }
        if let Some(model) = &self.model {
            assert_eq!(model.places, story.places, "the two models");
        } else {
            self.promises.count("INV-27");
            self.judge(&Fact::Held(String::new()), None);
            self.restored();
        }
    }

    /// How everything ended, by the ids of the tasks.
    pub(super) fn ends(&self) -> (RunState, Vec<(String, TaskState)>) {
        let states = self.records.ids.iter().enumerate();
        let mut states: Vec<_> =
            states.map(|(place, id)| (id.to_string(), self.records.state(place))).collect();
        states.sort();
        (self.machine.state(), states)
    }

    pub(super) fn conclude(&self) {
        assert!(self.told.held.is_empty(), "INV-27: nothing is held at the end");
        assert!(self.timers.is_empty() && self.waiting.is_empty(), "nothing is waited for at the end");
        self.promises.count("INV-30");
        self.judge_history();
    }
}

/// What is to be done, without what is taken back at once.
fn asks(decisions: &[Decision]) -> BTreeSet<Ask> {
    let mut asks = BTreeSet::new();
    for decision in decisions {
        let ask = match decision {
            Decision::Want(task) => Ask::Want(*task as usize),
            Decision::Unwant(task) if asks.remove(&Ask::Want(*task as usize)) => continue,
            Decision::Unwant(task) => Ask::Unwant(*task as usize),
            Decision::Free(task) => Ask::Free(*task as usize),
            Decision::Start(task, attempt) => Ask::Start(*task as usize, *attempt),
            Decision::Stop(task, attempt, kill) => Ask::Stop(*task as usize, *attempt, *kill),
            Decision::Rest(task, attempt, wait) => Ask::Rest(*task as usize, *attempt, wait.as_secs()),
            Decision::Run(..) | Decision::Cancel(_) | Decision::Task { .. } => continue,
        };
        assert!(asks.insert(ask), "{ask:?} twice in one step");
    }
    asks
}

/// The timers that the model knows of.
fn timers(model: &Model) -> BTreeSet<(u32, u32, Timer)> {
    let of = |(place, at): (usize, &Place)| {
        let attempt = model.attempts[place];
        let timer = match at {
            Place::Asked(_) | Place::Running(_) => Timer::Limit(causes::limit(model, place)),
            Place::Resting { rested: false, .. } => {
                Timer::Rest(Duration::from_secs(model.layout.task(place).wait(attempt)))
            }
            _ => return None,
        };
        Some((number(place), attempt, timer))
    };
    model.places.iter().enumerate().filter_map(of).collect()
}
