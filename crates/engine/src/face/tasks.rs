//! Task runs. One that still waits for its parents has no record: what is told of it follows from its version.

use std::collections::HashMap;
use std::sync::Arc;

use gofer_types::{AttemptRecord, Cause, RunRecord, RunRef, TaskRef, TaskRunRecord, TaskState};

use super::paging::nearest;
use crate::Engine;
use crate::api::{Listing, Page};
use crate::driver::{Inner, Version};
use crate::error::{EngineError, Result};

/// How many parents a cause names at most.
const NAMED: usize = 20;

impl Inner {
    /// The version that a run executes.
    pub(crate) async fn version_of(&self, run: &RunRecord) -> Result<Arc<Version>> {
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
            None => waiting(run, &version, place, ended),
        });
        Ok(all.collect())
    }

    /// The parents of a task that has no record yet, of which some may have ended.
    async fn waiting_task(&self, run: &RunRecord, version: &Version, place: u32) -> Result<TaskRunRecord> {
        let mut ended = Vec::new();
        for (parent, _) in &version.plan.task(place).parents {
            if self.records.task(&run.id, *parent).await?.is_some_and(|task| task.state.is_terminal()) {
                ended.push(*parent);
            }
        }
        // it may have left `waiting` while its parents were read
        if let Some(record) = self.records.task(&run.id, place).await? {
            return Ok(record);
        }
        Ok(waiting(run, version, place, |parent| ended.contains(&parent)))
    }
}

/// What is told of a task that waits for its parents.
fn waiting(run: &RunRecord, version: &Version, place: u32, ended: impl Fn(u32) -> bool) -> TaskRunRecord {
    let task = version.plan.task(place);
    let open = task.parents.iter().filter(|(parent, _)| !ended(*parent));
    let names: Vec<_> = open.take(NAMED).map(|(parent, _)| version.plan.task(*parent).id.clone()).collect();
    let cause = match &run.cause {
        // a task without parents waits for the run
        cause if names.is_empty() => cause.clone(),
        _ => Cause::WaitingForParents(names),
    };
    TaskRunRecord {
        id: run.id.task(task.id.clone()),
        state: TaskState::Waiting,
        cause,
        attempts: Vec::new(),
        changed: run.created,
        started: None,
        ended: None,
        exit_code: None,
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

    /// The task runs of a run, in the order of the pipeline file.
    pub async fn list_task_runs(&self, id: &RunRef, page: Page) -> Result<Listing<TaskRunRecord>> {
        self.inner.fate.check()?;
        let size = page.wanted();
        let from = match page.token.as_deref().filter(|token| !token.is_empty()) {
            None => 0,
            Some(token) => gofer_records::untoken_place(id, token)?,
        };
        let run = self.inner.run(id).await?;
        let all = self.inner.all_tasks(&run).await?;
        let from = from as usize;
        let next = u32::try_from(from + size).ok().filter(|next| (*next as usize) < all.len());
        let items = all.into_iter().skip(from).take(size).collect();
        Ok(Listing { items, next: next.map(|next| gofer_records::token_place(id, next)) })
    }
}
