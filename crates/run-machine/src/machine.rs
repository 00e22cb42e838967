//! The state machine of one run.
//!
//! A fact that no longer fits (a late exit, a second cancel, a slot for a task that is over) changes nothing, so that
//! facts may be repeated at will. Ends are final.

use std::sync::Arc;
use std::time::Duration;

use gofer_types::record::CancelRequest;
use gofer_types::{Cause, RetryOf, RunRecord, RunState, TaskSet, TaskState};

use crate::ending::end_by;
use crate::facts::{Decision, Fact};
use crate::plan::Plan;

/// Where a task stands, as far as the machine needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A parent has not ended, or the run may not run yet.
    Waiting,
    /// It asks for a slot.
    Asking,
    /// It waits until it may ask again: for its backoff, and until the former attempt is put away.
    Resting { rested: bool, away: bool },
    /// Its attempt is asked for.
    Asked,
    /// Its attempt runs.
    Running,
    /// It is over.
    Ended(TaskState),
}

/// One task.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) phase: Phase,
    /// The number of its newest attempt; 0 before the first.
    pub(crate) attempt: u32,
    /// Why it is being stopped, if it is.
    pub(crate) stop: Option<Cause>,
}

/// What a group waits for, and what others wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gate {
    /// How many of its tasks have not ended.
    pub(crate) open: u32,
    /// How many of its parent groups have not ended.
    pub(crate) waits: u32,
}

/// What is certain of a run before it begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Presets {
    chosen: Option<TaskSet>,
    retry: Option<RetryOf>,
}

/// An end that is on its way into the machine: the task, its state, why, and the exit code.
pub(crate) type End = (u32, TaskState, Cause, Option<i32>);

/// The machine of one run.
#[derive(Debug, Clone)]
pub struct RunMachine {
    pub(crate) plan: Arc<Plan>,
    pub(crate) presets: Presets,
    pub(crate) state: RunState,
    pub(crate) cancel: Option<CancelRequest>,
    pub(crate) overdue: Option<Duration>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) gates: Vec<Gate>,
    /// How many tasks have not ended.
    pub(crate) open: usize,
}

impl PartialEq for RunMachine {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state
            && self.presets == other.presets
            && self.cancel == other.cancel
            && self.overdue == other.overdue
            && self.nodes == other.nodes
            && self.gates == other.gates
            && self.open == other.open
    }
}

impl Phase {
    pub(crate) fn state(self) -> TaskState {
        match self {
            Self::Waiting => TaskState::Waiting,
            Self::Asking | Self::Resting { .. } | Self::Asked => TaskState::Pending,
            Self::Running => TaskState::Running,
            Self::Ended(state) => state,
        }
    }

    pub(crate) fn is_ended(self) -> bool {
        matches!(self, Self::Ended(_))
    }
}

impl RunMachine {
    /// The machine of a run that has just been asked for. Of its record only what it was asked for counts: the tasks that it is
    /// for, and what it takes over from an earlier run.
    pub fn new(plan: Arc<Plan>, run: &RunRecord) -> Self {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let gates = plan.groups.iter();
        let gates = gates
            .map(|group| Gate { open: count(group.places().count()), waits: count(group.parents.len()) });
        let node = Node { phase: Phase::Waiting, attempt: 0, stop: None };
        Self {
            presets: Presets { chosen: run.chosen.clone(), retry: run.retry.clone() },
            state: RunState::Queued,
            cancel: None,
            overdue: None,
            nodes: vec![node; plan.count()],
            gates: gates.collect(),
            open: plan.count(),
            plan,
        }
    }

    /// The state of the run.
    pub fn state(&self) -> RunState {
        self.state
    }

    /// Whether the run is being ended, be it by a wish or by its time limit.
    pub fn winds_down(&self) -> bool {
        self.cancel.is_some() || self.overdue.is_some()
    }

    /// Whether the task waits for a slot.
    pub fn wants_slot(&self, task: u32) -> bool {
        self.phase(task) == Some(Phase::Asking)
    }

    /// Whether the task has a slot: an attempt of it is asked for or runs.
    pub fn holds_slot(&self, task: u32) -> bool {
        matches!(self.phase(task), Some(Phase::Asked | Phase::Running))
    }

    /// Whether the attempt is asked for or runs, and is not to end.
    pub fn is_under_way(&self, task: u32, attempt: u32) -> bool {
        let stops = self.nodes.get(task as usize).is_some_and(|node| node.stop.is_some());
        attempt > 0 && !stops && self.is_current(task, attempt)
    }

    /// The state of the task.
    pub fn task_state(&self, task: u32) -> TaskState {
        self.phase(task).map_or(TaskState::Waiting, Phase::state)
    }

    /// Whether the task has ended.
    pub fn has_ended(&self, task: u32) -> bool {
        self.phase(task).is_none_or(Phase::is_ended)
    }

