//! Why a run and its tasks are where they are.

use std::collections::BTreeMap;

use gofer_explain::{Explanation, Scene, TaskScene, explain_run, explain_task};
use gofer_queue::Hold;
use gofer_types::{Cause, RunRecord, RunRef, RunState, TaskId, TaskRunRecord, TaskState};
use gofer_versions::Version;

use crate::Engine;
use crate::api::{Explained, Page};
use crate::driver::Inner;
use crate::error::Result;

impl Inner {
    async fn explain(&self, run: RunRecord, wanted: Option<&TaskId>, page: &Page) -> Result<Explained> {
        let version = self.version_of(&run).await?;
        let stored: BTreeMap<u32, TaskRunRecord> = self.records.tasks(&run.id).await?.into_iter().collect();
        let states: BTreeMap<u32, TaskState> =
            stored.iter().map(|(place, task)| (*place, task.state)).collect();
        let hold = if run.state == RunState::Queued { self.hall.held(&run.id) } else { None };
        let (grace, now) = (self.options.stop_grace.get(), self.clock.now());
        let scene = Scene { run: &run, plan: &version.plan, states: &states, hold, grace, now };
        let about = explain_run(&scene);
        let places = self.places_of(&run.id, &version, wanted)?;
        let (places, next) = page.part(&run.id, places)?;
        let holds = self.hall.slots_held(&run.id);
        let mut tasks = Vec::with_capacity(places.len());
        for place in places {
            let ended = |place: u32| scene.states.get(&place).is_some_and(|state| state.is_terminal());
            let task = match stored.get(&place) {
                Some(task) => task.clone(),
                None => version.waiting(&run, place, ended),
            };
            let explanation = self.explain_task(&scene, (place, &task), &holds).await?;
            tasks.push((task, explanation));
        }
        drop(states);
        Ok(Explained { run, about, tasks, next })
    }

    async fn explain_task(
        &self,
        scene: &Scene<'_>,
        (place, task): (u32, &TaskRunRecord),
        holds: &BTreeMap<u32, Hold>,
    ) -> Result<Explanation> {
        let run = &scene.run.id;
        let attempts =
            if task.attempts.is_empty() { Vec::new() } else { self.records.attempts(run, place).await? };
        let waits = matches!(task.cause, Cause::WaitingForSlot(_)) && task.state == TaskState::Pending;
        let hold = holds.get(&place).copied().filter(|_| waits);
        Ok(explain_task(scene, &TaskScene { place, task, attempts: &attempts, hold }))
    }

    /// The places of a task, or of all.
    fn places_of(&self, run: &RunRef, version: &Version, wanted: Option<&TaskId>) -> Result<Vec<u32>> {
        let Some(task) = wanted else {
            return Ok((0_u32..).zip(&version.plan.tasks).map(|(place, _)| place).collect());
        };
        match version.plan.group_number(task) {
            Some(group) => Ok(version.plan.groups[group as usize].places().collect()),
            None => Ok(vec![Self::place(version, &run.task(task.clone()))?]),
        }
    }
}

impl Engine {
    /// Why a run is where it is, and a part of its tasks, or one of them (all combinations, for a task with a matrix).
    pub async fn explain_run(&self, id: &RunRef, task: Option<&TaskId>, page: Page) -> Result<Explained> {
        self.inner.fate.check()?;
        let run = self.inner.run(id).await?;
        self.inner.explain(run, task, &page).await
    }
}
