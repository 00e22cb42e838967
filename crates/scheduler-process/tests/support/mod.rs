//! How the tests reach the process scheduler.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use gofer_backend::Owner;
use gofer_scheduler::conformance::shell::Places;
use gofer_scheduler::conformance::{Harness, Step};
use gofer_scheduler::{Scheduler, TaskSpec};
use gofer_scheduler_process::{ProcessConfig, ProcessScheduler};
use tempfile::TempDir;

/// A root, and a folder that the tasks and the tests share.
pub(crate) struct ProcessHarness {
    folder: TempDir,
    pub(crate) places: Places,
    strangers: AtomicU32,
}

impl ProcessHarness {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shared = folder.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        Self { places: Places::new(shared), folder, strangers: AtomicU32::new(0) }
    }

    pub(crate) fn config(&self) -> ProcessConfig {
        ProcessConfig { root: self.folder.path().join("root"), ..ProcessConfig::default() }
    }

    pub(crate) async fn open(&self, owner: &str) -> ProcessScheduler {
        ProcessScheduler::open("test", Owner(owner.to_owned()), self.config()).await.unwrap()
    }
}

#[async_trait]
impl Harness for ProcessHarness {
    async fn connect(&self) -> Arc<dyn Scheduler> {
        Arc::new(self.open("ours").await)
    }

    async fn connect_stranger(&self) -> Arc<dyn Scheduler> {
        let number = self.strangers.fetch_add(1, Ordering::Relaxed);
        Arc::new(self.open(&format!("stranger-{number}")).await)
    }

    fn task(&self, steps: &[Step]) -> TaskSpec {
        TaskSpec { command: self.places.command(steps), ..TaskSpec::default() }
    }

    fn missing_program(&self) -> TaskSpec {
        TaskSpec { command: vec!["there-is-no-such-program".to_owned()], ..TaskSpec::default() }
    }

    async fn open_gate(&self, name: &str) {
        self.places.open_gate(name);
    }

    async fn witnesses(&self, name: &str) -> usize {
        self.places.witnesses(name)
    }

    async fn is_alive(&self, name: &str) -> bool {
        self.places.is_alive(name)
    }
}