    /// Whether the task waits until another attempt may follow the one with this number.
    pub fn rests(&self, task: u32, attempt: u32) -> bool {
        let rests = |node: &Node| matches!(node.phase, Phase::Resting { .. }) && node.attempt == attempt;
        self.nodes.get(task as usize).is_some_and(rests)
    }

    /// The number that the next attempt of the task would have.
    pub fn next_attempt(&self, task: u32) -> u32 {
        self.nodes.get(task as usize).map_or(1, |node| node.attempt + 1)
    }

    pub(crate) fn phase(&self, task: u32) -> Option<Phase> {
        self.nodes.get(task as usize).map(|node| node.phase)
    }

    /// Takes a fact in, and answers what follows.
    pub fn apply(&mut self, fact: Fact) -> Vec<Decision> {
        let mut out = Vec::new();
        if self.state.is_terminal() {
            if let Fact::Slot(task) = fact {
                out.push(Decision::Free(task));
            }
            return out;
        }
        match fact {
            Fact::Held(limit) if self.state == RunState::Queued => {
                out.push(Decision::Run(RunState::Queued, Cause::WaitingForSlot(limit)));
            }
            Fact::Admitted => self.admitted(&mut out),
            Fact::Slot(task) => self.slot(task, &mut out),
            Fact::NoSlot(task, limit) if self.wants_slot(task) => {
                out.push(change(task, TaskState::Pending, Cause::WaitingForSlot(limit)));
            }
            Fact::Held(_) | Fact::NoSlot(..) => {}
            Fact::Waits(task, attempt, cause) => self.waits(task, attempt, cause, &mut out),
            Fact::Started(task, attempt) => self.started(task, attempt, &mut out),
            Fact::Refused(task, attempt, reason) => {
                self.ended(task, attempt, (TaskState::Errored, Cause::CannotStart(reason)), &mut out);
            }
            Fact::Ended(task, attempt, exit) => {
                self.ended(task, attempt, (end_of(&exit), exit), &mut out);
            }
            Fact::EndedInTime(task, attempt, exit) => {
                self.forgive(task, attempt);
                self.ended(task, attempt, (end_of(&exit), exit), &mut out);
            }
            Fact::FannedOut(task, attempt, plan) => self.fanned_out((task, attempt), plan, &mut out),
            Fact::NeverRan(task, attempt) => {
                let cause = Cause::CannotStart("it was stopped before it was started".to_owned());
                self.ended(task, attempt, (TaskState::Errored, cause), &mut out);
            }
            Fact::PutAway(task, attempt) => self.rests_no_more(task, attempt, (false, true), &mut out),
            Fact::Rested(task, attempt) => self.rests_no_more(task, attempt, (true, false), &mut out),
            Fact::Overdue(task, attempt, limit) => {
                if self.is_current(task, attempt) {
                    self.stop(task, &Cause::Deadline(limit), false, &mut out);
                }
            }
            Fact::RunOverdue(limit) => self.run_overdue(limit, &mut out),
            Fact::Cancel(request) => self.cancelled(&request, &mut out),
        }
        out
    }

    /// Whether the attempt is the one that the task stands or falls with now; number 0 is before an attempt.
    fn is_current(&self, task: u32, attempt: u32) -> bool {
        self.nodes.get(task as usize).is_some_and(|node| match node.phase {
            Phase::Asking => attempt == 0,
            Phase::Asked | Phase::Running => node.attempt == attempt,
            Phase::Waiting | Phase::Resting { .. } | Phase::Ended(_) => false,
        })
    }

    fn admitted(&mut self, out: &mut Vec<Decision>) {
        if self.state != RunState::Queued {
            return;
        }
        self.state = RunState::Running;
        out.push(Decision::Run(RunState::Running, Cause::UnderWay));
        for group in 0..self.gates.len() {
            if self.gates[group].waits == 0 {
                self.open_group(group, out);
            }
        }
        let preset = |task| self.preset(task).map(|(state, cause)| (task, state, cause, None));
        let preset: Vec<End> = (0..self.count()).filter_map(preset).collect();
        self.finish_tasks(preset, out);
    }

