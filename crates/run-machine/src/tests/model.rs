//! An independent model of a run, written from the rules and not from the machine: every step computes everything anew.
//!
//! It shares only nouns with the machine.

use std::collections::BTreeSet;

use gofer_types::{Condition, RunState, TaskState};

use super::graphs::{Layout, ModelTask, Wanted};
use super::rules::{end, holds, run_state, tried_again};

/// Why we end something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Cancel,
    Deadline,
    RunDeadline,
}

/// How an attempt ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Zero,
    Other,
    Busy,
    Signal,
    Memory,
    NotKept,
    Lost,
    CannotStart,
    NeverRan,
    Approved,
    Rejected,
    ChildCancelled,
    ChildErrored,
    ChildTimedOut,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Waiting,
    Ready,
    Asked(Option<Why>),
    Running(Option<Why>),
    Resting { rested: bool, away: bool },
    Done(TaskState),
}

/// Why a task ended, or rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Because {
    NotChosen,
    Reused,
    Parents,
    NotStartable,
    Itself(Outcome),
    Ours(Why),
    Became(usize),
}

/// What happens to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Admitted,
    Slot(usize),
    NotStartable(usize),
    Waits(usize),
    Started(usize),
    Over(usize, Outcome),
    OverInTime(usize, Outcome),
    FannedOut(usize),
    PutAway(usize),
    Rested(usize),
    Deadline(usize),
    RunDeadline,
    Cancel { force: bool },
}

/// What is to be done because of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    Want(usize),
    Unwant(usize),
    Free(usize),
    Start(usize, u32),
    Stop(usize, u32, bool),
    /// With the seconds of the wait.
    Rest(usize, u32, u64),
}

/// The whole run.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) layout: Layout,
    wanted: Wanted,
    pub(super) places: Vec<Place>,
    pub(super) because: Vec<Option<Because>>,
    pub(super) attempts: Vec<u32>,
    pub(super) fetching: Vec<bool>,
    pub(super) admitted: bool,
    pub(super) cancelled: bool,
    pub(super) forced: bool,
    pub(super) late: bool,
}

impl Place {
    pub(super) fn holds_slot(self) -> bool {
        matches!(self, Self::Asked(_) | Self::Running(_))
    }

    pub(super) fn state(self) -> TaskState {
        match self {
            Self::Waiting => TaskState::Waiting,
            Self::Ready | Self::Asked(_) | Self::Resting { .. } => TaskState::Pending,
            Self::Running(_) => TaskState::Running,
            Self::Done(state) => state,
        }
    }

    fn why(self) -> Option<Why> {
        match self {
            Self::Asked(why) | Self::Running(why) => why,
            _ => None,
        }
    }
}

impl Model {
    pub(super) fn new(layout: Layout, wanted: Wanted) -> Self {
        let count = layout.of.len();
        Self {
            layout,
            wanted,
            places: vec![Place::Waiting; count],
            because: vec![None; count],
            attempts: vec![0; count],
            fetching: vec![false; count],
            admitted: false,
            cancelled: false,
            forced: false,
            late: false,
        }
    }

    fn task(&self, place: usize) -> &ModelTask {
        self.layout.task(place)
    }

    /// Takes an event in, and answers what is to be done.
    pub(super) fn step(&mut self, event: Event) -> BTreeSet<Ask> {
        if self.run_state().is_terminal() {
            return BTreeSet::new();
        }
        let before = self.places.clone();
        match event {
            Event::Admitted => self.admitted = true,
            Event::RunDeadline => {
                if self.admitted && !self.cancelled && !self.late {
                    self.late = true;
                    self.stop_all(Why::RunDeadline, false);
                }
            }
            Event::Cancel { force } => {
                // to be forced once more means those that have begun since
                if !self.cancelled || force {
                    self.forced |= force;
                    self.cancelled = true;
                    self.stop_all(Why::Cancel, force);
                }
            }
            of_task => self.step_task(of_task),
        }
        self.settle();
        self.asks(&before, event)
    }

