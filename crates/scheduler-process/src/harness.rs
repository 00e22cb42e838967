//! How the suite reaches the process scheduler: for the tests of this crate, and for operators who check their own.
//!
//! Every connection has an owner's mark of its own making, so that what it starts is never taken for a task of a server
//! that uses the same root. It panics where a case cannot go on, as the suite wants it: that case has failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use gofer_backend::{BackendError, ErrorKind, Owner, Result};
use gofer_scheduler::conformance::shell::Places;
use gofer_scheduler::conformance::{Harness, Step};
use gofer_scheduler::{Scheduler, TaskSpec};
use tempfile::TempDir;

use crate::{ProcessConfig, ProcessScheduler};

/// Numbers the harnesses of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A root, and a folder that the tasks and the suite share.
#[derive(Debug)]
pub struct ProcessHarness {
    config: ProcessConfig,
    places: Places,
    owner: String,
    strangers: AtomicU32,
    _shared: TempDir,
}

impl ProcessHarness {
    /// Uses a scheduler with this configuration.
    ///
    /// # Errors
    /// If there is no place for the folder that tasks and suite share.
    pub fn new(config: ProcessConfig) -> Result<Self> {
        let made = tempfile::Builder::new().prefix("gofer-check-").tempdir();
        let shared = made.map_err(|error| {
            BackendError::new(ErrorKind::Internal, "there is no place for a temporary folder").source(error)
        })?;
        let owner = format!("check-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let places = Places::new(shared.path());
        Ok(Self { config, places, owner, strangers: AtomicU32::new(0), _shared: shared })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> ProcessConfig {
        self.config.clone()
    }

    /// The folder that tasks and suite share.
    #[must_use]
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Connects with another mark.
    ///
    /// # Errors
    /// If the scheduler cannot be opened.
    pub async fn open(&self, mark: &str) -> Result<ProcessScheduler> {
        let owner = Owner(format!("{}-{mark}", self.owner));
        ProcessScheduler::open("check", owner, self.config()).await
    }

    #[expect(clippy::panic, reason = "a case whose scheduler cannot be opened has failed, and says why")]
    async fn opened(&self, mark: &str) -> Arc<dyn Scheduler> {
        match self.open(mark).await {
            Ok(scheduler) => Arc::new(scheduler),
            Err(error) => panic!("{}", error.chain()),
        }
    }
}

#[async_trait]
impl Harness for ProcessHarness {
    async fn connect(&self) -> Arc<dyn Scheduler> {
        self.opened("ours").await
    }

    async fn connect_stranger(&self) -> Arc<dyn Scheduler> {
        let number = self.strangers.fetch_add(1, Ordering::Relaxed);
        self.opened(&format!("stranger-{number}")).await
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
