//! The state machine of one run.
//!
//! A fact that no longer fits (a late exit, a second cancel, a slot for a task that is over) changes nothing, so that
//! facts may be repeated at will. Ends are final.

use std::sync::Arc;
use std::time::Duration;

use gofer_types::record::CancelRequest;
use gofer_types::{Cause, Condition, RunState, TaskState};

use crate::facts::{Decision, Fact};
use crate::plan::Plan;

/// How many tasks a cause names at most.
const NAMED: usize = 20;

/// How a task stands, as far as the machine needs it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) state: TaskState,
    /// How many of its parents have not ended; 0 once it has left `waiting`.
    pub(crate) waits: u32,
    /// The number of its newest attempt; 0 before the first.
    pub(crate) attempt: u32,
    /// Why it is being stopped, if it is.
    pub(crate) stop: Option<Cause>,
}

/// The machine of one run.
#[derive(Debug, Clone)]
pub struct RunMachine {
    pub(crate) plan: Arc<Plan>,
    pub(crate) state: RunState,
    pub(crate) cancel: Option<CancelRequest>,
    pub(crate) overdue: Option<Duration>,
    pub(crate) nodes: Vec<Node>,
    /// How many tasks have not ended.
    pub(crate) open: usize,
}

impl PartialEq for RunMachine {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state
            && self.cancel == other.cancel
            && self.overdue == other.overdue
            && self.nodes == other.nodes
            && self.open == other.open
    }
}

impl RunMachine {
    /// The machine of a run that has just been asked for.
    pub fn new(plan: Arc<Plan>) -> Self {
        let node = |parents: usize| Node {
            state: TaskState::Waiting,
            waits: u32::try_from(parents).unwrap_or(u32::MAX),
            attempt: 0,
            stop: None,
        };
        let nodes: Vec<Node> = plan.tasks.iter().map(|task| node(task.parents.len())).collect();
        Self { open: nodes.len(), plan, state: RunState::Queued, cancel: None, overdue: None, nodes }
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
        self.node(task).is_some_and(|node| node.state == TaskState::Pending && node.attempt == 0)
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
            Fact::Held(limit) => self.held(limit, &mut out),
            Fact::Admitted => self.admitted(&mut out),
            Fact::Slot(task) => self.slot(task, &mut out),
            Fact::NoSlot(task, limit) if self.wants_slot(task) => {
                out.push(change(task, TaskState::Pending, Cause::WaitingForSlot(limit)));
            }
            Fact::NoSlot(..) => {}
            Fact::Refused(task, attempt, reason) => {
                self.ended(task, attempt, (TaskState::Errored, Cause::CannotStart(reason)), &mut out);
            }
            Fact::Waits(task, attempt, cause) => self.waits(task, attempt, cause, &mut out),
            Fact::Started(task, attempt) => self.started(task, attempt, &mut out),
            Fact::Ended(task, attempt, exit) => {
                self.ended(task, attempt, (end_of(&exit), exit), &mut out);
            }
            Fact::NeverRan(task, attempt) => {
                let cause = Cause::CannotStart("it was stopped before it was started".to_owned());
                self.ended(task, attempt, (TaskState::Errored, cause), &mut out);
            }
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

    pub(crate) fn node(&self, task: u32) -> Option<&Node> {
        self.nodes.get(task as usize)
    }

    /// Whether the attempt is the one that the task stands or falls with now.
    fn is_current(&self, task: u32, attempt: u32) -> bool {
        let fits = |node: &Node| {
            node.attempt == attempt && matches!(node.state, TaskState::Pending | TaskState::Running)
        };
        self.node(task).is_some_and(fits)
    }

    fn held(&self, limit: String, out: &mut Vec<Decision>) {
        if self.state == RunState::Queued {
            out.push(Decision::Run(RunState::Queued, Cause::WaitingForSlot(limit)));
        }
    }

    fn admitted(&mut self, out: &mut Vec<Decision>) {
        if self.state != RunState::Queued {
            return;
        }
        self.state = RunState::Running;
        out.push(Decision::Run(RunState::Running, Cause::Completed));
        for task in 0..self.count() {
            if self.nodes[task as usize].waits == 0 {
                self.ready(task, out);
            }
        }
    }

    fn count(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)
    }

    fn ready(&mut self, task: u32, out: &mut Vec<Decision>) {
        self.nodes[task as usize].state = TaskState::Pending;
        out.push(Decision::Want(task));
    }

