//! Where a task runs, and what is asked for there.

use std::sync::Arc;

use gofer_attempt::Parcels;
use gofer_book::Prepared;
use gofer_scheduler::Scheduler;
use gofer_types::pipeline::{Action, Artefact};
use gofer_types::{SchedulerName, Task};
use gofer_versions::{Asked, Target, fill};

use super::Inner;
use super::run::Driver;

impl Inner {
    /// Prepares an attempt; the text says why it can never be started.
    pub(super) fn prepare(&self, asked: &Asked<'_>) -> Result<Prepared, String> {
        let (name, scheduler) =
            if asked.reads_values() { self.inside.lists() } else { self.place_of(asked.task)? };
        if asked.moves_files() && scheduler.files().is_none() {
            return Err(format!("scheduler `{name}` can neither give files to tasks nor take them"));
        }
        let images = scheduler.capabilities().images;
        let spec = fill(asked, Target { scheduler: name, images, address: &self.options.address })?;
        Ok(Prepared { name: name.clone(), scheduler: Arc::clone(scheduler), spec })
    }

    /// The scheduler of a task, if it runs no images.
    pub(crate) fn blind(&self, task: &Task) -> Option<SchedulerName> {
        let (name, scheduler) = self.place_of(task).ok()?;
        (!scheduler.capabilities().images).then(|| name.clone())
    }

    /// What runs a task: one of the operator's schedulers, or none at all.
    fn place_of(&self, task: &Task) -> Result<(&SchedulerName, &Arc<dyn Scheduler>), String> {
        let (name, scheduler) = match &task.action {
            Action::Approval(_) => self.inside.approvals(),
            Action::Pipeline(_) => self.inside.children(),
            Action::Image | Action::Command(_) | Action::Script { .. } => {
                let wanted = task.scheduler.as_ref();
                return self.schedulers.get(wanted).ok_or_else(|| {
                    format!("scheduler `{}` is not configured", wanted.unwrap_or(&self.schedulers.default))
                });
            }
        };
        Ok((name, scheduler))
    }
}

impl Driver {
    /// What a task is given by others; the text says what is missing.
    pub(super) fn inputs(&self, place: u32) -> Result<Vec<Artefact>, String> {
        self.book.version.inputs(place, |place| self.machine.task_state(place))
    }

    /// What an attempt is given by others and leaves for others.
    pub(super) fn parcels(&self, place: u32) -> Option<Parcels> {
        let (inputs, outputs) = (self.inputs(place).unwrap_or_default(), self.book.version.outputs(place));
        let some = !(inputs.is_empty() && outputs.is_empty());
        let (shelf, limits) = (self.inner.inside.shelf(), self.inner.options.artefacts);
        some.then_some(Parcels { inputs, outputs, shelf, limits })
    }
}
