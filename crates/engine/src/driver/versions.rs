//! Versions as the engine uses them: the configuration with its graph, read once and shared by all runs of it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use gofer_records::{RecordError, Records};
use gofer_run_machine::Plan;
use gofer_types::{PipelineRef, VersionNumber, VersionRecord};

/// How many versions are kept although no run uses them.
const KEPT: usize = 256;

/// A version and its graph.
#[derive(Debug)]
pub(crate) struct Version {
    /// The version.
    pub(crate) record: VersionRecord,
    /// Its graph.
    pub(crate) plan: Arc<Plan>,
}

impl Version {
    /// A version with its graph; the text says why it has none.
    pub(crate) fn new(record: VersionRecord, default_timeout: Duration) -> Result<Arc<Self>, String> {
        let plan = Arc::new(Plan::new(&record.config, default_timeout)?);
        Ok(Arc::new(Self { record, plan }))
    }
}

type Key = (PipelineRef, VersionNumber);

#[derive(Debug, Default)]
struct Shelf {
    known: HashMap<Key, Weak<Version>>,
    kept: VecDeque<Arc<Version>>,
}

/// The versions that are in use, and some that were used lately. They never change, so none is ever stale.
#[derive(Debug)]
pub(crate) struct Versions {
    records: Records,
    default_timeout: Duration,
    shelf: Mutex<Shelf>,
}

impl Versions {
    pub(crate) fn new(records: Records, default_timeout: Duration) -> Self {
        Self { records, default_timeout, shelf: Mutex::default() }
    }

    /// A version, or `None` if there is no such version.
    pub(crate) async fn get(
        &self,
        id: &PipelineRef,
        number: VersionNumber,
    ) -> Result<Option<Arc<Version>>, RecordError> {
        let key = (id.clone(), number);
        if let Some(version) = self.find(&key) {
            return Ok(Some(version));
        }
        let Some(record) = self.records.version(id, number).await? else { return Ok(None) };
        let version = Version::new(record, self.default_timeout)
            .map_err(|reason| RecordError::Damaged { key: format!("{id}@{number}"), reason })?;
        self.keep(&version);
        Ok(Some(version))
    }

    /// Keeps a version at hand.
    pub(crate) fn keep(&self, version: &Arc<Version>) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (version.record.pipeline.clone(), version.record.version);
        shelf.known.insert(key, Arc::downgrade(version));
        shelf.kept.push_back(Arc::clone(version));
        if shelf.kept.len() > KEPT {
            shelf.kept.pop_front();
            if shelf.known.len() > KEPT * 4 {
                shelf.known.retain(|_, version| version.strong_count() > 0);
            }
        }
    }

    fn find(&self, key: &Key) -> Option<Arc<Version>> {
        let shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.known.get(key).and_then(Weak::upgrade)
    }
}