    fn step_task(&mut self, event: Event) {
        match event {
            Event::Slot(task) if self.places[task] == Place::Ready => {
                self.attempts[task] += 1;
                self.fetching[task] = false;
                self.places[task] = Place::Asked(None);
            }
            Event::NotStartable(task) if self.places[task] == Place::Ready => {
                self.done(task, TaskState::Errored, Because::NotStartable);
            }
            Event::Waits(task) => self.fetching[task] |= self.places[task] == Place::Asked(None),
            Event::Started(task) => {
                if let Place::Asked(why) = self.places[task] {
                    self.places[task] = Place::Running(why);
                }
            }
            Event::Over(task, outcome) => {
                if let Place::Asked(why) | Place::Running(why) = self.places[task] {
                    self.over(task, outcome, why);
                }
            }
            Event::OverInTime(task, outcome) => {
                if let Place::Asked(why) | Place::Running(why) = self.places[task] {
                    self.over(task, outcome, why.filter(|why| *why != Why::Deadline));
                }
            }
            Event::FannedOut(task) => self.fanned_out(task),
            Event::PutAway(task) => self.rest(task, |_, away| *away = true),
            Event::Rested(task) => self.rest(task, |rested, _| *rested = true),
            Event::Deadline(task) => self.stop(task, Why::Deadline),
            _ => {}
        }
    }

    fn done(&mut self, place: usize, state: TaskState, because: Because) {
        self.places[place] = Place::Done(state);
        self.because[place] = Some(because);
    }

    fn fanned_out(&mut self, task: usize) {
        match self.places[task] {
            Place::Asked(None) | Place::Running(None) => {
                let becomes = self.task(task).becomes.unwrap_or(0);
                let state = if becomes > 0 { TaskState::Succeeded } else { TaskState::Skipped };
                self.done(task, state, Because::Became(becomes));
                for _ in 0..self.layout.fan_out(task) {
                    self.places.push(Place::Waiting);
                    self.because.push(None);
                    self.attempts.push(0);
                    self.fetching.push(false);
                }
            }
            Place::Asked(why) | Place::Running(why) => self.over(task, Outcome::CannotStart, why),
            _ => {}
        }
    }

    /// What follows an attempt that ended like this.
    fn over(&mut self, place: usize, outcome: Outcome, why: Option<Why>) {
        let (state, task) = (end(outcome, why), self.layout.task(place));
        let ours = matches!(why, Some(Why::Cancel | Why::RunDeadline));
        let ending = (self.cancelled || self.late) && !task.cleanup;
        let again = tried_again(task, state, outcome) && self.attempts[place] < task.attempts;
        let because = match why {
            Some(why) if outcome != Outcome::Lost => Because::Ours(why),
            _ => Because::Itself(outcome),
        };
        self.done(place, state, because);
        if again && !ours && !ending {
            self.places[place] = Place::Resting { rested: false, away: false };
        }
    }

    fn rest(&mut self, task: usize, come: impl Fn(&mut bool, &mut bool)) {
        if let Place::Resting { rested, away } = &mut self.places[task] {
            come(rested, away);
            if *rested && *away {
                self.places[task] = Place::Ready;
            }
        }
    }

    fn stop(&mut self, task: usize, why: Why) {
        match &mut self.places[task] {
            Place::Asked(stop) | Place::Running(stop) => *stop = stop.or(Some(why)),
            _ => {}
        }
    }

    fn stop_all(&mut self, why: Why, force: bool) {
        for place in 0..self.places.len() {
            let begun = self.attempts[place] > 0;
            if self.task(place).cleanup && !force {
                continue;
            }
            self.stop(place, why);
            // what cleans up and has begun does not go on once all is to end at once
            if begun && matches!(self.places[place], Place::Ready | Place::Resting { .. }) {
                self.wound_down(place, why);
            }
        }
    }

