//! Starting a run: checked, numbered, seated, durable, answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gofer_hall::{KeyTurn, RunHandle, Start, StartTicket, item};
use gofer_records::IdempotencyRecord;
use gofer_types::record::FanOut;
use gofer_types::{
    AttemptId, LabelKey, PipelineRecord, PipelineRef, RetryOf, RunNumber, RunRecord, TaskId, TaskRef,
    TaskSet, VariableName,
};
use gofer_versions::{Digest, Version, check_images, check_labels, check_priority, choose};

use crate::Engine;
use crate::api::{Accepted, Caller, StartRun};
use crate::driver::{Inner, NewRun, launch};
use crate::error::{EngineError, Result};

/// The greatest size of all variables of a run, so that its record stays small.
const VARIABLES: usize = 32 * 1024;

/// How many runs may be parts of each other.
const DEEPEST: usize = 16;

/// A start whose arguments are known to be good.
pub(super) struct Checked {
    pub(super) version: Arc<Version>,
    pub(super) fan_outs: Vec<(u32, FanOut)>,
    pub(super) variables: BTreeMap<VariableName, String>,
    pub(super) labels: BTreeMap<LabelKey, String>,
    pub(super) priority: i8,
    pub(super) images: BTreeMap<TaskId, String>,
    pub(super) chosen: Option<TaskSet>,
    pub(super) retry: Option<RetryOf>,
    pub(super) trigger: String,
    pub(super) parent: Option<TaskRef>,
}

/// The key of a start, with a digest of what was asked for under it.
pub(super) struct Key {
    pub(super) key: Option<String>,
    pub(super) fingerprint: String,
    /// The attempt of a task of another run that starts it.
    pub(super) child: Option<AttemptId>,
}

impl Inner {
    async fn start(self: &Arc<Self>, ctx: &Caller, wish: StartRun) -> Result<Accepted> {
        let id = wish.pipeline.clone();
        let key = Key { key: wish.idempotency_key.clone(), fingerprint: fingerprint(&wish), child: None };
        let (_turn, known) = self.known_start(&id, &key).await?;
        if let Some(known) = known {
            return Ok(known);
        }
        let (ticket, pipeline) = self.ticket(&id).await?;
        let checked = self.check_start(&pipeline, wish).await?;
        let run = self.begin_run(ctx, ticket, checked, key).await?;
        Ok(Accepted { run, existing: false })
    }

    /// The run that an earlier start with the same key made, and the turn of the key: the first of several starts with one key
    /// goes on, the others wait for what becomes of it.
    pub(super) async fn known_start(
        &self,
        id: &PipelineRef,
        key: &Key,
    ) -> Result<(Option<KeyTurn>, Option<Accepted>)> {
        let Some(text) = &key.key else { return Ok((None, None)) };
        let turn = self.hall.key_turn(id, text).await;
        let Some(known) = self.records.idempotency(id, text).await? else { return Ok((Some(turn), None)) };
        let run = id.run(known.run);
        if known.fingerprint != key.fingerprint {
            return Err(EngineError::IdempotencyMismatch { run });
        }
        Ok((Some(turn), Some(Accepted { run: self.run(&run).await?, existing: true })))
    }

    /// Starts a run that is a part of another one, for an attempt of the task that it is.
    pub(crate) async fn start_child(
        self: &Arc<Self>,
        ctx: &Caller,
        wish: StartRun,
        (parent, attempt): (TaskRef, AttemptId),
    ) -> Result<RunRecord> {
        self.check_depth(&wish.pipeline, &parent).await?;
        let (ticket, pipeline) = self.ticket(&wish.pipeline).await?;
        let checked = Checked { parent: Some(parent), ..self.check_start(&pipeline, wish).await? };
        let key = Key { key: None, fingerprint: String::new(), child: Some(attempt) };
        self.begin_run(ctx, ticket, checked, key).await
    }

    /// Refuses a run that would be a part of a run of its own pipeline, or lie too deep: it would wait for itself.
    async fn check_depth(&self, pipeline: &PipelineRef, parent: &TaskRef) -> Result<()> {
        let mut next = Some(parent.clone());
        for _ in 0..DEEPEST {
            let Some(task) = next else { return Ok(()) };
            if task.run.pipeline == *pipeline {
                return Err(EngineError::OwnPart { pipeline: pipeline.clone(), run: task.run });
            }
            next = self.records.run(&task.run).await?.and_then(|run| run.parent);
        }
        Err(EngineError::OwnPart { pipeline: pipeline.clone(), run: parent.run.clone() })
    }

    /// The right to start a run of a pipeline that is there and enabled.
    pub(super) async fn ticket(self: &Arc<Self>, id: &PipelineRef) -> Result<(StartTicket, PipelineRecord)> {
        loop {
            match self.hall.take_start(id) {
                Some(Start::Allowed(ticket, record)) => return Ok((ticket, *record)),
                Some(Start::Missing) => return Err(self.no_pipeline(id).await?),
                Some(Start::Disabled) => return Err(EngineError::PipelineDisabled { id: id.clone() }),
                None => self.learn_pipeline(id).await?,
            }
        }
    }

