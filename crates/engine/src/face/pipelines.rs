//! Pipelines and their versions.
//!
//! Changes take turns. What starts of runs look at (enabled, newest version) is kept in the hall; it is changed there
//! before the change is written, and starts that are on their way are waited for, so that no run begins behind the event
//! that forbids it.

use std::sync::Arc;
use std::time::Duration;

use gofer_records::{Counter, Tx};
use gofer_types::{
    EventKind, Namespace, Pipeline, PipelineRecord, PipelineRef, Timestamp, VersionNumber, VersionRecord,
};
use gofer_versions::Version;

use super::paging::nearest;
use crate::Engine;
use crate::api::{Caller, Listing, Page, Registered, Registration};
use crate::driver::Inner;
use crate::error::{EngineError, Result};

/// How long a deletion waits for the output of ended runs to be put away.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many names are looked at for one that may have been meant.
const LOOK: usize = 1000;

impl Inner {
    /// A pipeline that is there.
    pub(crate) async fn pipeline(&self, id: &PipelineRef) -> Result<PipelineRecord> {
        match self.records.pipeline(id).await? {
            Some(record) => Ok(record),
            None => Err(self.no_pipeline(id).await?),
        }
    }

    /// The error for a pipeline that is not there.
    pub(crate) async fn no_pipeline(&self, id: &PipelineRef) -> Result<EngineError> {
        self.namespace(&id.namespace).await?;
        let page = Page { size: LOOK, token: None };
        let known = self.records.pipelines(Some(&id.namespace), &page.request()).await?.items;
        let suggestion = nearest(id.pipeline.as_str(), known.iter().map(|known| known.id.pipeline.as_str()));
        Ok(EngineError::PipelineNotFound { id: id.clone(), suggestion })
    }

    /// A version of a pipeline; the newest for `None`.
    pub(crate) async fn version(
        &self,
        pipeline: &PipelineRecord,
        number: Option<VersionNumber>,
    ) -> Result<Arc<Version>> {
        let version = number.unwrap_or(pipeline.latest);
        let missing =
            || EngineError::VersionNotFound { id: pipeline.id.clone(), version, latest: pipeline.latest };
        self.versions.get(&pipeline.id, version).await?.ok_or_else(missing)
    }

    /// Fills in what other rows say of a pipeline.
    async fn filled(&self, mut record: PipelineRecord) -> Result<PipelineRecord> {
        record.next_run = self.records.counter(&record.id, Counter::Runs).await?;
        Ok(record)
    }

    async fn with_version(&self, record: PipelineRecord) -> Result<(PipelineRecord, VersionRecord)> {
        let version = self.version(&record, None).await?;
        Ok((self.filled(record).await?, VersionRecord::clone(&version.record)))
    }

    /// Refuses what this server cannot run.
    fn check_config(&self, config: &Pipeline) -> Result<()> {
        let missing = gofer_pipeline::unsupported(config, &self.options.supported);
        if !missing.is_empty() {
            return Err(EngineError::Unsupported(missing));
        }
        for task in &config.tasks {
            if self.schedulers.get(task.scheduler.as_ref()).is_none() {
                return Err(EngineError::UnknownScheduler {
                    task: task.id.clone(),
                    name: task.scheduler.clone().unwrap_or_else(|| self.schedulers.default.clone()),
                    known: self.schedulers.named.keys().cloned().collect(),
                });
            }
        }
        Ok(())
    }

    async fn register(&self, ctx: &Caller, wish: Registration) -> Result<Registered> {
        self.check_config(&wish.config)?;
        let _turn = self.admin.lock().await;
        self.namespace(&wish.pipeline.namespace).await?;
        self.check_parts(&wish.pipeline, &wish.config).await?;
        if self.records.deleting().await?.contains(&wish.pipeline) {
            self.delete_history(&wish.pipeline).await?;
        }
        let _change = self.hall.change_turn(&wish.pipeline).await;
        self.learn_pipeline(&wish.pipeline).await?;
        let known = self.records.pipeline(&wish.pipeline).await?;
        let actual = known.as_ref().map_or(0, |known| known.latest.0);
        if let Some(expected) = wish.expected.filter(|expected| *expected != actual) {
            return Err(EngineError::VersionMoved { expected, actual });
        }
        let digest = gofer_pipeline::digest(&wish.config);
        if let Some(known) = &known {
            let latest = self.version(known, None).await?;
            if latest.record.digest == digest {
                let (pipeline, version) = self.with_version(known.clone()).await?;
                return Ok(Registered { pipeline, version, unchanged: true });
            }
        }
        self.write_version(ctx, wish, known, digest).await
    }

