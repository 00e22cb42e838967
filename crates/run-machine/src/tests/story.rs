//! A second model of a run: not step by step but task by task, from the whole history.
//!
//! What becomes of a task follows from when its parents ended, from what was told about itself, and from what was told about
//! the run. So each task is gone through once, parents first, and nothing is computed twice: it judges graphs of ten thousand
//! tasks, for which the other model is too slow. On small graphs the two models judge each other.

use gofer_types::{RunState, TaskState};

use super::graphs::{Layout, Wanted};
use super::model::{Event, Outcome, Place, Why};
use super::rules::{end, holds, run_state, tried_again};

/// What was told, and when: the times are positions in the history, from 1.
struct Told {
    admitted: Option<usize>,
    cancels: Vec<(usize, bool)>,
    late: Option<usize>,
    /// Of each place.
    own: Vec<Vec<(usize, Event)>>,
}

/// How everything stands at the end of a history.
pub(super) struct Story {
    pub(super) places: Vec<Place>,
    pub(super) attempts: Vec<u32>,
    pub(super) run: RunState,
}

/// One place while it is gone through.
struct Walk {
    place: Place,
    attempt: u32,
    ended: Option<usize>,
}

struct Judge<'a> {
    layout: &'a Layout,
    wanted: &'a Wanted,
    told: Told,
    /// Since when each place is there.
    since: Vec<usize>,
    walks: Vec<Walk>,
}

impl Story {
    /// Of a layout as it is at the end of the history.
    pub(super) fn of(layout: &Layout, wanted: &Wanted, history: &[Event]) -> Self {
        let told = Told::read(layout.of.len(), history);
        let walks = (0..layout.of.len()).map(|_| Walk { place: Place::Waiting, attempt: 0, ended: None });
        let mut judge =
            Judge { layout, wanted, told, since: vec![0; layout.of.len()], walks: walks.collect() };
        // a task of the file stands behind those that it depends on
        for task in 0..layout.tasks.len() {
            for at in 0..layout.places_of[task].len() {
                judge.go_through(layout.places_of[task][at]);
            }
        }
        judge.conclude()
    }
}

impl Told {
    fn read(places: usize, history: &[Event]) -> Self {
        let mut told =
            Self { admitted: None, cancels: Vec::new(), late: None, own: vec![Vec::new(); places] };
        for (at, event) in (1..).zip(history.iter().copied()) {
            match event {
                Event::Admitted => told.admitted = told.admitted.or(Some(at)),
                Event::Cancel { force } => told.cancels.push((at, force)),
                Event::RunDeadline if told.admitted.is_some() && told.cancels.is_empty() => {
                    told.late = told.late.or(Some(at));
                }
                Event::RunDeadline => {}
                Event::Slot(place)
                | Event::NotStartable(place)
                | Event::Waits(place)
                | Event::Started(place)
                | Event::Over(place, _)
                | Event::OverInTime(place, _)
                | Event::FannedOut(place)
                | Event::PutAway(place)
                | Event::Rested(place)
                | Event::Deadline(place) => told.own[place].push((at, event)),
            }
        }
        told
    }

    /// Since when the run is to end, and why, as it is known at a time.
    fn ending(&self, at: usize) -> Option<(usize, Why)> {
        let cancel = self.cancels.first().map(|(at, _)| (*at, Why::Cancel)).filter(|(when, _)| *when <= at);
        let late = self.late.map(|at| (at, Why::RunDeadline)).filter(|(when, _)| *when <= at);
        let first = cancel.into_iter().chain(late).map(|(when, _)| when).min()?;
        Some((first, cancel.or(late)?.1))
    }
}

