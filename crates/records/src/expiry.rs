//! Deleting what is too old, step by step. Every step may be repeated.

use gofer_storage::KeyRange;
use gofer_types::{AttemptId, PipelineRef, RunNumber, RunRecord, RunRef};

use crate::error::Result;
use crate::keys::{self, LowMark, family};
use crate::records::Records;
use crate::scan::scan;
use crate::tx::Tx;

/// How many rows one step removes at most.
const STEP: usize = 512;

impl Records {
    /// The first run of a pipeline that may still have something: no earlier one has.
    pub async fn low_mark(&self, id: &PipelineRef, of: LowMark) -> Result<RunNumber> {
        let mark = self.get(keys::low_mark(id, of)).await?;
        Ok(RunNumber(mark.unwrap_or(1)))
    }

    /// The run that an attempt of a task has started.
    pub async fn child(&self, attempt: &AttemptId) -> Result<Option<RunRef>> {
        self.get(keys::child(attempt)).await
    }

    /// The next step of deleting a run that has ended and is put away: a transaction, and whether it is the last one. The run
    /// itself goes last, so that whatever is left of it is still found.
    pub async fn run_deletion_step(&self, run: &RunRecord) -> Result<(Tx, bool)> {
        let mut tx = Tx::default();
        for prefix in [keys::attempts_of(&run.id), keys::tasks_of(&run.id)] {
            let found = scan(&*self.storage, KeyRange::prefix(&prefix), STEP).await?;
            tx.delete_rows(&found.iter().map(|row| row.key().clone()).collect::<Vec<_>>());
            if found.len() == STEP {
                return Ok((tx, false));
            }
        }
        let mut rows = vec![keys::run(&run.id)];
        rows.extend(run.idempotency_key.as_ref().map(|key| keys::idempotency(&run.id.pipeline, key)));
        tx.delete_rows(&rows).delete_listings(run);
        Ok((tx, true))
    }

    /// The next step of deleting the events below a number, or `None` when none is left.
    pub async fn event_deletion_step(&self, below: u64) -> Result<Option<Tx>> {
        let range = KeyRange::prefix(family::EVENT.as_bytes());
        let found = scan(&*self.storage, range, STEP).await?;
        let old = found.iter().filter(|row| keys::event_seq(row.key()).is_some_and(|seq| seq < below));
        let rows: Vec<_> = old.map(|row| row.key().clone()).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let mut tx = Tx::default();
        tx.delete_rows(&rows);
        Ok(Some(tx))
    }
}
