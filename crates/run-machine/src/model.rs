//! An independent model of a run, written from the rules and not from the machine: every step computes everything anew.

use gofer_types::{Condition, RunState, TaskState};

/// A task of the pipeline file, as the model knows it.
#[derive(Debug, Clone, Default)]
pub(super) struct ModelTask {
    pub(super) parents: Vec<(usize, Condition)>,
    pub(super) allow_failure: bool,
    pub(super) cleanup: bool,
    /// How many tasks it stands for.
    pub(super) instances: usize,
    /// How many tasks it becomes once its values are read, if they are read late.
    pub(super) becomes: Option<usize>,
    /// How many attempts there may be.
    pub(super) attempts: u32,
    /// The ends that are tried again.
    pub(super) on: Vec<TaskState>,
}

/// What a run was asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// The places that it is for; empty means all.
    pub(super) chosen: Vec<usize>,
    /// The places whose results it takes over.
    pub(super) reused: Vec<usize>,
}

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
    Signal,
    Memory,
    Lost,
    CannotStart,
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

/// What happens to a run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    Admitted,
    Slot(usize),
    NotStartable(usize),
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

/// The whole run.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) tasks: Vec<ModelTask>,
    wanted: Wanted,
    /// The task of the file that each place belongs to.
    pub(super) of: Vec<usize>,
    /// The place that read the values that each place is one of, if they were read late.
    pub(super) read_by: Vec<Option<usize>>,
    pub(super) places: Vec<Place>,
    attempts: Vec<u32>,
    pub(super) admitted: bool,
    pub(super) cancelled: bool,
    forced: bool,
    late: bool,
}

impl Model {
    pub(super) fn new(tasks: Vec<ModelTask>, wanted: Wanted) -> Self {
        let of: Vec<usize> =
            tasks.iter().enumerate().flat_map(|(at, task)| vec![at; task.instances]).collect();
        let (places, attempts) = (vec![Place::Waiting; of.len()], vec![0; of.len()]);
        let (admitted, cancelled, forced, late) = (false, false, false, false);
        let read_by = vec![None; of.len()];
        Self { tasks, wanted, of, read_by, places, attempts, admitted, cancelled, forced, late }
    }

    /// The place becomes that many more.
    pub(super) fn fan_out(&mut self, place: usize) {
        for _ in 0..self.task(place).becomes.unwrap_or(0) {
            self.of.push(self.of[place]);
            self.read_by.push(Some(place));
            self.places.push(Place::Waiting);
            self.attempts.push(0);
        }
    }

    /// Whether the place reads values late, and has not become anything.
    pub(super) fn reads_values(&self, place: usize) -> bool {
        self.task(place).becomes.is_some() && self.read_by[place].is_none()
    }

    pub(super) fn task(&self, place: usize) -> &ModelTask {
        &self.tasks[self.of[place]]
    }

    pub(super) fn step(&mut self, event: Event) {
        if self.run_state().is_terminal() {
            return;
        }
        match event {
            Event::Admitted => self.admitted = true,
            Event::Slot(task) => {
                self.attempts[task] += u32::from(self.places[task] == Place::Ready);
                self.move_on(task, &[Place::Ready], Place::Asked(None));
            }
            Event::NotStartable(task) => self.move_on(task, &[Place::Ready], Place::Done(TaskState::Errored)),
            Event::Started(task) => {
                if let Place::Asked(why) = self.places[task] {
                    self.places[task] = Place::Running(why);
                }
            }
            Event::Over(task, outcome) => {
                if let Place::Asked(why) | Place::Running(why) = self.places[task] {
                    self.places[task] = self.after(task, end(outcome, why), why);
                }
            }
            Event::OverInTime(task, outcome) => {
                if let Place::Asked(why) | Place::Running(why) = self.places[task] {
                    let why = why.filter(|why| *why != Why::Deadline);
                    self.places[task] = self.after(task, end(outcome, why), why);
                }
            }
            Event::FannedOut(task) => self.fanned_out(task),
            Event::PutAway(task) => self.rest(task, |_, away| *away = true),
            Event::Rested(task) => self.rest(task, |rested, _| *rested = true),
            Event::Deadline(task) => self.stop(task, Why::Deadline),
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
        }
        self.settle();
    }

    fn fanned_out(&mut self, task: usize) {
        match self.places[task] {
            Place::Asked(None) | Place::Running(None) => {
                let some = self.task(task).becomes != Some(0);
                self.places[task] = Place::Done(if some { TaskState::Succeeded } else { TaskState::Skipped });
                self.fan_out(task);
            }
            Place::Asked(why) | Place::Running(why) => {
                self.places[task] = self.after(task, end(Outcome::CannotStart, why), why);
            }
            _ => {}
        }
    }

