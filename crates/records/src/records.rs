//! Typed reads. Nothing here writes but the take-over of the state.

use std::sync::Arc;

use bytes::Bytes;
use gofer_storage::{KeyRange, Storage, escaped};
use gofer_types::{
    AttemptRecord, Namespace, NamespaceRecord, PipelineRecord, PipelineRef, RunRecord, RunRef, TaskRunRecord,
    VersionNumber, VersionRecord,
};

use crate::codec::{ActiveRecord, IdempotencyRecord, Stored, decode, decode_version};
use crate::error::{RecordError, Result};
use crate::keys::{self, Counter, family};
use crate::ownership::{self, Ownership};
use crate::page::{PageRequest, Slice, token};
use crate::scan::{Found, scan};
use crate::tx::Tx;

/// How many rows are read at once.
pub(crate) const STEP: usize = 512;

/// How many rows a filtered list looks at for one page, so that a rare match cannot hold the storage for long.
pub(crate) const BUDGET: usize = 5_000;

/// Typed records over a storage.
#[derive(Debug, Clone)]
pub struct Records {
    pub(crate) storage: Arc<dyn Storage>,
}

/// A run that somebody must look after, with its entry if that can be read.
pub type ActiveRun = (RunRef, Option<ActiveRecord>);

/// A run with everything that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRun {
    /// The run.
    pub run: RunRecord,
    /// Its task runs, by their place in the pipeline file. One that waits for its parents has no record yet.
    pub tasks: Vec<(u32, TaskRunRecord)>,
    /// Its attempts, by the place of their task.
    pub attempts: Vec<(u32, AttemptRecord)>,
}

