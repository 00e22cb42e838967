//! The fake under the suite: one disk a place.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gofer_backend::Result;
use gofer_storage::conformance::{Harness, MakeRoom};
use gofer_storage::fake::{Defect, FakeDisk, FakeStorage, FaultPlan};
use gofer_storage::{Capabilities, Storage};

/// Opens fakes, all with the same defect.
#[derive(Debug, Default)]
pub(crate) struct FakeHarness {
    disks: Mutex<HashMap<PathBuf, FakeDisk>>,
    defect: Defect,
}

impl FakeHarness {
    pub(crate) fn with(defect: Defect) -> Self {
        Self { defect, ..Self::default() }
    }

    fn disk(&self, place: &Path) -> FakeDisk {
        self.disks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .entry(place.to_path_buf())
            .or_default()
            .clone()
    }
}

#[async_trait]
impl Harness for FakeHarness {
    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true, shared: false }
    }

    async fn open(&self, place: &Path) -> Result<Arc<dyn Storage>> {
        let name = place.display().to_string();
        let storage = FakeStorage::open_with(&self.disk(place), name, FaultPlan::none(), self.defect)?;
        Ok(Arc::new(storage))
    }

    async fn crash(&self, place: &Path, storage: Arc<dyn Storage>) {
        self.disk(place).cut_power_of(self.defect);
        drop(storage);
    }

    fn on_disk(&self) -> bool {
        false
    }

    fn small(&self, place: &Path) -> Option<MakeRoom> {
        let disk = self.disk(place);
        disk.set_capacity(Some(512 << 10));
        Some(Box::new(move || disk.set_capacity(None)))
    }
}
