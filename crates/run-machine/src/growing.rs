//! How a run goes on where it could have ended: with another attempt, or with the tasks that a late matrix becomes.

use std::collections::BTreeMap;
use std::sync::Arc;

use gofer_types::{Cause, TaskState};

use crate::facts::Decision;
use crate::machine::{Node, Phase, RunMachine, change};
use crate::plan::Plan;

impl RunMachine {
    /// The values of a late matrix are known: the graph is this one now. Those who are to end do not begin anything.
    pub(crate) fn fanned_out(
        &mut self,
        (task, attempt): (u32, u32),
        plan: Arc<Plan>,
        out: &mut Vec<Decision>,
    ) {
        if !self.is_under_way(task, attempt) {
            let cause = Cause::CannotStart("it was stopped before it was started".to_owned());
            return self.ended(task, attempt, (TaskState::Errored, cause), out);
        }
        let new = plan.count() - self.nodes.len();
        let group = plan.task(task).group as usize;
        let tasks = u32::try_from(new).unwrap_or(u32::MAX);
        self.nodes.resize(plan.count(), Node { phase: Phase::Waiting, attempt: 0, stop: None });
        self.gates[group].open += tasks;
        self.open += new;
        self.plan = plan;
        let end = if new > 0 {
            (TaskState::Succeeded, Cause::FannedOut { tasks, values: BTreeMap::new() })
        } else {
            (TaskState::Skipped, Cause::NothingListed)
        };
        self.finish_tasks(vec![(task, end.0, end.1, None)], out);
        self.open_group(group, out);
    }

    pub(crate) fn rest(&mut self, task: u32, after: Cause, out: &mut Vec<Decision>) {
        let plan = Arc::clone(&self.plan);
        let Some(rule) = &plan.group_of(task).retry else { return };
        let node = &mut self.nodes[task as usize];
        node.phase = Phase::Resting { rested: false, away: false };
        node.stop = None;
        let (attempt, wait) = (node.attempt, rule.wait(node.attempt));
        let after = Box::new(after);
        let cause = Cause::WaitingForRetry { attempt: attempt + 1, of: rule.attempts, wait, after };
        out.push(Decision::Free(task));
        out.push(change(task, TaskState::Pending, cause));
        out.push(Decision::Rest(task, attempt, wait));
    }

    /// One of the two things that a resting task waits for has come.
    pub(crate) fn rests_no_more(
        &mut self,
        task: u32,
        attempt: u32,
        came: (bool, bool),
        out: &mut Vec<Decision>,
    ) {
        let Some(node) = self.nodes.get_mut(task as usize).filter(|node| node.attempt == attempt) else {
            return;
        };
        if let Phase::Resting { rested, away } = node.phase {
            let (rested, away) = (rested || came.0, away || came.1);
            node.phase = Phase::Resting { rested, away };
            if rested && away {
                self.want(task, out);
            }
        }
    }
}