impl Records {
    /// Records in this storage.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage }
    }

    /// Takes the state over: begins a new epoch, which fences every earlier owner.
    pub async fn take_ownership(&self) -> Result<Ownership> {
        ownership::take(&*self.storage).await
    }

    /// The epoch of who owns the state now; `None` if nobody ever did.
    pub async fn epoch(&self) -> Result<Option<u64>> {
        self.get(keys::epoch()).await
    }

    pub(crate) async fn get<T: Stored>(&self, key: Bytes) -> Result<Option<T>> {
        match self.storage.get(&key).await? {
            Some(row) => decode(&key, &row.value).map(Some),
            None => Ok(None),
        }
    }

    /// Every row of a range.
    async fn all(&self, prefix: &[u8]) -> Result<Vec<Found>> {
        let mut range = KeyRange::prefix(prefix);
        let mut all = Vec::new();
        loop {
            let found = scan(&*self.storage, range.clone(), STEP).await?;
            let more = found.len() == STEP;
            if let Some(last) = found.last() {
                range = range.after(last.key());
            }
            all.extend(found);
            if !more {
                return Ok(all);
            }
        }
    }

    /// A page of a list. `read` answers `None` for a row that is not wanted.
    pub(crate) async fn page<T>(
        &self,
        prefix: &[u8],
        page: &PageRequest,
        mut read: impl FnMut(&Bytes, &[u8]) -> Option<T>,
    ) -> Result<Slice<T>> {
        let mut range = KeyRange::prefix(prefix);
        if let Some(key) = page.after(prefix)? {
            range = range.after(&key);
        }
        let mut items = Vec::new();
        let mut seen = 0;
        let mut step = page.size.saturating_add(1).clamp(2, STEP);
        while seen < BUDGET {
            let found = scan(&*self.storage, range.clone(), step).await?;
            for row in &found {
                if items.len() >= page.size.max(1) {
                    return Ok(Slice { items, next: Some(token(&before(&range))) });
                }
                range = range.after(row.key());
                if let Found::Row(row) = row
                    && let Some(item) = read(&row.key, &row.value)
                {
                    items.push(item);
                }
            }
            seen += found.len();
            if found.len() < step {
                return Ok(Slice { items, next: None });
            }
            // what is wanted is rare: a small page is not to be looked for in small steps
            step = (2 * step).min(STEP);
        }
        Ok(Slice { items, next: Some(token(&before(&range))) })
    }

    /// A namespace.
    pub async fn namespace(&self, name: &Namespace) -> Result<Option<NamespaceRecord>> {
        self.get(keys::namespace(name)).await
    }

    /// The namespaces by name. Damaged ones are left out.
    pub async fn namespaces(&self, page: &PageRequest) -> Result<Slice<NamespaceRecord>> {
        self.page(family::NAMESPACE.as_bytes(), page, |key, value| decode(key, value).ok()).await
    }

    /// A pipeline.
    pub async fn pipeline(&self, id: &PipelineRef) -> Result<Option<PipelineRecord>> {
        self.get(keys::pipeline(id)).await
    }

    /// The pipelines of a namespace, or all, by id. Damaged ones are left out.
    pub async fn pipelines(
        &self,
        of: Option<&Namespace>,
        page: &PageRequest,
    ) -> Result<Slice<PipelineRecord>> {
        let prefix = of.map_or_else(|| Bytes::from_static(family::PIPELINE.as_bytes()), keys::pipelines_of);
        self.page(&prefix, page, |key, value| decode(key, value).ok()).await
    }

    /// The next number of what is counted in a pipeline: greater than every number that is or was in use.
    pub async fn counter(&self, id: &PipelineRef, of: Counter) -> Result<u64> {
        let counted = self.get(keys::counter(id, of)).await?.unwrap_or(1_u64);
        let family = match of {
            Counter::Runs => family::RUN,
            Counter::Versions => family::VERSION,
        };
        // transactions may have become durable in another order than their numbers were taken
        let prefix = keys::all_of_pipeline(family, id);
        let newest = scan(&*self.storage, KeyRange::prefix(&prefix), 1).await?;
        let in_use = newest.first().and_then(|row| keys::newest_number(&prefix, row.key())).unwrap_or(0);
        Ok(counted.max(in_use.saturating_add(1)))
    }

    /// A version.
    pub async fn version(&self, id: &PipelineRef, version: VersionNumber) -> Result<Option<VersionRecord>> {
        let prefix = keys::version_chunks(id, version);
        let rows = self.all(&prefix).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let mut values = Vec::with_capacity(rows.len());
        for row in rows {
            match row {
                Found::Row(row) => values.push(row.value),
                Found::Damaged(_, error) => return Err(error.into()),
            }
        }
        decode_version(&prefix, values.iter().map(AsRef::as_ref)).map(Some)
    }

    /// The versions of a pipeline from `newest` down, newest first. Damaged ones are left out.
    pub async fn versions(
        &self,
        id: &PipelineRef,
        newest: VersionNumber,
        page: &PageRequest,
    ) -> Result<Slice<VersionRecord>> {
        let prefix = keys::all_of_pipeline(family::VERSION, id);
        let mut next = match page.after(&prefix)? {
            None => newest.0,
            Some(key) => {
                let number =
                    key.strip_prefix(&*prefix).and_then(|rest| rest.try_into().ok()).map(u64::from_be_bytes);
                (!number.ok_or(RecordError::InvalidToken)?).min(newest.0)
            }
        };
        let mut items = Vec::new();
        while next > 0 && items.len() < page.size.max(1) {
            next = self.version_at_most(id, next).await?;
            match self.version(id, VersionNumber(next)).await {
                Ok(version) => items.extend(version),
                Err(error) if error.is_about_one_record() => {}
                Err(error) => return Err(error),
            }
            next = next.saturating_sub(1);
        }
        let next = (next > 0).then(|| token(&keys::version_chunks(id, VersionNumber(next))));
        Ok(Slice { items, next })
    }

    /// The newest version that is there up to this number; 0 if there is none.
    async fn version_at_most(&self, id: &PipelineRef, number: u64) -> Result<u64> {
        let prefix = keys::all_of_pipeline(family::VERSION, id);
        let range = KeyRange::prefix(&prefix).after(&keys::version_chunks(id, VersionNumber(number)));
        let found = scan(&*self.storage, range, 1).await?;
        Ok(found.first().and_then(|row| keys::newest_number(&prefix, row.key())).unwrap_or(0))
    }

    /// A run.
    pub async fn run(&self, id: &RunRef) -> Result<Option<RunRecord>> {
        self.get(keys::run(id)).await
    }

    /// The task run at that place of the pipeline file, if it has a record yet.
    pub async fn task(&self, run: &RunRef, index: u32) -> Result<Option<TaskRunRecord>> {
        self.get(keys::task(run, index)).await
    }

    /// The task runs of a run that have a record, by their place in the pipeline file.
    pub async fn tasks(&self, run: &RunRef) -> Result<Vec<(u32, TaskRunRecord)>> {
        self.strict(&keys::tasks_of(run), |key| keys::task_index(run, key)).await
    }

    /// The attempts of the task run at that place of the pipeline file.
    pub async fn attempts(&self, run: &RunRef, index: u32) -> Result<Vec<AttemptRecord>> {
        let prefix = keys::attempts_of_task(run, index);
        let attempts = self.strict(&prefix, |key| keys::attempt_place(run, key)).await?;
        Ok(attempts.into_iter().map(|(_, attempt)| attempt).collect())
    }

    /// A run with everything that belongs to it; any damage is an error.
    pub async fn whole_run(&self, id: &RunRef) -> Result<Option<StoredRun>> {
        let Some(run) = self.run(id).await? else { return Ok(None) };
        let tasks = self.tasks(id).await?;
        let place = |key: &[u8]| keys::attempt_place(id, key).map(|(index, _)| index);
        let attempts = self.strict(&keys::attempts_of(id), place).await?;
        Ok(Some(StoredRun { run, tasks, attempts }))
    }

    /// Every record of a range with what its key says; any damage is an error.
    async fn strict<T: Stored, K>(
        &self,
        prefix: &[u8],
        read: impl Fn(&[u8]) -> Option<K>,
    ) -> Result<Vec<(K, T)>> {
        let rows = self.all(prefix).await?;
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            match row {
                Found::Row(row) => {
                    let place = read(&row.key).ok_or_else(|| RecordError::Damaged {
                        key: escaped(&row.key),
                        reason: "the key is not one of its family".to_owned(),
                    })?;
                    records.push((place, decode(&row.key, &row.value)?));
                }
                Found::Damaged(_, error) => return Err(error.into()),
            }
        }
        Ok(records)
    }

    /// What an idempotency key stands for.
    pub async fn idempotency(&self, id: &PipelineRef, key: &str) -> Result<Option<IdempotencyRecord>> {
        self.get(keys::idempotency(id, key)).await
    }

    /// A part of the runs that somebody must look after, behind a key, with their entries (`None` where one is damaged), and
    /// the key behind which more of them follow.
    pub async fn active(&self, after: Option<Bytes>) -> Result<(Vec<ActiveRun>, Option<Bytes>)> {
        let mut range = KeyRange::prefix(family::ACTIVE.as_bytes());
        if let Some(key) = after {
            range = range.after(&key);
        }
        let found = scan(&*self.storage, range, STEP).await?;
        let next = found.last().filter(|_| found.len() == STEP).map(|last| last.key().clone());
        let runs = found.iter().filter_map(|row| {
            let entry = match row {
                Found::Row(row) => decode::<ActiveRecord>(&row.key, &row.value).ok(),
                Found::Damaged(..) => None,
            };
            keys::active_run(row.key()).map(|run| (run, entry))
        });
        Ok((runs.collect(), next))
    }

    /// The pipelines whose history is still to be deleted.
    pub async fn deleting(&self) -> Result<Vec<PipelineRef>> {
        let rows = self.all(family::DELETING.as_bytes()).await?;
        Ok(rows.iter().filter_map(|row| keys::deleting_pipeline(row.key())).collect())
    }

    /// The next step of deleting the history of a pipeline: a transaction that removes some of it, or `None` when nothing
    /// is left. Repeating a step does no harm.
    pub async fn deletion_step(&self, id: &PipelineRef) -> Result<Option<Tx>> {
        let families = [
            family::ATTEMPT,
            family::TASK,
            family::RUN,
            family::FAILED,
            family::IDEMPOTENCY,
            family::ACTIVE,
            family::VERSION,
        ];
        for family in families {
            let range = KeyRange::prefix(&keys::all_of_pipeline(family, id));
            let found = scan(&*self.storage, range, STEP).await?;
            if found.is_empty() {
                continue;
            }
            let mut tx = Tx::default();
            for row in &found {
                if let Found::Row(row) = row
                    && family == family::RUN
                    && let Ok(run) = decode::<RunRecord>(&row.key, &row.value)
                {
                    tx.delete_listings(&run);
                }
            }
            tx.delete_rows(&found.iter().map(|row| row.key().clone()).collect::<Vec<_>>());
            return Ok(Some(tx));
        }
        Ok(None)
    }
}

/// The key behind which a range starts.
fn before(range: &KeyRange) -> Bytes {
    match &range.start {
        std::ops::Bound::Excluded(key) | std::ops::Bound::Included(key) => key.clone(),
        std::ops::Bound::Unbounded => Bytes::new(),
    }
}
