//! A root for a scheduler of processes, and a folder that its tasks and the tests share.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use gofer_backend::Owner;
use gofer_scheduler::conformance::shell::Places;
use gofer_scheduler_process::{ProcessConfig, ProcessScheduler};
use tempfile::TempDir;

/// Both, while the test lasts.
pub(crate) struct Rooms {
    folder: TempDir,
    pub(crate) places: Places,
}

impl Rooms {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shared = folder.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        Self { places: Places::new(shared), folder }
    }

    pub(crate) fn config(&self) -> ProcessConfig {
        ProcessConfig { root: self.folder.path().join("root"), ..ProcessConfig::default() }
    }

    pub(crate) async fn open(&self, owner: &str) -> ProcessScheduler {
        ProcessScheduler::open("test", Owner(owner.to_owned()), self.config()).await.unwrap()
    }
}
