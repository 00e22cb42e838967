//! Which batches of a group take effect, decided in order and without I/O but reads.
//!
//! A batch sees what the batches before it in the same group did, as if each had been written alone.

use std::collections::BTreeMap;

use bytes::Bytes;
use gofer_backend::Result;

use super::engine::{Engine, Group};
use super::envelope;
use crate::{Batch, Revision, Write};

/// The group that is being put together.
#[derive(Debug)]
pub(super) struct Plan<'a, E> {
    engine: &'a E,
    revision: Revision,
    group: Group,
    /// The revision that each touched key has after the batches so far; `None` where it was removed.
    overlay: BTreeMap<Bytes, Option<Revision>>,
    touched: BTreeMap<Bytes, Revision>,
}

impl<'a, E: Engine> Plan<'a, E> {
    pub(super) fn new(engine: &'a E, revision: Revision) -> Self {
        let (group, overlay, touched) = (Group::default(), BTreeMap::new(), BTreeMap::new());
        Self { engine, revision, group, overlay, touched }
    }

    /// Adds a batch if its checks hold, and says which revision it has.
    pub(super) fn admit(&mut self, batch: &Batch) -> Result<Revision> {
        for check in &batch.checks {
            check.verify(self.revision_of(&check.key)?)?;
        }
        if batch.writes.is_empty() {
            return Ok(self.revision);
        }
        self.revision.0 += 1;
        for write in &batch.writes {
            self.write(write);
        }
        Ok(self.revision)
    }

    /// Whether there is something to write.
    pub(super) fn writes(&self) -> bool {
        !self.touched.is_empty()
    }

    /// What is to be written, the revision after it, and the keys that it touches.
    pub(super) fn finish(mut self) -> (Group, Revision, BTreeMap<Bytes, Revision>) {
        self.group.state = envelope::encode_state(self.revision);
        (self.group, self.revision, self.touched)
    }

    fn write(&mut self, write: &Write) {
        let revision = self.revision;
        let (key, raw) = match write {
            Write::Put { key, value } => (key, Some(envelope::encode(key, value, revision))),
            Write::Delete { key } => (key, None),
        };
        self.overlay.insert(key.clone(), raw.is_some().then_some(revision));
        self.group.rows.insert(key.clone(), raw);
        self.touched.insert(key.clone(), revision);
    }

    fn revision_of(&self, key: &Bytes) -> Result<Option<Revision>> {
        if let Some(revision) = self.overlay.get(key) {
            return Ok(*revision);
        }
        self.engine.get(key)?.map(|raw| envelope::revision(key, &raw)).transpose()
    }
}