    async fn write_version(
        &self,
        ctx: &Caller,
        wish: Registration,
        known: Option<PipelineRecord>,
        digest: String,
    ) -> Result<Registered> {
        let (id, now) = (wish.pipeline, self.clock.now());
        let number = self.records.counter(&id, Counter::Versions).await?;
        let record = VersionRecord {
            pipeline: id.clone(),
            version: VersionNumber(number),
            created: now,
            actor: ctx.actor.clone(),
            digest,
            config: wish.config,
        };
        let version = Version::new(record, self.options.default_task_timeout.get())
            .map_err(|reason| EngineError::InvalidPipeline { reason })?;
        let pipeline = PipelineRecord {
            id: id.clone(),
            created: known.as_ref().map_or(now, |known| known.created),
            updated: now,
            latest: VersionNumber(number),
            enabled: known.is_none_or(|known| known.enabled),
            next_run: 0,
        };
        let mut tx = Tx::default();
        tx.put_version(&version.record).put_pipeline(&pipeline);
        tx.put_counter(&id, Counter::Versions, number + 1);
        let kind = EventKind::VersionRegistered { pipeline: id.clone(), version: VersionNumber(number) };
        tx.event(now, ctx.actor.clone(), kind);
        self.committer.commit(tx).await?;
        self.versions.keep(&version);
        self.hall.learn(&id, Some(pipeline.clone()));
        let version = VersionRecord::clone(&version.record);
        Ok(Registered { pipeline: self.filled(pipeline).await?, version, unchanged: false })
    }

    async fn set_enabled(&self, ctx: &Caller, id: &PipelineRef, enabled: bool) -> Result<PipelineRecord> {
        let _turn = self.admin.lock().await;
        let known = self.pipeline(id).await?;
        if known.enabled == enabled {
            return self.filled(known).await;
        }
        let record = PipelineRecord { enabled, ..known.clone() };
        let _change = self.hall.change_turn(id).await;
        self.learn_pipeline(id).await?;
        if !enabled {
            self.hall.learn(id, Some(record.clone()));
            self.calm_starts(id).await;
        }
        let mut tx = Tx::default();
        tx.put_pipeline(&record);
        let kind = EventKind::PipelineEnabled { pipeline: id.clone(), enabled };
        tx.event(self.clock.now(), ctx.actor.clone(), kind);
        let written = self.committer.commit(tx).await;
        self.hall.learn(id, Some(if written.is_ok() { record.clone() } else { known }));
        written?;
        self.filled(record).await
    }

    /// Waits until no start of the pipeline is on its way.
    async fn calm_starts(&self, id: &PipelineRef) {
        loop {
            let calmer = self.hall.calmer.notified();
            if !self.hall.entry(id, |entry| entry.starting > 0) || self.fate.check().is_err() {
                return;
            }
            tokio::select! {
                () = calmer => {}
                () = self.fate.stop().cancelled() => {}
            }
        }
    }

    /// Waits a while until everything of the pipeline is put away.
    async fn calm_runs(&self, id: &PipelineRef) -> bool {
        let until = self.clock.monotonic().saturating_add(PATIENCE);
        let mut late = self.clock.sleep_until(until);
        loop {
            let calmer = self.hall.calmer.notified();
            if self.hall.is_idle(id) {
                return true;
            }
            tokio::select! {
                () = calmer => {}
                () = &mut late => return false,
                () = self.fate.stop().cancelled() => return false,
            }
        }
    }

    async fn delete(&self, ctx: &Caller, id: &PipelineRef) -> Result<()> {
        let turn = self.admin.lock().await;
        let known = self.pipeline(id).await?;
        let change = self.hall.change_turn(id).await;
        self.learn_pipeline(id).await?;
        // as if it were not there: nothing new starts from here on
        self.hall.learn(id, None);
        self.calm_starts(id).await;
        let active = self.hall.runs_of(id).0 as u64;
        if active > 0 || !self.calm_runs(id).await {
            self.hall.learn(id, Some(known));
            return Err(EngineError::PipelineActive { id: id.clone(), active: active.max(1) });
        }
        let now: Timestamp = self.clock.now();
        let mut tx = Tx::default();
        let next =
            self.records.counter(id, Counter::Runs).await?.max(self.hall.entry(id, |entry| entry.next_run));
        tx.delete_pipeline(id).put_counter(id, Counter::Runs, next);
        tx.event(now, ctx.actor.clone(), EventKind::PipelineDeleted { pipeline: id.clone() });
        if let Err(error) = self.committer.commit(tx).await {
            self.hall.learn(id, Some(known));
            return Err(error.into());
        }
        drop((change, turn));
        self.delete_in_turns(id).await
    }

