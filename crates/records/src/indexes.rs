//! Indexes of runs: of those that failed, by pipeline, and of those with a label, over all pipelines.
//!
//! An index is keys alone. Its rows come and go with the run, in the same transaction. They only say where to look: the record
//! of the run decides, so that a row whose run cannot be read does no harm.

use std::collections::BTreeMap;

use bytes::Bytes;
use gofer_storage::KeyRange;
use gofer_types::{LabelKey, PipelineRef, RunNumber, RunRecord, RunRef, RunState, Timestamp};

use crate::error::{RecordError, Result};
use crate::family;
use crate::keys::{self, KeyReader, KeyWriter};
use crate::page::{PageRequest, Slice};
use crate::records::{Records, STEP};
use crate::scan::scan;
use crate::tx::Tx;

/// So much of a label's value stands in its index; what is longer is told apart by the records.
const INDEXED: usize = 256;

/// The entry of a run that failed.
fn failed(run: &RunRef) -> Bytes {
    KeyWriter::new(family::FAILED).run(run).finish()
}

/// Says that all failed runs of a pipeline have an entry. It outlives the pipeline, as its counters do.
fn failed_is_whole(id: &PipelineRef) -> Bytes {
    KeyWriter::new(family::COUNTER).pipeline(id).text("failed from").finish()
}

/// All runs with this label.
fn labelled_with(key: &LabelKey, value: &str) -> KeyWriter {
    let end = (0..=INDEXED.min(value.len())).rev().find(|at| value.is_char_boundary(*at)).unwrap_or(0);
    KeyWriter::new(family::LABELLED).text(key.as_str()).text(&value[..end])
}

fn labelled(created: Timestamp, run: &RunRef, (key, value): (&LabelKey, &str)) -> Bytes {
    labelled_with(key, value).descending(keys::moment(created)).run(run).finish()
}

/// The run of an entry of [`family::LABELLED`].
fn labelled_run(key: &[u8]) -> Option<RunRef> {
    let mut rest = KeyReader::new(family::LABELLED, key)?;
    rest.text()?;
    rest.text()?;
    rest.place_in_list()
}

fn is_failed(run: &RunRecord) -> bool {
    matches!(run.state, RunState::Failed | RunState::Errored | RunState::TimedOut)
}

/// Adds the entries that a new run has from its beginning.
pub(crate) fn add_new(tx: &mut Tx, run: &RunRecord) {
    for (key, value) in &run.labels {
        tx.set(labelled(run.created, &run.id, (key, value)));
    }
    if run.id.run == RunNumber(1) {
        tx.set(failed_is_whole(&run.id.pipeline));
    }
}

/// Adds the entry that a run has once it failed.
pub(crate) fn add_failed(tx: &mut Tx, run: &RunRecord) {
    if is_failed(run) {
        tx.set(failed(&run.id));
    }
}

/// All that a run may have in the indexes.
pub(crate) fn entries(run: &RunRecord) -> Vec<Bytes> {
    let labels = run.labels.iter().map(|(key, value)| labelled(run.created, &run.id, (key, value)));
    labels.chain([failed(&run.id)]).collect()
}

impl Records {
    /// The newest run of a pipeline that failed, ended in an error, or ran out of time.
    ///
    /// Of a pipeline that an older gofer began, which kept no index, the runs themselves are looked through.
    pub async fn newest_failed(&self, id: &PipelineRef) -> Result<Option<RunNumber>> {
        if self.storage.get(&failed_is_whole(id)).await?.is_none() {
            return self.newest_run(id, is_failed).await;
        }
        let prefix = keys::all_of_pipeline(family::FAILED, id);
        let mut page = PageRequest { size: 1, token: None };
        loop {
            let slice = self.page(&prefix, &page, |key, _| keys::newest_number(&prefix, key)).await?;
            for number in slice.items {
                match self.run(&id.run(RunNumber(number))).await {
                    Ok(Some(run)) => return Ok(Some(run.id.run)),
                    Ok(None) => {}
                    Err(error) if error.is_about_one_record() => {}
                    Err(error) => return Err(error),
                }
            }
            if slice.next.is_none() {
                return Ok(None);
            }
            page.token = slice.next;
        }
    }

    /// The runs with these labels, of which there is at least one, that are wanted and in the right place, newest first. As
    /// [`Records::recent_runs`]; the label that the fewest runs have leads.
    pub async fn labelled_runs(
        &self,
        labels: &BTreeMap<LabelKey, String>,
        page: &PageRequest,
        (in_place, wanted): (impl Fn(&RunRef) -> bool, impl Fn(&RunRecord) -> bool),
    ) -> Result<Slice<RunRecord>> {
        let prefix = self.leading_label(labels, page).await?;
        let run_of = |key: &[u8]| labelled_run(key).filter(&in_place);
        let wanted = |run: &RunRecord| {
            labels.iter().all(|(key, value)| run.labels.get(key) == Some(value)) && wanted(run)
        };
        self.listed_runs(&prefix, page, (run_of, wanted)).await
    }

    /// The label whose index is read: that of the page before, or the one that the fewest runs have.
    async fn leading_label(&self, labels: &BTreeMap<LabelKey, String>, page: &PageRequest) -> Result<Bytes> {
        let mut fewest = None;
        for (key, value) in labels {
            let prefix = labelled_with(key, value).finish();
            if page.token.is_some() {
                if page.after(&prefix).is_ok() {
                    return Ok(prefix);
                }
                continue;
            }
            let count = scan(&*self.storage, KeyRange::prefix(&prefix), STEP).await?.len();
            if fewest.as_ref().is_none_or(|(least, _)| count < *least) {
                fewest = Some((count, prefix));
            }
        }
        fewest.map(|(_, prefix)| prefix).ok_or(RecordError::InvalidToken)
    }
}