    fn wound_down(&mut self, place: usize, why: Why) {
        let state = if why == Why::Cancel { TaskState::Cancelled } else { TaskState::TimedOut };
        self.done(place, state, Because::Ours(why));
    }

    /// Applies the rules again and again until none applies.
    fn settle(&mut self) {
        loop {
            let before = self.places.clone();
            for task in 0..self.places.len() {
                self.settle_one(task);
            }
            if self.places == before {
                return;
            }
        }
    }

    fn settle_one(&mut self, task: usize) {
        let place = self.places[task];
        let waits = place == Place::Waiting && self.admitted;
        if waits && self.wanted.leaves_out(self.layout.read_by[task].unwrap_or(task)) {
            return self.done(task, TaskState::Skipped, Because::NotChosen);
        }
        if waits && self.wanted.reused.contains(&task) {
            return self.done(task, TaskState::Succeeded, Because::Reused);
        }
        let spared = self.task(task).cleanup && self.admitted;
        let idle = matches!(place, Place::Waiting | Place::Ready | Place::Resting { .. });
        if idle && (self.cancelled || self.late) && !spared {
            // what was cancelled after it was late was ended by the lateness already
            let why = if self.cancelled { Why::Cancel } else { Why::RunDeadline };
            return self.wound_down(task, why);
        }
        if !waits {
            return;
        }
        let ends = self.ends_asked(task);
        if ends.iter().any(|(condition, end)| end.is_some_and(|end| !holds(*condition, end))) {
            self.done(task, TaskState::Skipped, Because::Parents);
        } else if ends.iter().all(|(_, end)| end.is_some()) {
            self.places[task] = Place::Ready;
        }
    }

    /// What is asked of the parents of a place, and how each of them ended.
    pub(super) fn ends_asked(&self, task: usize) -> Vec<(Condition, Option<TaskState>)> {
        let parents = self.task(task).parents.iter();
        parents
            .flat_map(|(parent, condition)| {
                let places = (0..self.places.len()).filter(move |place| self.layout.of[*place] == *parent);
                places.map(|place| match self.places[place] {
                    // nobody asks for the end of what has become others
                    Place::Done(TaskState::Succeeded) if self.layout.read_by.contains(&Some(place)) => {
                        (Condition::Always, Some(TaskState::Succeeded))
                    }
                    Place::Done(state) => (*condition, Some(state)),
                    _ => (*condition, None),
                })
            })
            .collect()
    }

    /// What is to be done: what is different now.
    fn asks(&self, before: &[Place], event: Event) -> BTreeSet<Ask> {
        let mut asks = BTreeSet::new();
        let kills = event == Event::Cancel { force: true };
        for (place, now) in self.places.iter().copied().enumerate() {
            let was = before.get(place).copied().unwrap_or(Place::Waiting);
            let attempt = self.attempts[place];
            let started = was == Place::Ready && now.holds_slot();
            let both = [
                (was != Place::Ready && now == Place::Ready, Ask::Want(place)),
                (was == Place::Ready && now != Place::Ready && !started, Ask::Unwant(place)),
                (was.holds_slot() && !now.holds_slot(), Ask::Free(place)),
                (started, Ask::Start(place, attempt)),
                (
                    now.holds_slot() && (kills || (was.why().is_none() && now.why().is_some())),
                    Ask::Stop(place, attempt, kills),
                ),
                (
                    was.holds_slot() && matches!(now, Place::Resting { .. }),
                    Ask::Rest(place, attempt, self.task(place).wait(attempt)),
                ),
            ];
            asks.extend(both.into_iter().filter(|(is, _)| *is).map(|(_, ask)| ask));
        }
        asks
    }

    pub(super) fn run_state(&self) -> RunState {
        run_state(&self.places, &self.layout, (self.admitted, self.cancelled, self.late))
    }
}
