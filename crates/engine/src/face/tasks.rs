//! Task runs. One that still waits for its parents has no record: what is told of it follows from its version.

use std::collections::HashMap;
use std::sync::Arc;

use gofer_types::{AttemptRecord, RunRecord, RunRef, TaskRef, TaskRunRecord};
use gofer_versions::Version;

use super::paging::nearest;
use crate::Engine;
use crate::api::{Listing, Page};
use crate::driver::Inner;
use crate::error::{EngineError, Result};

/// How often the graph of a run is read anew because it grew meanwhile.
const TORN: u32 = 10;

impl Inner {
    /// The version that a run executes, with the graph that the run has come to.
    pub(crate) async fn version_of(&self, run: &RunRecord) -> Result<Arc<Version>> {
        let version = self.version_at_first(run).await?;
        let mut tries = 0;
        loop {
            let mut known = Vec::new();
            for place in version.readers() {
                let record = self.records.task(&run.id, place).await?;
                known.extend(record.and_then(|record| record.fan_out).map(|fan_out| (place, fan_out)));
            }
            match version.fanned_out(known.iter().map(|(place, fan_out)| (*place, fan_out))) {
                Ok(version) => return Ok(version),
                // some became known while others were read
                Err(_) if tries < TORN => tries += 1,
                Err(reason) => return Err(EngineError::Quarantined { run: run.id.clone(), reason }),
            }
        }
    }

    async fn version_at_first(&self, run: &RunRecord) -> Result<Arc<Version>> {
        let version = self.versions.get(&run.id.pipeline, run.version).await?;
        let missing = || EngineError::VersionNotFound {
            id: run.id.pipeline.clone(),
            version: run.version,
            latest: run.version,
        };
        version.ok_or_else(missing)
    }

    /// The place of a task in the pipeline file.
    pub(crate) fn place(version: &Version, id: &TaskRef) -> Result<u32> {
        let names = version.plan.tasks.iter().map(|task| task.id.as_str());
        let missing =
            || EngineError::TaskNotFound { id: id.clone(), suggestion: nearest(id.task.as_str(), names) };
        version.plan.number(&id.task).ok_or_else(missing)
    }

    /// All task runs of a run, in the order of the file.
    pub(crate) async fn all_tasks(&self, run: &RunRecord) -> Result<Vec<TaskRunRecord>> {
        let version = self.version_of(run).await?;
        let stored: HashMap<u32, TaskRunRecord> = self.records.tasks(&run.id).await?.into_iter().collect();
        let ended = |place: u32| stored.get(&place).is_some_and(|task| task.state.is_terminal());
        let all = (0_u32..).zip(&version.plan.tasks).map(|(place, _)| match stored.get(&place) {
            Some(record) => record.clone(),
            None => version.waiting(run, place, ended),
        });
        Ok(all.collect())
    }

    /// The parents of a task that has no record yet, of which some may have ended.
    async fn waiting_task(&self, run: &RunRecord, version: &Version, place: u32) -> Result<TaskRunRecord> {
        let mut ended = Vec::new();
        for (parent, _) in version.plan.parents_of(place) {
            if self.records.task(&run.id, parent).await?.is_some_and(|task| task.state.is_terminal()) {
                ended.push(parent);
            }
        }
        // it may have left `waiting` while its parents were read
        if let Some(record) = self.records.task(&run.id, place).await? {
            return Ok(record);
        }
        Ok(version.waiting(run, place, |parent| ended.contains(&parent)))
    }
}

impl Engine {
    /// One task run with its attempts.
    pub async fn get_task_run(&self, id: &TaskRef) -> Result<(TaskRunRecord, Vec<AttemptRecord>)> {
        self.inner.fate.check()?;
        let inner = &self.inner;
        let run = inner.run(&id.run).await?;
        let version = inner.version_of(&run).await?;
        let place = Inner::place(&version, id)?;
        match inner.records.task(&id.run, place).await? {
            Some(task) => Ok((task, inner.records.attempts(&id.run, place).await?)),
            None => Ok((inner.waiting_task(&run, &version, place).await?, Vec::new())),
        }
    }

    /// The task runs of a run, in the order of the pipeline file; what a list has become stands behind all others.
    pub async fn list_task_runs(&self, id: &RunRef, page: Page) -> Result<Listing<TaskRunRecord>> {
        self.inner.fate.check()?;
        let run = self.inner.run(id).await?;
        let (items, next) = page.part(id, self.inner.all_tasks(&run).await?)?;
        Ok(Listing { items, next })
    }
}
