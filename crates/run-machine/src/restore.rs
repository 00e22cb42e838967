//! The machine rebuilt from records: at any point of a run's life it is the machine that wrote them.

use std::sync::Arc;

use gofer_types::{Cause, RunRecord, RunState, TaskRunRecord, TaskState};

use crate::facts::Decision;
use crate::machine::{Gate, Node, Phase, RunMachine};
use crate::plan::Plan;

/// Why records are not those of a run of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RestoreError(pub(crate) String);

impl RunMachine {
    /// The machine that wrote these records. Of a task that rests they do not tell how much of its rest is over: that is told
    /// again, as facts.
    pub fn restore<'a>(
        plan: &Arc<Plan>,
        run: &RunRecord,
        tasks: impl Iterator<Item = (u32, &'a TaskRunRecord)>,
    ) -> Result<Self, RestoreError> {
        let mut machine = Self::new(Arc::clone(plan), run);
        if run.tasks as usize != plan.count() {
            let text = format!("the run has {} tasks and its version {}", run.tasks, plan.count());
            return Err(RestoreError(text));
        }
        machine.state = run.state;
        machine.cancel.clone_from(&run.cancel);
        machine.overdue = match run.cause {
            Cause::RunDeadline(limit) => Some(limit),
            _ => None,
        };
        for (task, record) in tasks {
            let known = plan.tasks.get(task as usize).is_some_and(|planned| planned.id == record.id.task);
            if !known {
                return Err(RestoreError(format!(
                    "the version has no task `{}` at its place",
                    record.id.task
                )));
            }
            machine.nodes[task as usize] = node_of(record);
        }
        machine.count_up()?;
        Ok(machine)
    }

    /// Counts what waits, and refuses records that no machine can have written.
    fn count_up(&mut self) -> Result<(), RestoreError> {
        let plan = Arc::clone(&self.plan);
        let is_open = |place: u32| !self.nodes[place as usize].phase.is_ended();
        self.open = (0..self.count()).filter(|place| is_open(*place)).count();
        if self.state.is_terminal() != (self.open == 0) {
            return Err(RestoreError("the run and its tasks do not end together".to_owned()));
        }
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let open: Vec<u32> = plan
            .groups
            .iter()
            .map(|group| count(group.places().filter(|place| is_open(*place)).count()))
            .collect();
        for (number, group) in plan.groups.iter().enumerate() {
            let waits = group.parents.iter().filter(|(parent, _)| open[*parent as usize] > 0).count();
            self.gates[number] = Gate { open: open[number], waits: count(waits) };
            let waiting = group.places().find(|place| self.phase(*place) == Some(Phase::Waiting));
            if let Some(place) = waiting.filter(|_| waits == 0 && self.state != RunState::Queued) {
                return Err(RestoreError(format!("task `{}` waits for nobody", plan.task(place).id)));
            }
        }
        Ok(())
    }

    /// What is under way: wishes for slots, attempts that run or are to run, those that are to end, and rests.
    pub fn under_way(&self) -> Vec<Decision> {
        let force = self.cancel.as_ref().is_some_and(|cancel| cancel.force);
        let mut out = Vec::new();
        for (task, node) in (0_u32..).zip(&self.nodes) {
            match node.phase {
                Phase::Asking => out.push(Decision::Want(task)),
                Phase::Resting { .. } => {
                    let rule = self.plan.group_of(task).retry.as_ref();
                    let wait = rule.map(|rule| rule.wait(node.attempt)).unwrap_or_default();
                    out.push(Decision::Rest(task, node.attempt, wait));
                }
                Phase::Asked | Phase::Running => {
                    out.push(Decision::Start(task, node.attempt));
                    if let Some(stop) = &node.stop {
                        // a task that cleans up may have begun behind the wish, and been stopped for another reason
                        let cleanup = self.plan.group_of(task).cleanup;
                        let kill = force && (!cleanup || matches!(stop, Cause::Cancelled(_)));
                        out.push(Decision::Stop(task, node.attempt, kill));
                    }
                }
                Phase::Waiting | Phase::Ended(_) => {}
            }
        }
        out
    }
}

fn node_of(record: &TaskRunRecord) -> Node {
    let stop = match &record.cause {
        cause @ (Cause::Cancelled(_) | Cause::Deadline(_) | Cause::RunDeadline(_))
            if !record.state.is_terminal() =>
        {
            Some(cause.clone())
        }
        _ => None,
    };
    let attempt = u32::try_from(record.attempts.len()).unwrap_or(u32::MAX);
    let phase = match (record.state, &record.cause) {
        (TaskState::Waiting, _) => Phase::Waiting,
        (TaskState::Pending, Cause::WaitingForRetry { .. }) => Phase::Resting { rested: false, away: false },
        (TaskState::Pending, Cause::WaitingForSlot(_)) => Phase::Asking,
        (TaskState::Pending, _) if attempt == 0 => Phase::Asking,
        (TaskState::Pending, _) => Phase::Asked,
        (TaskState::Running, _) => Phase::Running,
        (ended, _) => Phase::Ended(ended),
    };
    Node { phase, attempt, stop }
}