    fn slot(&mut self, task: u32, out: &mut Vec<Decision>) {
        if !self.wants_slot(task) {
            out.push(Decision::Free(task));
            return;
        }
        let node = &mut self.nodes[task as usize];
        node.attempt += 1;
        let attempt = node.attempt;
        out.push(change(task, TaskState::Pending, Cause::WaitingForScheduler));
        out.push(Decision::Start(task, attempt));
    }

    /// What is to end says so, and not what it waits for.
    fn waits(&self, task: u32, attempt: u32, cause: Cause, out: &mut Vec<Decision>) {
        let waits = |node: &Node| node.state == TaskState::Pending && node.attempt > 0 && node.stop.is_none();
        if self.is_current(task, attempt) && self.node(task).is_some_and(waits) {
            out.push(change(task, TaskState::Pending, cause));
        }
    }

    fn started(&mut self, task: u32, attempt: u32, out: &mut Vec<Decision>) {
        if !self.is_current(task, attempt) || attempt == 0 {
            return;
        }
        let node = &mut self.nodes[task as usize];
        if node.state == TaskState::Pending {
            node.state = TaskState::Running;
            let cause = node.stop.clone().unwrap_or(Cause::Completed);
            out.push(change(task, TaskState::Running, cause));
        }
    }

    /// The attempt is over: by itself, or because we ended it.
    fn ended(&mut self, task: u32, attempt: u32, by_itself: (TaskState, Cause), out: &mut Vec<Decision>) {
        if !self.is_current(task, attempt) {
            return;
        }
        let exit_code = match by_itself.1 {
            Cause::ExitCode(code) => Some(code),
            _ => None,
        };
        let stop = self.nodes[task as usize].stop.clone();
        let (state, cause) = match (stop, by_itself) {
            // we asked it to end, and yet nobody knows whether it did
            (_, lost @ (TaskState::Lost, _)) => lost,
            (Some(stop), _) => (end_by(&stop), stop),
            (None, by_itself) => by_itself,
        };
        self.finish_tasks(vec![(task, state, cause, exit_code)], out);
    }

    fn run_overdue(&mut self, limit: Duration, out: &mut Vec<Decision>) {
        if self.state != RunState::Running || self.overdue.is_some() || self.cancel.is_some() {
            return;
        }
        self.overdue = Some(limit);
        out.push(Decision::Run(RunState::Running, Cause::RunDeadline(limit)));
        self.wind_down(&Cause::RunDeadline(limit), false, out);
    }

    fn cancelled(&mut self, request: &CancelRequest, out: &mut Vec<Decision>) {
        let (request, force) = match &self.cancel {
            None => (request.clone(), request.force),
            Some(first) if request.force && !first.force => {
                (CancelRequest { force: true, ..first.clone() }, true)
            }
            Some(_) => return,
        };
        let cause = Cause::Cancelled(request.reason.clone());
        self.cancel = Some(request.clone());
        out.push(Decision::Cancel(request));
        if self.state == RunState::Queued {
            let all =
                (0..self.count()).map(|task| (task, TaskState::Cancelled, cause.clone(), None)).collect();
            self.finish_tasks(all, out);
        } else {
            self.wind_down(&cause, force, out);
        }
    }

    /// Ends what has not begun and stops what runs, but for the tasks that clean up.
    fn wind_down(&mut self, cause: &Cause, force: bool, out: &mut Vec<Decision>) {
        let mut over = Vec::new();
        for task in 0..self.count() {
            let node = &self.nodes[task as usize];
            let cleanup = self.plan.task(task).cleanup;
            match (node.state.is_terminal(), node.attempt) {
                (true, _) => {}
                (false, 0) if cleanup => {}
                (false, 0) => over.push((task, end_by(cause), cause.clone(), None)),
                (false, _) if force || !cleanup => self.stop(task, cause, force, out),
                (false, _) => {}
            }
        }
        self.finish_tasks(over, out);
    }

    /// Asks for the end of an attempt, once, and once more if it is to be killed.
    fn stop(&mut self, task: u32, cause: &Cause, kill: bool, out: &mut Vec<Decision>) {
        let node = &mut self.nodes[task as usize];
        if node.attempt == 0 || (node.stop.is_some() && !kill) {
            return;
        }
        if node.stop.is_none() {
            node.stop = Some(cause.clone());
            out.push(change(task, node.state, cause.clone()));
        }
        out.push(Decision::Stop(task, node.attempt, kill));
    }