    async fn check_start(&self, pipeline: &PipelineRecord, wish: StartRun) -> Result<Checked> {
        let version = self.version(pipeline, wish.version).await?;
        let config = &version.record.config;
        let variables = gofer_pipeline::resolve_variables(config, &wish.variables)
            .map_err(EngineError::InvalidVariables)?;
        let size: usize = variables.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if size > VARIABLES {
            return Err(EngineError::VariablesTooLarge { size, limit: VARIABLES });
        }
        let mut problems = Vec::new();
        let labels = check_labels(config, wish.labels, &mut problems);
        check_priority(wish.priority, &mut problems);
        check_images(config, &wish.images, |task| self.blind(task), &mut problems);
        let chosen = choose(&version.plan, &wish.selection, &mut problems);
        if !problems.is_empty() {
            return Err(EngineError::InvalidStart(problems));
        }
        let (priority, images, trigger) = (wish.priority, wish.images, wish.trigger);
        let (retry, parent, fan_outs) = (None, None, Vec::new());
        Ok(Checked { version, fan_outs, variables, labels, priority, images, chosen, retry, trigger, parent })
    }

    pub(super) async fn begin_run(
        self: &Arc<Self>,
        ctx: &Caller,
        ticket: StartTicket,
        checked: Checked,
        key: Key,
    ) -> Result<RunRecord> {
        let created = self.clock.now();
        let number = ticket.next_number();
        let id = ticket.pipeline().run(RunNumber(number));
        let (handle, mailbox) = RunHandle::new(id.clone(), created);
        let Key { key, fingerprint, child } = key;
        let idempotency = key.is_some().then_some(IdempotencyRecord { run: RunNumber(number), fingerprint });
        let version = checked.version;
        let run = RunRecord {
            version: version.record.version,
            actor: ctx.actor.clone(),
            trigger: checked.trigger,
            variables: checked.variables,
            idempotency_key: key,
            tasks: u32::try_from(version.plan.count()).unwrap_or(u32::MAX),
            labels: checked.labels,
            priority: checked.priority,
            images: checked.images,
            chosen: checked.chosen,
            retry: checked.retry,
            parent: checked.parent,
            sensitive: sensitive(&version),
            ..RunRecord::new(id, created)
        };
        let refuse = |refused| EngineError::Queue { id: handle.run.pipeline.clone(), refused };
        let admission = self.hall.seat(&handle, item(&run, &version.record.config)).map_err(refuse)?;
        let next_run = number + 1;
        let fan_outs = checked.fan_outs;
        let new = NewRun { run, version, fan_outs, idempotency, child, next_run, handle, mailbox, admission };
        let result = launch(self, new).await;
        drop(ticket);
        result
    }
}

/// The variables whose values are shown to nobody.
fn sensitive(version: &Version) -> BTreeSet<VariableName> {
    let variables = version.record.config.variables.iter();
    variables.filter(|(_, variable)| variable.sensitive).map(|(name, _)| name.clone()).collect()
}

/// A digest of what was asked for, to tell a repeated start from another one with the same key.
fn fingerprint(wish: &StartRun) -> String {
    let mut parts = Digest::new();
    parts.part(&wish.version.map_or(0, |version| version.0).to_be_bytes());
    parts.text(&wish.trigger);
    wish.variables.iter().flat_map(|(name, value)| [name, value]).for_each(|text| parts.text(text));
    // what stands behind this was not there always: a start without it keeps the digest that it had
    let labels = wish.labels.iter().map(|(key, value)| ("label", key.to_string(), value.clone()));
    let images = wish.images.iter().map(|(task, image)| ("image", task.to_string(), image.clone()));
    let only = wish.selection.only.iter().map(|task| ("only", task.to_string(), String::new()));
    let from = wish.selection.from.iter().map(|task| ("from", task.to_string(), String::new()));
    let mut more: Vec<(&str, String, String)> = labels.chain(images).chain(only).chain(from).collect();
    if wish.priority != 0 {
        more.push(("priority", wish.priority.to_string(), String::new()));
    }
    if wish.selection.with_parents {
        more.push(("with_parents", String::new(), String::new()));
    }
    for (kind, name, value) in more {
        [kind, &name, &value].into_iter().for_each(|text| parts.text(text));
    }
    parts.finish()
}

pub(super) fn check_key(key: Option<&str>) -> Result<()> {
    if key.is_none_or(gofer_types::is_idempotency_key) {
        Ok(())
    } else {
        Err(EngineError::InvalidIdempotencyKey)
    }
}

impl Engine {
    /// Starts a run, and answers when it is durable. With an idempotency key a repeated start answers the run of the first.
    pub async fn start_run(&self, ctx: &Caller, wish: StartRun) -> Result<Accepted> {
        self.inner.fate.check()?;
        check_key(wish.idempotency_key.as_deref())?;
        let (inner, ctx) = (Arc::clone(&self.inner), ctx.clone());
        self.inner.detached(async move { inner.start(&ctx, wish).await }).await
    }
}