impl Judge<'_> {
    fn go_through(&mut self, place: usize) {
        let Some(admitted) = self.told.admitted else {
            // nothing but a wish ends what is not admitted
            if let Some((at, _)) = self.told.cancels.first() {
                self.finish(place, *at, TaskState::Cancelled);
            }
            return;
        };
        let cleanup = self.layout.task(place).cleanup;
        if let Some((at, _)) = self.told.cancels.first().filter(|(at, _)| *at < admitted) {
            return self.finish(place, *at, TaskState::Cancelled);
        }
        let from = admitted.max(self.since[place]);
        if self.wanted.leaves_out(self.layout.read_by[place].unwrap_or(place)) {
            return self.finish(place, from, TaskState::Skipped);
        }
        if self.wanted.reused.contains(&place) {
            return self.finish(place, from, TaskState::Succeeded);
        }
        let (decided, is_skipped) =
            self.parents(place).map_or((usize::MAX, false), |(at, skipped)| (at.max(from), skipped));
        let ends = if cleanup { None } else { self.told.ending(usize::MAX).map(|(at, _)| at.max(from)) };
        if let Some(at) = ends.filter(|at| *at <= decided) {
            let state = self.wound_down(at);
            return self.finish(place, at, state);
        }
        if is_skipped {
            return self.finish(place, decided, TaskState::Skipped);
        }
        if decided < usize::MAX {
            self.walks[place].place = Place::Ready;
            self.walk(place, decided);
        }
    }

    /// When the parents decide about a place, and whether against it.
    fn parents(&self, place: usize) -> Option<(usize, bool)> {
        let (mut against, mut last) = (None, Some(0));
        for (parent, condition) in &self.layout.task(place).parents {
            for at in &self.layout.places_of[*parent] {
                let walk = &self.walks[*at];
                last = last.zip(walk.ended).map(|(last, ended): (usize, usize)| last.max(ended));
                let (Place::Done(state), Some(ended)) = (walk.place, walk.ended) else { continue };
                let asked = !(state == TaskState::Succeeded && self.layout.became[*at]);
                if asked && !holds(*condition, state) {
                    against = Some(against.map_or(ended, |known: usize| known.min(ended)));
                }
            }
        }
        against.map(|at| (at, true)).or(last.map(|at| (at, false)))
    }

    fn wound_down(&self, at: usize) -> TaskState {
        match self.told.ending(at) {
            Some((_, Why::Cancel)) => TaskState::Cancelled,
            _ => TaskState::TimedOut,
        }
    }

    fn finish(&mut self, place: usize, at: usize, state: TaskState) {
        self.walks[place].place = Place::Done(state);
        self.walks[place].ended = Some(at);
    }

    /// A place that became ready at a time, through all that was told behind it.
    fn walk(&mut self, place: usize, from: usize) {
        let own = self.told.own[place].clone();
        let run = self.told.cancels.iter().map(|(at, force)| (*at, Event::Cancel { force: *force }));
        let run: Vec<_> = run.chain(self.told.late.map(|at| (at, Event::RunDeadline))).collect();
        let mut all: Vec<_> = own.into_iter().chain(run).filter(|(at, _)| *at > from).collect();
        all.sort_by_key(|(at, _)| *at);
        for (at, event) in all {
            match event {
                Event::Cancel { force } => self.end_it(place, at, (Why::Cancel, force)),
                Event::RunDeadline => self.end_it(place, at, (Why::RunDeadline, false)),
                of_task => self.take(place, at, of_task),
            }
            if self.walks[place].ended.is_some() {
                return;
            }
        }
    }

    fn end_it(&mut self, place: usize, at: usize, (why, force): (Why, bool)) {
        let cleanup = self.layout.task(place).cleanup;
        if cleanup && !(force && self.walks[place].attempt > 0) {
            return;
        }
        match &mut self.walks[place].place {
            Place::Asked(stop) | Place::Running(stop) => *stop = stop.or(Some(why)),
            _ => {
                let state = if why == Why::Cancel { TaskState::Cancelled } else { TaskState::TimedOut };
                self.finish(place, at, state);
            }
        }
    }

    fn take(&mut self, place: usize, at: usize, event: Event) {
        let walk = &mut self.walks[place];
        match (event, walk.place) {
            (Event::Slot(_), Place::Ready) => {
                walk.attempt += 1;
                walk.place = Place::Asked(None);
            }
            (Event::NotStartable(_), Place::Ready) => self.finish(place, at, TaskState::Errored),
            (Event::Started(_), Place::Asked(why)) => walk.place = Place::Running(why),
            (Event::Deadline(_), Place::Asked(None)) => walk.place = Place::Asked(Some(Why::Deadline)),
            (Event::Deadline(_), Place::Running(None)) => walk.place = Place::Running(Some(Why::Deadline)),
            (Event::Rested(_), Place::Resting { away: true, .. })
            | (Event::PutAway(_), Place::Resting { rested: true, .. }) => walk.place = Place::Ready,
            (Event::Rested(_), Place::Resting { .. }) => {
                walk.place = Place::Resting { rested: true, away: false };
            }
            (Event::PutAway(_), Place::Resting { .. }) => {
                walk.place = Place::Resting { rested: false, away: true };
            }
            (Event::Over(_, outcome), Place::Asked(why) | Place::Running(why)) => {
                self.over(place, at, (outcome, why));
            }
            (Event::OverInTime(_, outcome), Place::Asked(why) | Place::Running(why)) => {
                self.over(place, at, (outcome, why.filter(|why| *why != Why::Deadline)));
            }
            (Event::FannedOut(_), Place::Asked(None) | Place::Running(None)) => {
                let some = self.layout.task(place).becomes != Some(0);
                self.finish(place, at, if some { TaskState::Succeeded } else { TaskState::Skipped });
                let made = (0..self.since.len()).filter(|made| self.layout.read_by[*made] == Some(place));
                made.collect::<Vec<_>>().into_iter().for_each(|made| self.since[made] = at);
            }
            (Event::FannedOut(_), Place::Asked(why) | Place::Running(why)) => {
                self.over(place, at, (Outcome::CannotStart, why));
            }
            _ => {}
        }
    }

    fn over(&mut self, place: usize, at: usize, (outcome, why): (Outcome, Option<Why>)) {
        let (state, task) = (end(outcome, why), self.layout.task(place));
        let unwanted = matches!(why, Some(Why::Cancel | Why::RunDeadline));
        let winds_down = self.told.ending(at).is_some() && !task.cleanup;
        let left = self.walks[place].attempt < task.attempts;
        if left && tried_again(task, state, outcome) && !unwanted && !winds_down {
            self.walks[place].place = Place::Resting { rested: false, away: false };
        } else {
            self.finish(place, at, state);
        }
    }

    /// A wish or a time limit counts only while something has not ended.
    fn conclude(self) -> Story {
        let over = self.walks.iter().map(|walk| walk.ended).collect::<Option<Vec<_>>>();
        let over = over.and_then(|ends| ends.into_iter().max()).unwrap_or(usize::MAX);
        let cancelled = self.told.cancels.first().is_some_and(|(at, _)| *at <= over);
        let late = self.told.late.is_some_and(|at| at <= over);
        let places: Vec<Place> = self.walks.iter().map(|walk| walk.place).collect();
        let run = run_state(&places, self.layout, (self.told.admitted.is_some(), cancelled, late));
        Story { places, attempts: self.walks.iter().map(|walk| walk.attempt).collect(), run }
    }
}
