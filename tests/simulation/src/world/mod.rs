//! The world around the server: what outlives a process, and how a process begins and ends in it.

pub mod clock;
pub mod life;
mod process;
mod scheduler;
mod storage;
mod weather;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use gofer_backend::{Clock, Owner};
use gofer_engine::EngineOptions;
use gofer_logs::fake::FakeLogDisk;
use gofer_object_store::fake::{FakeDisk as ObjectDisk, FakeObjectStore};
use gofer_queue::{Bounds, Limits, Rate};
use gofer_retention::{Keep, Retention};
use gofer_scheduler::fake::FakeBackend;
use gofer_storage::fake::FakeDisk;
use gofer_types::Span;
use tempfile::TempDir;
use tokio_util::task::TaskTracker;

pub use process::Process;
pub use scheduler::SimScheduler;
pub use storage::SimStorage;
pub use weather::Weather;

use crate::chance::Dice;
use crate::court::Court;
use crate::plan::Setting;
use clock::SimClock;

/// The longest that a run may take, in seconds: what bounds how long the end of a history may take.
pub const LONGEST_RUN: u64 = 1_800;
/// The time limit of a task that names none, in seconds.
pub const TASK_LIMIT: u64 = 120;
/// How long a task may take to end by itself, in seconds.
pub const GRACE: u64 = 10;
/// How long the output of an ended task is waited for, in seconds.
pub const COLLECT: u64 = 120;

/// What outlives a process.
#[derive(Debug)]
pub struct World {
    /// The time.
    pub clock: Arc<SimClock>,
    /// The disk of the state.
    pub disk: FakeDisk,
    /// What runs the tasks.
    pub backend: FakeBackend,
    /// The disk of the logs.
    pub log_disk: FakeLogDisk,
    /// Where that disk's files are.
    pub logs: TempDir,
    /// The objects.
    pub objects: Arc<FakeObjectStore>,
    /// What goes wrong.
    pub weather: Arc<Weather>,
    /// Who judges.
    pub court: Arc<Court>,
    /// How servers are set up.
    pub setting: Setting,
    /// What goes on beside the processes, and what is left of dead ones.
    pub beside: TaskTracker,
    ids: Arc<AtomicU64>,
    lives: AtomicU64,
}

/// Whose things at the scheduler are.
pub fn owner() -> Owner {
    Owner("simulation".to_owned())
}

impl World {
    /// An empty world. Must be called within a runtime whose time is paused.
    ///
    /// # Errors
    /// If there is no place for logs.
    pub fn new(seed: u64, setting: &Setting) -> std::io::Result<Self> {
        let clock = SimClock::new();
        let as_clock = || Arc::clone(&clock) as Arc<dyn Clock>;
        let objects = FakeObjectStore::open(&ObjectDisk::new(), "objects").map_err(std::io::Error::other)?;
        Ok(Self {
            disk: FakeDisk::new(),
            backend: FakeBackend::new(as_clock()),
            log_disk: FakeLogDisk::new(),
            logs: tempfile::Builder::new().prefix("gofer-sim-").tempdir_in(fast_place())?,
            objects: Arc::new(objects),
            weather: Arc::new(Weather::new(seed, setting, Arc::clone(&clock))),
            court: Arc::new(Court::new(as_clock())),
            setting: setting.clone(),
            beside: TaskTracker::new(),
            ids: Arc::default(),
            lives: AtomicU64::new(0),
            clock,
        })
    }

    /// How many processes there were.
    pub fn lives(&self) -> u64 {
        self.lives.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// How the engine is set up.
    fn options(&self) -> EngineOptions {
        let setting = &self.setting;
        let many = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        let keep = |runs: u32| Keep { runs, age: None, bytes: None };
        let rate = |starts| Rate::new(starts, Duration::from_secs(60)).ok();
        EngineOptions {
            retention: Retention {
                logs: keep(setting.keep.0),
                runs: keep(setting.keep.1),
                ..Retention::default()
            },
            queue: Limits {
                server: Bounds {
                    running_tasks: many(setting.running_tasks),
                    running_runs: many(setting.running_runs.0),
                    queued_runs: 1_000,
                },
                namespace: Bounds { running_runs: many(setting.running_runs.1), ..Bounds::NONE },
                namespaces: BTreeMap::new(),
                starts: rate(setting.starts_per_minute),
                ..Limits::default()
            },
            default_task_timeout: Span::from_secs(TASK_LIMIT),
            max_run_timeout: Some(Span::from_secs(LONGEST_RUN)),
            stop_grace: Span::from_secs(GRACE),
            leftover_grace: Span::from_secs(60),
            collect_timeout: Span::from_secs(COLLECT),
            ..EngineOptions::default()
        }
    }

    /// Cuts the power of all disks: of what was not synced, a part is left.
    ///
    /// # Errors
    /// If a file cannot be cut.
    pub fn cut_power(&self, dice: &mut Dice) -> std::io::Result<()> {
        self.disk.cut_power(usize::try_from(dice.below(3)).unwrap_or(0));
        self.log_disk.cut_power(|most| dice.between(0, most))
    }
}

/// Files of logs are never synced here; in memory they are quicker still.
fn fast_place() -> std::path::PathBuf {
    let shared_memory = std::path::Path::new("/dev/shm");
    if shared_memory.is_dir() { shared_memory.to_owned() } else { std::env::temp_dir() }
}
