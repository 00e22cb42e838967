//! Repeating a run: the same version, variables and overrides, and what succeeded is not executed again where that is wished.

use std::collections::HashMap;
use std::sync::Arc;

use gofer_run_machine::Selection;
use gofer_types::{RetryOf, RunRecord, TaskRunRecord, TaskSet, TaskState};
use gofer_versions::{Digest, Version, select_problem};

use super::start::{Checked, Key, check_key};
use crate::Engine;
use crate::api::{Accepted, Caller, RetryRun, Scope};
use crate::driver::Inner;
use crate::error::{EngineError, Result};

impl Inner {
    async fn retry(self: &Arc<Self>, ctx: &Caller, wish: RetryRun) -> Result<Accepted> {
        let id = wish.run.pipeline.clone();
        let key = Key { key: wish.idempotency_key.clone(), fingerprint: fingerprint(&wish), child: None };
        let (_turn, known) = self.known_start(&id, &key).await?;
        if let Some(known) = known {
            return Ok(known);
        }
        let former = self.run(&wish.run).await?;
        if !former.state.is_terminal() {
            return Err(EngineError::RunNotEnded { run: wish.run });
        }
        let version = self.version_of(&former).await?;
        let tasks = self.records.tasks(&former.id).await?;
        let reused = reused(&former, (&version, &tasks), &wish.scope)?;
        let late = version.readers().next().is_some();
        let kept = if late { version.with_plan(version.plan.kept(&reused)) } else { Arc::clone(&version) };
        let answers = kept.kept_answers((&version, &tasks), &reused);
        let reused = version.plan.places_in(&kept.plan, &reused);
        let fan_outs = kept.kept_fan_outs(tasks);
        let (ticket, _) = self.ticket(&id).await?;
        let checked = Checked {
            version: kept,
            fan_outs,
            variables: former.variables,
            labels: former.labels,
            priority: former.priority,
            images: former.images,
            chosen: former.chosen,
            retry: Some(RetryOf { run: former.id.run, reused, answers }),
            trigger: wish.trigger,
            parent: None,
        };
        let run = self.begin_run(ctx, ticket, checked, key).await?;
        Ok(Accepted { run, existing: false })
    }
}

/// The tasks that need not be executed again.
fn reused(
    former: &RunRecord,
    (version, tasks): (&Version, &[(u32, TaskRunRecord)]),
    scope: &Scope,
) -> Result<TaskSet> {
    let again = match scope {
        Scope::All => return Ok(TaskSet::default()),
        Scope::FromFailed => Vec::new(),
        Scope::From(tasks) => tasks.clone(),
    };
    let states: HashMap<u32, TaskState> = tasks.iter().map(|(place, task)| (*place, task.state)).collect();
    let state = |place: u32| states.get(&place).copied().unwrap_or(TaskState::Waiting);
    let reused = version.plan.reusable(&again, state).map_err(|error| {
        let wish = Selection { from: again.clone(), ..Selection::default() };
        EngineError::InvalidStart(vec![select_problem(&version.plan, &wish, error)])
    })?;
    let all = (0..former.tasks).all(|place| reused.contains(place) || state(place) == TaskState::Skipped);
    if all { Err(EngineError::NothingToRetry { run: former.id.clone() }) } else { Ok(reused) }
}

fn fingerprint(wish: &RetryRun) -> String {
    let mut parts = Digest::new();
    ["retry", &wish.run.run.to_string(), &wish.trigger].into_iter().for_each(|text| parts.text(text));
    match &wish.scope {
        Scope::All => parts.text("all"),
        Scope::FromFailed => parts.text("from failed"),
        Scope::From(tasks) => tasks.iter().for_each(|task| parts.text(task.as_str())),
    }
    parts.finish()
}

impl Engine {
    /// Starts a run that repeats one that has ended, and answers when it is durable. As [`Engine::start_run`] otherwise.
    pub async fn retry_run(&self, ctx: &Caller, wish: RetryRun) -> Result<Accepted> {
        self.inner.fate.check()?;
        check_key(wish.idempotency_key.as_deref())?;
        let (inner, ctx) = (Arc::clone(&self.inner), ctx.clone());
        self.inner.detached(async move { inner.retry(&ctx, wish).await }).await
    }
}