    /// What is certain of a task before the run begins.
    fn preset(&self, task: u32) -> Option<(TaskState, Cause)> {
        let group = self.plan.group_of(task);
        // what a late matrix has become was chosen with it
        let named = if group.fanned.contains(&task) { group.own.start } else { task };
        if self.presets.chosen.as_ref().is_some_and(|chosen| !chosen.contains(named)) {
            return Some((TaskState::Skipped, Cause::NotChosen));
        }
        let retry = self.presets.retry.as_ref().filter(|retry| retry.reused.contains(task))?;
        let answer = retry.answers.get(&task).cloned().map(Box::new);
        Some((TaskState::Succeeded, Cause::Reused { run: retry.run, answer }))
    }

    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)
    }

    /// Nothing holds the tasks of a group back any more.
    pub(crate) fn open_group(&mut self, group: usize, out: &mut Vec<Decision>) {
        for task in self.plan.groups[group].places() {
            if self.is_undecided(task) {
                self.want(task, out);
            }
        }
    }

    /// Whether the task waits, and nothing has decided yet what becomes of it.
    pub(crate) fn is_undecided(&self, task: u32) -> bool {
        let waits = self.phase(task) == Some(Phase::Waiting);
        waits && self.preset(task).is_none() && !self.is_to_be_wound_down(task)
    }

    pub(crate) fn want(&mut self, task: u32, out: &mut Vec<Decision>) {
        self.nodes[task as usize].phase = Phase::Asking;
        out.push(Decision::Want(task));
    }

    fn slot(&mut self, task: u32, out: &mut Vec<Decision>) {
        if !self.wants_slot(task) {
            out.push(Decision::Free(task));
            return;
        }
        let node = &mut self.nodes[task as usize];
        node.attempt += 1;
        node.phase = Phase::Asked;
        let attempt = node.attempt;
        out.push(change(task, TaskState::Pending, Cause::WaitingForScheduler));
        out.push(Decision::Start(task, attempt));
    }

    /// What is to end says so, and not what it waits for.
    fn waits(&self, task: u32, attempt: u32, cause: Cause, out: &mut Vec<Decision>) {
        let waits = |node: &Node| node.phase == Phase::Asked && node.stop.is_none();
        if self.is_current(task, attempt) && self.nodes.get(task as usize).is_some_and(waits) {
            out.push(change(task, TaskState::Pending, cause));
        }
    }

    fn started(&mut self, task: u32, attempt: u32, out: &mut Vec<Decision>) {
        if !self.is_current(task, attempt) {
            return;
        }
        let node = &mut self.nodes[task as usize];
        if node.phase == Phase::Asked {
            node.phase = Phase::Running;
            let cause = node.stop.clone().unwrap_or(Cause::UnderWay);
            out.push(change(task, TaskState::Running, cause));
        }
    }

    /// The time limit of the attempt did not end it.
    fn forgive(&mut self, task: u32, attempt: u32) {
        if self.is_current(task, attempt) {
            let node = &mut self.nodes[task as usize];
            node.stop = node.stop.take().filter(|stop| !matches!(stop, Cause::Deadline(_)));
        }
    }

    /// The attempt is over: by itself, or because we ended it. Another one follows, or the task is over, too.
    pub(crate) fn ended(
        &mut self,
        task: u32,
        attempt: u32,
        by_itself: (TaskState, Cause),
        out: &mut Vec<Decision>,
    ) {
        if !self.is_current(task, attempt) {
            return;
        }
        let exit_code = match by_itself.1 {
            Cause::ExitCode(code) => Some(code),
            _ => None,
        };
        let (state, cause) = match (&self.nodes[task as usize].stop, by_itself) {
            // we asked it to end, and yet nobody knows whether it did
            (_, lost @ (TaskState::Lost, _)) => lost,
            (Some(stop), _) => (end_by(stop), stop.clone()),
            (None, by_itself) => by_itself,
        };
        if attempt > 0 && self.may_try_again(task, state, &cause) {
            self.rest(task, cause, out);
        } else {
            self.finish_tasks(vec![(task, state, cause, exit_code)], out);
        }
    }

    /// Whether another attempt follows one that ended like this. What somebody ended is not tried again, and nothing but
    /// clean-up is once the run is being ended.
    fn may_try_again(&self, task: u32, state: TaskState, cause: &Cause) -> bool {
        let (node, group) = (&self.nodes[task as usize], self.plan.group_of(task));
        let unwanted = matches!(node.stop, Some(Cause::Cancelled(_) | Cause::RunDeadline(_)));
        let wanted = !unwanted && (group.cleanup || !self.winds_down());
        wanted && group.retry.as_ref().is_some_and(|rule| rule.goes_on(node.attempt, state, cause))
    }
}

pub(crate) fn change(task: u32, state: TaskState, cause: Cause) -> Decision {
    Decision::Task { task, state, cause, exit_code: None }
}

/// The end of a task that is a run of another pipeline.
fn end_of_child(state: RunState) -> TaskState {
    match state {
        RunState::Succeeded => TaskState::Succeeded,
        RunState::Failed => TaskState::Failed,
        RunState::Errored => TaskState::Errored,
        RunState::Cancelled => TaskState::Cancelled,
        RunState::TimedOut => TaskState::TimedOut,
        RunState::Queued | RunState::Running => TaskState::Lost,
    }
}

/// The end of a task whose attempt ended like this, by itself.
fn end_of(exit: &Cause) -> TaskState {
    match exit {
        Cause::ExitCode(0) => TaskState::Succeeded,
        Cause::ExitCode(_) | Cause::Signal(_) | Cause::OutOfMemory | Cause::CannotKeep(_) => {
            TaskState::Failed
        }
        Cause::CannotStart(_) => TaskState::Errored,
        Cause::Approved(_) => TaskState::Succeeded,
        Cause::Rejected(_) => TaskState::Failed,
        Cause::ChildRun { state, .. } => end_of_child(*state),
        _ => TaskState::Lost,
    }
}
