//! The machine rebuilt from records: at any point of a run's life it is the machine that wrote them.

use std::sync::Arc;

use gofer_types::{Cause, RunRecord, RunState, TaskRunRecord, TaskState};

use crate::facts::Decision;
use crate::machine::{Node, RunMachine};
use crate::plan::Plan;

/// Why records are not those of a run of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RestoreError(pub(crate) String);

impl RunMachine {
    /// The machine that wrote these records.
    pub fn restore<'a>(
        plan: &Arc<Plan>,
        run: &RunRecord,
        tasks: impl Iterator<Item = (u32, &'a TaskRunRecord)>,
    ) -> Result<Self, RestoreError> {
        let mut machine = Self::new(Arc::clone(plan));
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
        self.open = self.nodes.iter().filter(|node| !node.state.is_terminal()).count();
        if self.state.is_terminal() != (self.open == 0) {
            return Err(RestoreError("the run and its tasks do not end together".to_owned()));
        }
        for (number, task) in plan.tasks.iter().enumerate() {
            if self.nodes[number].state != TaskState::Waiting {
                self.nodes[number].waits = 0;
                continue;
            }
            let open =
                task.parents.iter().filter(|(at, _)| !self.nodes[*at as usize].state.is_terminal()).count();
            if open == 0 && self.state != RunState::Queued {
                return Err(RestoreError(format!("task `{}` waits for nobody", task.id)));
            }
            self.nodes[number].waits = u32::try_from(open).unwrap_or(u32::MAX);
        }
        Ok(())
    }

    /// What is under way: wishes for slots, attempts that run or are to run, and those that are to end.
    pub fn under_way(&self) -> Vec<Decision> {
        let force = self.cancel.as_ref().is_some_and(|cancel| cancel.force);
        let mut out = Vec::new();
        for (task, node) in (0_u32..).zip(&self.nodes) {
            match node.state {
                TaskState::Pending if node.attempt == 0 => out.push(Decision::Want(task)),
                TaskState::Pending | TaskState::Running => {
                    out.push(Decision::Start(task, node.attempt));
                    if let Some(stop) = &node.stop {
                        let kill = force && matches!(stop, Cause::Cancelled(_));
                        out.push(Decision::Stop(task, node.attempt, kill));
                    }
                }
                _ => {}
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
    Node { state: record.state, waits: 0, attempt, stop }
}
