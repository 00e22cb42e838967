//! Starting a run: checked, numbered, seated, durable, answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use gofer_records::IdempotencyRecord;
use gofer_types::{Cause, PipelineRecord, PipelineRef, RunNumber, RunRecord, RunState, VariableName};
use sha2::{Digest, Sha256};

use crate::Engine;
use crate::api::{Accepted, Caller, StartRun};
use crate::driver::{Inner, NewRun, RunHandle, StartTicket, Version, hex, launch};
use crate::error::{EngineError, Result};

/// The greatest size of all variables of a run, so that its record stays small.
const VARIABLES: usize = 32 * 1024;

/// The longest idempotency key.
const KEY: usize = 128;

/// A start whose arguments are known to be good.
struct Checked {
    version: Arc<Version>,
    variables: BTreeMap<VariableName, String>,
    key: Option<String>,
    fingerprint: String,
    trigger: String,
}

impl Inner {
    async fn start(self: &Arc<Self>, ctx: &Caller, wish: StartRun) -> Result<Accepted> {
        let id = wish.pipeline.clone();
        let fingerprint = fingerprint(&wish);
        // the first of several starts with one key goes on, the others wait for what becomes of it
        let _turn = match &wish.idempotency_key {
            Some(key) => Some(self.hall.key_turn(&id, key).await),
            None => None,
        };
        if let Some(key) = &wish.idempotency_key
            && let Some(known) = self.records.idempotency(&id, key).await?
        {
            return self.existing(&id, known, &fingerprint).await;
        }
        let (ticket, pipeline) = self.ticket(&id).await?;
        let checked = self.check_start(&pipeline, wish, fingerprint).await?;
        let run = self.begin_run(ctx, ticket, checked).await?;
        Ok(Accepted { run, existing: false })
    }

    async fn existing(
        &self,
        id: &PipelineRef,
        known: IdempotencyRecord,
        fingerprint: &str,
    ) -> Result<Accepted> {
        let run = id.run(known.run);
        if known.fingerprint != fingerprint {
            return Err(EngineError::IdempotencyMismatch { run });
        }
        Ok(Accepted { run: self.run(&run).await?, existing: true })
    }

    /// The right to start a run of a pipeline that is there and enabled.
    async fn ticket(self: &Arc<Self>, id: &PipelineRef) -> Result<(StartTicket, PipelineRecord)> {
        loop {
            match StartTicket::take(self, id) {
                Some(Ok(found)) => return Ok(found),
                Some(Err(EngineError::PipelineNotFound { .. })) => return Err(self.no_pipeline(id).await?),
                Some(Err(error)) => return Err(error),
                None => self.learn_pipeline(id).await?,
            }
        }
    }

    async fn check_start(
        &self,
        pipeline: &PipelineRecord,
        wish: StartRun,
        fingerprint: String,
    ) -> Result<Checked> {
        let version = self.version(pipeline, wish.version).await?;
        let variables = gofer_pipeline::resolve_variables(&version.record.config, &wish.variables)
            .map_err(EngineError::InvalidVariables)?;
        let size: usize = variables.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if size > VARIABLES {
            return Err(EngineError::VariablesTooLarge { size, limit: VARIABLES });
        }
        Ok(Checked { version, variables, key: wish.idempotency_key, fingerprint, trigger: wish.trigger })
    }

    async fn begin_run(
        self: &Arc<Self>,
        ctx: &Caller,
        ticket: StartTicket,
        checked: Checked,
    ) -> Result<RunRecord> {
        let created = self.clock.now();
        let number = ticket.next_number();
        let id = ticket.pipeline().run(RunNumber(number));
        let (handle, mailbox) = RunHandle::new(id.clone(), self.next_serial(), created);
        let admission = self.hall.seat(&handle, checked.version.record.config.parallelism)?;
        let idempotency = checked
            .key
            .is_some()
            .then_some(IdempotencyRecord { run: RunNumber(number), fingerprint: checked.fingerprint });
        let run = RunRecord {
            id,
            version: checked.version.record.version,
            state: RunState::Queued,
            cause: Cause::Completed,
            actor: ctx.actor.clone(),
            trigger: checked.trigger,
            variables: checked.variables,
            idempotency_key: checked.key,
            created,
            started: None,
            ended: None,
            deadline: None,
            cancel: None,
            tasks: u32::try_from(checked.version.plan.count()).unwrap_or(u32::MAX),
        };
        let version = checked.version;
        let new = NewRun { run, version, idempotency, next_run: number + 1, handle, mailbox, admission };
        let result = launch(self, new).await;
        drop(ticket);
        result
    }
}

/// A digest of what was asked for, to tell a repeated start from another one with the same key.
fn fingerprint(wish: &StartRun) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(&wish.version.map_or(0, |version| version.0).to_be_bytes());
    part(wish.trigger.as_bytes());
    for (name, value) in &wish.variables {
        part(name.as_bytes());
        part(value.as_bytes());
    }
    hex(&hash.finalize())
}

fn check_key(key: &str) -> Result<()> {
    let good = (1..=KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if good { Ok(()) } else { Err(EngineError::InvalidIdempotencyKey) }
}

impl Engine {
    /// Starts a run, and answers when it is durable. With an idempotency key a repeated start answers the run of the first.
    pub async fn start_run(&self, ctx: &Caller, wish: StartRun) -> Result<Accepted> {
        self.inner.fate.check()?;
        if let Some(key) = &wish.idempotency_key {
            check_key(key)?;
        }
        let (inner, ctx) = (Arc::clone(&self.inner), ctx.clone());
        self.inner.detached(async move { inner.start(&ctx, wish).await }).await
    }
}