    /// Removes what a deleted pipeline left, step by step; a later try goes on where this one stopped. The caller has the turn
    /// of all changes.
    async fn delete_history(&self, id: &PipelineRef) -> Result<()> {
        while self.delete_some(id).await? {}
        Ok(())
    }

    /// The same for who has no turn: other changes get theirs between the steps.
    async fn delete_in_turns(&self, id: &PipelineRef) -> Result<()> {
        loop {
            let _turn = self.admin.lock().await;
            // a registration in between has finished the deletion, and what is there now is its own
            if !self.records.deleting().await?.contains(id) || !self.delete_some(id).await? {
                return Ok(());
            }
        }
    }

    /// One step of a deletion; whether there may be another one.
    async fn delete_some(&self, id: &PipelineRef) -> Result<bool> {
        if let Some(tx) = self.records.deletion_step(id).await? {
            self.committer.commit(tx).await?;
            return Ok(true);
        }
        self.logs.delete_pipeline(id).await?;
        self.objects.delete_pipeline(id).await?;
        self.household.forget(id);
        let mut tx = Tx::default();
        tx.finish_deletion(id);
        self.committer.commit(tx).await?;
        Ok(false)
    }
}

/// Goes on with deletions that an earlier server began.
pub(crate) async fn finish_deletions(inner: Arc<Inner>) {
    let left_over = inner.records.deleting().await;
    let warn =
        |error: EngineError| tracing::warn!(%error, "the history of a deleted pipeline is still there");
    let ids = left_over.map_err(|error| warn(error.into())).unwrap_or_default();
    for id in ids {
        // one that cannot be finished must not keep the others
        inner.delete_in_turns(&id).await.unwrap_or_else(warn);
    }
}

impl Engine {
    /// Registers a configuration as the newest version, or says that it is already.
    pub async fn register_pipeline(&self, ctx: &Caller, registration: Registration) -> Result<Registered> {
        self.inner.fate.check()?;
        let (inner, ctx) = (Arc::clone(&self.inner), ctx.clone());
        self.inner.detached(async move { inner.register(&ctx, registration).await }).await
    }

    /// One pipeline with its newest version.
    pub async fn get_pipeline(&self, id: &PipelineRef) -> Result<(PipelineRecord, VersionRecord)> {
        self.inner.fate.check()?;
        let record = self.inner.pipeline(id).await?;
        self.inner.with_version(record).await
    }

    /// The pipelines of a namespace, or all, by id, with their newest versions.
    pub async fn list_pipelines(
        &self,
        namespace: Option<&Namespace>,
        page: Page,
    ) -> Result<Listing<(PipelineRecord, VersionRecord)>> {
        self.inner.fate.check()?;
        if let Some(name) = namespace {
            self.inner.namespace(name).await?;
        }
        let slice = self.inner.records.pipelines(namespace, &page.request()).await?;
        let mut items = Vec::with_capacity(slice.items.len());
        for record in slice.items {
            match self.inner.with_version(record).await {
                Ok(item) => items.push(item),
                // one damaged version must not hide the other pipelines
                Err(EngineError::Record(_) | EngineError::VersionNotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Listing { items, next: slice.next })
    }

    /// One version; the newest for `None`.
    pub async fn get_version(
        &self,
        id: &PipelineRef,
        version: Option<VersionNumber>,
    ) -> Result<VersionRecord> {
        self.inner.fate.check()?;
        let record = self.inner.pipeline(id).await?;
        Ok(VersionRecord::clone(&self.inner.version(&record, version).await?.record))
    }

    /// The versions of a pipeline, newest first.
    pub async fn list_versions(&self, id: &PipelineRef, page: Page) -> Result<Listing<VersionRecord>> {
        self.inner.fate.check()?;
        let record = self.inner.pipeline(id).await?;
        Ok(self.inner.records.versions(id, record.latest, &page.request()).await?.into())
    }

    /// Says whether new runs of a pipeline may start. Runs that are there go on.
    pub async fn set_pipeline_enabled(
        &self,
        ctx: &Caller,
        id: &PipelineRef,
        enabled: bool,
    ) -> Result<PipelineRecord> {
        self.inner.fate.check()?;
        let (inner, ctx, id) = (Arc::clone(&self.inner), ctx.clone(), id.clone());
        self.inner.detached(async move { inner.set_enabled(&ctx, &id, enabled).await }).await
    }

    /// Deletes a pipeline with its versions, runs, logs and objects. Refused while one of its runs has not ended.
    pub async fn delete_pipeline(&self, ctx: &Caller, id: &PipelineRef) -> Result<()> {
        self.inner.fate.check()?;
        let (inner, ctx, id) = (Arc::clone(&self.inner), ctx.clone(), id.clone());
        self.inner.detached(async move { inner.delete(&ctx, &id).await }).await
    }
}
