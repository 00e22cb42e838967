//! The fake under the suite: one disk a place.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use gofer_backend::Result;
use gofer_object_store::conformance::{Harness, MakeRoom};
use gofer_object_store::fake::{Defect, FakeDisk, FakeObjectStore};
use gofer_object_store::{Capabilities, ObjectStore};

/// Opens fakes, all with the same defect.
#[derive(Debug, Default)]
pub(crate) struct FakeHarness {
    disks: Mutex<HashMap<PathBuf, FakeDisk>>,
    defect: Option<Defect>,
}

impl FakeHarness {
    pub(crate) fn with(defect: Option<Defect>) -> Self {
        Self { defect, ..Self::default() }
    }

    fn disk(&self, place: &Path) -> FakeDisk {
        let mut disks = self.disks.lock().unwrap_or_else(PoisonError::into_inner);
        disks.entry(place.to_path_buf()).or_default().clone()
    }
}

#[async_trait]
impl Harness for FakeHarness {
    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true, shared: false }
    }

    async fn open(&self, place: &Path) -> Result<Arc<dyn ObjectStore>> {
        let name = place.display().to_string();
        Ok(Arc::new(FakeObjectStore::open_with(&self.disk(place), name, self.defect)?))
    }

    async fn crash(&self, place: &Path, store: Arc<dyn ObjectStore>) {
        self.disk(place).cut_power_of(self.defect);
        drop(store);
    }

    fn on_disk(&self) -> bool {
        false
    }

    fn small(&self, place: &Path) -> Option<MakeRoom> {
        let disk = self.disk(place);
        disk.set_capacity(Some(4 << 20));
        Some(Box::new(move || disk.set_capacity(None)))
    }
}