    /// Ends tasks, and everything that is certain because of it. A list of work, not recursion: chains may be long.
    fn finish_tasks(&mut self, mut work: Vec<(u32, TaskState, Cause, Option<i32>)>, out: &mut Vec<Decision>) {
        // the first of the list is the first to end
        work.reverse();
        while let Some((task, state, cause, exit_code)) = work.pop() {
            if self.nodes[task as usize].state.is_terminal() {
                continue;
            }
            self.leave(task, state, out);
            out.push(Decision::Task { task, state, cause, exit_code });
            let plan = Arc::clone(&self.plan);
            for (child, condition) in &plan.task(task).children {
                if let Some(cause) = self.settle(*child, task, *condition, out) {
                    work.push((*child, TaskState::Skipped, cause, None));
                }
            }
        }
        if self.open == 0 && !self.state.is_terminal() {
            self.finish_run(out);
        }
    }

    fn leave(&mut self, task: u32, state: TaskState, out: &mut Vec<Decision>) {
        let node = &mut self.nodes[task as usize];
        if node.attempt > 0 {
            out.push(Decision::Free(task));
        } else if node.state == TaskState::Pending {
            out.push(Decision::Unwant(task));
        }
        *node = Node { state, waits: 0, attempt: node.attempt, stop: None };
        self.open -= 1;
    }

    /// A parent of the task has ended: the task may become ready, or its condition can no longer hold.
    fn settle(
        &mut self,
        task: u32,
        parent: u32,
        wanted: Condition,
        out: &mut Vec<Decision>,
    ) -> Option<Cause> {
        if self.nodes[task as usize].state != TaskState::Waiting || self.is_to_be_wound_down(task) {
            return None;
        }
        let state = self.nodes[parent as usize].state;
        if !wanted.holds(state) {
            return Some(Cause::ParentState { task: self.plan.task(parent).id.clone(), state, wanted });
        }
        self.nodes[task as usize].waits -= 1;
        if self.nodes[task as usize].waits == 0 {
            self.ready(task, out);
        }
        None
    }

    /// Whether the task is among those that `wind_down` ends itself, whatever their parents do in the same instant.
    fn is_to_be_wound_down(&self, task: u32) -> bool {
        let queued = self.state == RunState::Queued;
        self.winds_down() && (queued || !self.plan.task(task).cleanup)
    }

    fn finish_run(&mut self, out: &mut Vec<Decision>) {
        let (state, cause) = self.result();
        self.state = state;
        if self.cancel.is_some() {
            // the records of a cancelled run do not tell that it was late, too
            self.overdue = None;
        }
        out.push(Decision::Run(state, cause));
    }

    /// The end of the run: the first rule that applies.
    fn result(&self) -> (RunState, Cause) {
        if let Some(cancel) = &self.cancel {
            return (RunState::Cancelled, Cause::Cancelled(cancel.reason.clone()));
        }
        if let Some(limit) = self.overdue {
            return (RunState::TimedOut, Cause::RunDeadline(limit));
        }
        let failed = self.named(|task, state| {
            matches!(state, TaskState::Failed | TaskState::TimedOut) && !self.plan.task(task).allow_failure
        });
        if !failed.is_empty() {
            return (RunState::Failed, Cause::Tasks(failed));
        }
        let errored = self.named(|_, state| matches!(state, TaskState::Errored | TaskState::Lost));
        if !errored.is_empty() {
            return (RunState::Errored, Cause::Tasks(errored));
        }
        (RunState::Succeeded, Cause::Completed)
    }

    /// The ids of the first tasks of a kind.
    fn named(&self, is: impl Fn(u32, TaskState) -> bool) -> Vec<gofer_types::TaskId> {
        let chosen = (0_u32..).zip(&self.nodes).filter(|(task, node)| is(*task, node.state));
        chosen.take(NAMED).map(|(task, _)| self.plan.task(task).id.clone()).collect()
    }
}

fn change(task: u32, state: TaskState, cause: Cause) -> Decision {
    Decision::Task { task, state, cause, exit_code: None }
}

/// The end of a task whose attempt ended like this, by itself.
fn end_of(exit: &Cause) -> TaskState {
    match exit {
        Cause::ExitCode(0) => TaskState::Succeeded,
        Cause::ExitCode(_) | Cause::Signal(_) | Cause::OutOfMemory => TaskState::Failed,
        Cause::CannotStart(_) => TaskState::Errored,
        _ => TaskState::Lost,
    }
}

/// The end of a task that we ended for this reason.
fn end_by(stop: &Cause) -> TaskState {
    if matches!(stop, Cause::Cancelled(_)) { TaskState::Cancelled } else { TaskState::TimedOut }
}
