//! An independent model of a run, written from the rules and not from the machine: every step computes everything anew.

use gofer_types::{Condition, RunState, TaskState};

/// A task of the model.
#[derive(Debug, Clone)]
pub(super) struct ModelTask {
    pub(super) parents: Vec<(usize, Condition)>,
    pub(super) allow_failure: bool,
    pub(super) cleanup: bool,
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
    Deadline(usize),
    RunDeadline,
    Cancel { force: bool },
}

/// The whole run.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) tasks: Vec<ModelTask>,
    pub(super) places: Vec<Place>,
    pub(super) admitted: bool,
    pub(super) cancelled: bool,
    forced: bool,
    late: bool,
}

impl Model {
    pub(super) fn new(tasks: Vec<ModelTask>) -> Self {
        let places = vec![Place::Waiting; tasks.len()];
        Self { tasks, places, admitted: false, cancelled: false, forced: false, late: false }
    }

    pub(super) fn step(&mut self, event: Event) {
        if self.run_state().is_terminal() {
            return;
        }
        match event {
            Event::Admitted => self.admitted = true,
            Event::Slot(task) => self.move_on(task, &[Place::Ready], Place::Asked(None)),
            Event::NotStartable(task) => self.move_on(task, &[Place::Ready], Place::Done(TaskState::Errored)),
            Event::Started(task) => {
                if let Place::Asked(why) = self.places[task] {
                    self.places[task] = Place::Running(why);
                }
            }
            Event::Over(task, outcome) => {
                if let Place::Asked(why) | Place::Running(why) = self.places[task] {
                    self.places[task] = Place::Done(end(outcome, why));
                }
            }
            Event::Deadline(task) => self.stop(task, Why::Deadline),
            Event::RunDeadline => {
                if self.admitted && !self.cancelled && !self.late {
                    self.late = true;
                    self.stop_all(Why::RunDeadline, false);
                }
            }
            Event::Cancel { force } => {
                if !self.cancelled || (force && !self.forced) {
                    self.forced |= force;
                    self.cancelled = true;
                    self.stop_all(Why::Cancel, force);
                }
            }
        }
        self.settle();
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
        for task in 0..self.tasks.len() {
            if !self.tasks[task].cleanup || force {
                self.stop(task, why);
            }
        }
    }

    /// Applies the rules again and again until none applies.
    fn settle(&mut self) {
        loop {
            let before = self.places.clone();
            for task in 0..self.tasks.len() {
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
        let spared = self.tasks[task].cleanup && self.admitted;
        if matches!(place, Place::Waiting | Place::Ready) && (self.cancelled || self.late) && !spared {
            // what was cancelled after it was late was ended by the lateness already
            let why = if self.cancelled { TaskState::Cancelled } else { TaskState::TimedOut };
            return Place::Done(why);
        }
        if place != Place::Waiting || !self.admitted {
            return place;
        }
        let ends: Vec<(Condition, Option<TaskState>)> = self.tasks[task]
            .parents
            .iter()
            .map(|(parent, condition)| match self.places[*parent] {
                Place::Done(state) => (*condition, Some(state)),
                _ => (*condition, None),
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
            Place::Ready | Place::Asked(_) => TaskState::Pending,
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
            ends.iter()
                .zip(&self.tasks)
                .any(|(end, task)| states.contains(end) && !(excused && task.allow_failure))
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