    /// What follows an attempt that ended like this.
    fn after(&self, place: usize, state: TaskState, why: Option<Why>) -> Place {
        let task = self.task(place);
        let ours = matches!(why, Some(Why::Cancel | Why::RunDeadline));
        let ending = (self.cancelled || self.late) && !task.cleanup;
        if task.on.contains(&state) && self.attempts[place] < task.attempts && !ours && !ending {
            Place::Resting { rested: false, away: false }
        } else {
            Place::Done(state)
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

    fn move_on(&mut self, task: usize, from: &[Place], to: Place) {
        if from.contains(&self.places[task]) {
            self.places[task] = to;
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
                let late = if why == Why::Cancel { TaskState::Cancelled } else { TaskState::TimedOut };
                self.places[place] = Place::Done(late);
            }
        }
    }

    /// Applies the rules again and again until none applies.
    fn settle(&mut self) {
        loop {
            let before = self.places.clone();
            for task in 0..self.places.len() {
                let place = self.settled(task);
                self.places[task] = place;
            }
            if self.places == before {
                return;
            }
        }
    }

    fn settled(&self, task: usize) -> Place {
        let place = self.places[task];
        let spared = self.task(task).cleanup && self.admitted;
        let idle = matches!(place, Place::Waiting | Place::Ready | Place::Resting { .. });
        if place == Place::Waiting && self.admitted {
            let named = self.read_by[task].unwrap_or(task);
            if !self.wanted.chosen.is_empty() && !self.wanted.chosen.contains(&named) {
                return Place::Done(TaskState::Skipped);
            }
            if self.wanted.reused.contains(&task) {
                return Place::Done(TaskState::Succeeded);
            }
        }
        if idle && (self.cancelled || self.late) && !spared {
            // what was cancelled after it was late was ended by the lateness already
            let why = if self.cancelled { TaskState::Cancelled } else { TaskState::TimedOut };
            return Place::Done(why);
        }
        if place != Place::Waiting || !self.admitted {
            return place;
        }
        let parents = self.task(task).parents.iter();
        let ends: Vec<(Condition, Option<TaskState>)> = parents
            .flat_map(|(parent, condition)| {
                let places = (0..self.places.len()).filter(move |place| self.of[*place] == *parent);
                places.map(|place| match self.places[place] {
                    // nobody asks for the end of what has become others
                    Place::Done(TaskState::Succeeded) if self.read_by.contains(&Some(place)) => {
                        (Condition::Always, Some(TaskState::Succeeded))
                    }
                    Place::Done(state) => (*condition, Some(state)),
                    _ => (*condition, None),
                })
            })
            .collect();
        if ends.iter().any(|(condition, end)| end.is_some_and(|end| !condition.holds(end))) {
            return Place::Done(TaskState::Skipped);
        }
        if ends.iter().all(|(_, end)| end.is_some()) { Place::Ready } else { Place::Waiting }
    }

    pub(super) fn task_state(&self, task: usize) -> TaskState {
        match self.places[task] {
            Place::Waiting => TaskState::Waiting,
            Place::Ready | Place::Asked(_) | Place::Resting { .. } => TaskState::Pending,
            Place::Running(_) => TaskState::Running,
            Place::Done(state) => state,
        }
    }

    pub(super) fn run_state(&self) -> RunState {
        let ends: Option<Vec<TaskState>> = self
            .places
            .iter()
            .map(|place| match place {
                Place::Done(state) => Some(*state),
                _ => None,
            })
            .collect();
        let Some(ends) = ends else {
            return if self.admitted { RunState::Running } else { RunState::Queued };
        };
        let any = |states: &[TaskState], excused: bool| {
            let excuses = |place: usize| excused && self.task(place).allow_failure;
            ends.iter().enumerate().any(|(place, end)| states.contains(end) && !excuses(place))
        };
        if self.cancelled {
            RunState::Cancelled
        } else if self.late {
            RunState::TimedOut
        } else if any(&[TaskState::Failed, TaskState::TimedOut], true) {
            RunState::Failed
        } else if any(&[TaskState::Errored, TaskState::Lost], false) {
            RunState::Errored
        } else {
            RunState::Succeeded
        }
    }
}

fn end(outcome: Outcome, why: Option<Why>) -> TaskState {
    match (outcome, why) {
        (Outcome::Lost, _) => TaskState::Lost,
        (_, Some(Why::Cancel)) => TaskState::Cancelled,
        (_, Some(Why::Deadline | Why::RunDeadline)) => TaskState::TimedOut,
        (Outcome::Zero, None) => TaskState::Succeeded,
        (Outcome::Other | Outcome::Signal | Outcome::Memory, None) => TaskState::Failed,
        (Outcome::CannotStart, None) => TaskState::Errored,
    }
}
