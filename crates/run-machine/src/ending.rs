//! How tasks and runs end: by themselves, because others ended, or because they are to end.

use std::sync::Arc;
use std::time::Duration;

use gofer_types::record::CancelRequest;
use gofer_types::{Cause, RunState, TaskState};

use crate::facts::Decision;
use crate::machine::{End, Node, Phase, RunMachine, change};

/// How many tasks a cause names at most.
const NAMED: usize = 20;

impl RunMachine {
    pub(crate) fn run_overdue(&mut self, limit: Duration, out: &mut Vec<Decision>) {
        if self.state != RunState::Running || self.winds_down() {
            return;
        }
        self.overdue = Some(limit);
        out.push(Decision::Run(RunState::Running, Cause::RunDeadline(limit)));
        self.wind_down(&Cause::RunDeadline(limit), false, out);
    }

    pub(crate) fn cancelled(&mut self, request: &CancelRequest, out: &mut Vec<Decision>) {
        let (request, force) = match &self.cancel {
            None => (request.clone(), request.force),
            Some(first) if request.force => (CancelRequest { force: true, ..first.clone() }, true),
            Some(_) => return,
        };
        let cause = Cause::Cancelled(brief(&request.reason));
        if self.cancel.as_ref() != Some(&request) {
            self.cancel = Some(request.clone());
            out.push(Decision::Cancel(request));
        }
        if self.state == RunState::Queued {
            let all =
                (0..self.count()).map(|task| (task, TaskState::Cancelled, cause.clone(), None)).collect();
            self.finish_tasks(all, out);
        } else {
            self.wind_down(&cause, force, out);
        }
    }

    /// Ends what does not run and stops what runs, but for the tasks that clean up: those go on, unless they have begun and all
    /// is to end at once. Those that begin later go on until somebody says so once more.
    fn wind_down(&mut self, cause: &Cause, force: bool, out: &mut Vec<Decision>) {
        let mut over = Vec::new();
        for task in 0..self.count() {
            let Node { phase, attempt, .. } = self.nodes[task as usize];
            let spared = self.plan.group_of(task).cleanup && !(force && attempt > 0);
            match phase {
                Phase::Ended(_) => {}
                _ if spared => {}
                Phase::Waiting | Phase::Asking | Phase::Resting { .. } => {
                    over.push((task, end_by(cause), cause.clone(), None));
                }
                Phase::Asked | Phase::Running => self.stop(task, cause, force, out),
            }
        }
        self.finish_tasks(over, out);
    }

    /// Asks for the end of an attempt, once, and once more if it is to be killed.
    pub(crate) fn stop(&mut self, task: u32, cause: &Cause, kill: bool, out: &mut Vec<Decision>) {
        let node = &mut self.nodes[task as usize];
        let runs = matches!(node.phase, Phase::Asked | Phase::Running);
        if !runs || (node.stop.is_some() && !kill) {
            return;
        }
        if node.stop.is_none() {
            node.stop = Some(cause.clone());
            out.push(change(task, node.phase.state(), cause.clone()));
        }
        out.push(Decision::Stop(task, node.attempt, kill));
    }

    /// Ends tasks, and everything that is certain because of it. A list of work, not recursion: chains may be long.
    pub(crate) fn finish_tasks(&mut self, mut work: Vec<End>, out: &mut Vec<Decision>) {
        // the first of the list is the first to end
        work.reverse();
        while let Some((task, state, cause, exit_code)) = work.pop() {
            if self.nodes[task as usize].phase.is_ended() {
                continue;
            }
            self.leave(task, state, out);
            out.push(Decision::Task { task, state, cause, exit_code });
            self.settle_children(task, state, &mut work, out);
        }
        if self.open == 0 && !self.state.is_terminal() {
            self.finish_run(out);
        }
    }

    fn leave(&mut self, task: u32, state: TaskState, out: &mut Vec<Decision>) {
        let node = &mut self.nodes[task as usize];
        match node.phase {
            Phase::Asked | Phase::Running => out.push(Decision::Free(task)),
            Phase::Asking => out.push(Decision::Unwant(task)),
            Phase::Waiting | Phase::Resting { .. } | Phase::Ended(_) => {}
        }
        *node = Node { phase: Phase::Ended(state), attempt: node.attempt, stop: None };
        self.open -= 1;
    }

    /// A task has ended: those that ask something of it may become ready, or their condition can no longer hold.
    fn settle_children(&mut self, task: u32, state: TaskState, work: &mut Vec<End>, out: &mut Vec<Decision>) {
        let plan = Arc::clone(&self.plan);
        let group = plan.task(task).group as usize;
        self.gates[group].open -= 1;
        let closed = self.gates[group].open == 0;
        // what a late matrix has become answers for it
        let answered = state == TaskState::Succeeded && !plan.groups[group].answering().any(|at| at == task);
        for (child, wanted) in &plan.groups[group].children {
            let child = *child as usize;
            if closed {
                self.gates[child].waits -= 1;
            }
            if !answered && !wanted.holds(state) {
                let cause = Cause::ParentState { task: plan.task(task).id.clone(), state, wanted: *wanted };
                let doomed = plan.groups[child].places().rev().filter(|task| self.is_undecided(*task));
                work.extend(doomed.map(|task| (task, TaskState::Skipped, cause.clone(), None)));
            } else if self.gates[child].waits == 0 {
                self.open_group(child, out);
            }
        }
    }

    /// Whether the task is among those that `wind_down` ends itself, whatever their parents do in the same instant.
    pub(crate) fn is_to_be_wound_down(&self, task: u32) -> bool {
        let queued = self.state == RunState::Queued;
        self.winds_down() && (queued || !self.plan.group_of(task).cleanup)
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
        // a task is cancelled without its run where it is a run of another pipeline
        let failed = self.named(|task, state| {
            matches!(state, TaskState::Failed | TaskState::TimedOut | TaskState::Cancelled)
                && !self.plan.group_of(task).allow_failure
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
        let chosen = (0_u32..).zip(&self.nodes).filter(|(task, node)| is(*task, node.phase.state()));
        chosen.take(NAMED).map(|(task, _)| self.plan.task(task).id.clone()).collect()
    }
}

/// A reason as it stands with each task: it may be many thousand times in what is recorded at once. The run has the whole one.
fn brief(reason: &str) -> String {
    const LONGEST: usize = 200;
    match (0..=LONGEST).rev().find(|at| reason.is_char_boundary(*at)) {
        Some(end) if end < reason.len() => format!("{}…", &reason[..end]),
        _ => reason.to_owned(),
    }
}

/// The end of a task that we ended for this reason.
pub(crate) fn end_by(stop: &Cause) -> TaskState {
    if matches!(stop, Cause::Cancelled(_)) { TaskState::Cancelled } else { TaskState::TimedOut }
}
