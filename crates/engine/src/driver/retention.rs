//! What is kept, and for how long: output, objects, runs and events beyond the operator's bounds go, by number, age and size.
//!
//! No input, repeatable, woken when something ended and once in a while for what has grown old. One pipeline after the other, a
//! bounded number of runs at a time. Of a run that has not ended, that is not put away, or that was set aside, nothing is deleted;
//! it does not hold up what is to be deleted of the runs behind it.

use std::sync::Arc;
use std::time::Duration;

use gofer_records::{Counter, PageRequest, Tx};
pub(crate) use gofer_retention::Household;
use gofer_retention::{Look, Retention};
use gofer_types::{Actor, Deletion, EventKind, PipelineRef, RunRef, Timestamp};

use super::Inner;
use crate::error::{EngineError, Result};

/// How many pipelines are read at once.
const PAGE: usize = 500;

/// How long it takes until everything is looked at again, for what has grown old.
const ROUND: Duration = Duration::from_secs(3600);

/// The wait behind a failure.
const PAUSE: Duration = Duration::from_secs(60);

/// Keeps house for as long as the engine lives.
pub(crate) async fn keep_house(inner: Arc<Inner>) {
    let stop = inner.fate.stop().clone();
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = rounds(&inner) => {}
    }
}

async fn rounds(inner: &Inner) {
    loop {
        let until = inner.clock.monotonic().saturating_add(ROUND);
        if let Err(error) = touch_all(inner).await {
            tracing::warn!(%error, "cannot look for what is to be deleted");
        }
        loop {
            tidy_all(inner).await;
            if let Err(error) = tidy_events(inner).await {
                tracing::warn!(%error, "cannot delete events that are too old");
            }
            tokio::select! {
                biased;
                () = inner.household.touched() => {}
                () = inner.clock.sleep_until(until) => break,
            }
        }
    }
}

async fn touch_all(inner: &Inner) -> Result<()> {
    let mut page = PageRequest { size: PAGE, token: None };
    loop {
        let slice = inner.records.pipelines(None, &page).await?;
        slice.items.iter().for_each(|pipeline| inner.household.touch(&pipeline.id));
        match slice.next {
            Some(token) => page.token = Some(token),
            None => return Ok(()),
        }
    }
}

/// Looks at every pipeline that is to be looked at; at one where there is more to do again, behind the others.
async fn tidy_all(inner: &Inner) {
    loop {
        let dirty = inner.household.take_dirty();
        if dirty.is_empty() {
            return;
        }
        for pipeline in dirty {
            match tidy(inner, &pipeline).await {
                Ok(true) => inner.household.touch(&pipeline),
                Ok(false) => {}
                Err(error) => {
                    // some of it may be deleted already
                    inner.household.forget_sum(&pipeline);
                    tracing::warn!(%pipeline, %error, "cannot delete what is too old");
                    let _ = inner.pause(PAUSE).await;
                }
            }
        }
    }
}

/// One look at a pipeline. True if there may be more.
async fn tidy(inner: &Inner, pipeline: &PipelineRef) -> Result<bool> {
    let newest = inner.records.counter(pipeline, Counter::Runs).await?.saturating_sub(1);
    let Inner { hall, records, logs, household, .. } = inner;
    let look = Look { hall, records, logs, pipeline, newest };
    let found = look.find::<EngineError>(household, &inner.options.retention, inner.clock.now()).await?;
    for run in &found.runs {
        inner.delete_run(run).await?;
    }
    inner.delete_logs_of(&found.logs, &Actor::System).await?;
    let marks = found.marks(pipeline);
    if !marks.is_empty() {
        inner.committer.commit(marks).await?;
    }
    inner.expire_objects(pipeline).await?;
    Ok(household.learn(pipeline, found))
}

async fn tidy_events(inner: &Inner) -> Result<()> {
    let Retention { events, event_age, .. } = inner.options.retention;
    let now = inner.clock.now().as_micros();
    let since = event_age.map(|age| Timestamp::from_micros(now.saturating_sub(micros(age.get()))));
    Ok(inner.events.trim(&inner.committer, events, since).await?)
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

impl Inner {
    /// Deletes a run that has ended, and everything that belongs to it.
    async fn delete_run(&self, id: &RunRef) -> Result<()> {
        self.logs.delete_run(id).await?;
        self.objects.expire_run(id).await?;
        loop {
            let _turn = self.admin.lock().await;
            // who had the turn before may have deleted the whole pipeline
            let Some(run) = self.records.run(id).await? else { return Ok(()) };
            let (mut tx, last) = self.records.run_deletion_step(&run).await?;
            if last {
                tx.event(self.clock.now(), Actor::System, EventKind::RunDeleted { run: id.clone() });
            }
            self.committer.commit(tx).await?;
            if last {
                return Ok(());
            }
        }
    }

    /// Deletes the output of runs that have ended, and says so in their records first: what is half deleted is not shown. Of a
    /// run whose record says so already, what an interrupted deletion left is deleted.
    pub(crate) async fn delete_logs_of(&self, runs: &[RunRef], actor: &Actor) -> Result<()> {
        self.tell_deleted(runs, actor).await?;
        for id in runs {
            self.logs.delete_run(id).await?;
        }
        Ok(())
    }

    /// Writes into the records of runs that their output is deleted.
    async fn tell_deleted(&self, runs: &[RunRef], actor: &Actor) -> Result<()> {
        if runs.is_empty() {
            return Ok(());
        }
        let _turn = self.admin.lock().await;
        let at = self.clock.now();
        let mut tx = Tx::default();
        for id in runs {
            // read in the turn: a run that was deleted in between must not come back
            let run = self.records.run(id).await?.filter(|run| run.logs_deleted.is_none());
            let Some(mut run) = run else { continue };
            run.logs_deleted = Some(Deletion { actor: actor.clone(), at });
            tx.put_run(&run);
            tx.event(at, actor.clone(), EventKind::LogsDeleted { run: run.id });
        }
        if !tx.is_empty() {
            self.committer.commit(tx).await?;
        }
        Ok(())
    }
}
