//! What an engine is made of: the backends that it is handed, and the limits that the operator set.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use gofer_backend::Clock;
use gofer_logs::LogStore;
use gofer_objects::Objects;
use gofer_pipeline::Supported;
use gofer_queue::{Bounds, Limits};
use gofer_retention::Retention;
use gofer_scheduler::Scheduler;
use gofer_storage::Storage;
use gofer_types::{SchedulerName, Span};
use gofer_versions::FanLimits;

/// Hands out 128 bits that nothing else uses.
pub type NewId = Arc<dyn Fn() -> u128 + Send + Sync>;

/// Everything that an engine needs.
pub struct EngineParts {
    /// The state.
    pub storage: Arc<dyn Storage>,
    /// The output of tasks.
    pub logs: LogStore,
    /// The objects of pipelines and of runs.
    pub objects: Objects,
    /// What runs the tasks.
    pub schedulers: Schedulers,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids for attempts: UUIDs version 7.
    pub new_id: NewId,
    /// The operator's limits.
    pub options: EngineOptions,
}

impl fmt::Debug for EngineParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineParts")
            .field("storage", &self.storage)
            .field("objects", &self.objects)
            .field("schedulers", &self.schedulers)
            .field("clock", &self.clock)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// The operator's named schedulers, and which of them runs a task that names none.
#[derive(Debug, Clone)]
pub struct Schedulers {
    /// The scheduler of tasks that name none.
    pub default: SchedulerName,
    /// All schedulers, by name.
    pub named: BTreeMap<SchedulerName, Arc<dyn Scheduler>>,
}

impl Schedulers {
    /// One scheduler, which is the default.
    #[must_use]
    pub fn one(name: SchedulerName, scheduler: Arc<dyn Scheduler>) -> Self {
        Self { default: name.clone(), named: BTreeMap::from([(name, scheduler)]) }
    }

    /// The scheduler of that name; the default one for `None`.
    pub(crate) fn get(&self, name: Option<&SchedulerName>) -> Option<(&SchedulerName, &Arc<dyn Scheduler>)> {
        self.named.get_key_value(name.unwrap_or(&self.default))
    }
}

/// The operator's limits.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// What is kept, and for how long.
    pub retention: Retention,
    /// How many of the newest runs of each pipeline keep their objects. Those of older ones go once they have ended.
    pub objects_of_runs: u32,
    /// How much may run and wait at once, on the server and in each namespace, and in which order.
    pub queue: Limits,
    /// The time limit of an attempt whose task names none.
    pub default_task_timeout: Span,
    /// The longest time limit of a whole run; it also holds for pipelines that name none.
    pub max_run_timeout: Option<Span>,
    /// How long a task may take to end by itself once it is asked to.
    pub stop_grace: Span,
    /// How old a thing at a scheduler must be before it is removed because no record names it.
    pub leftover_grace: Span,
    /// How many tasks late matrices may make.
    pub fan_out: FanLimits,
    /// How large an artefact may be.
    pub artefacts: gofer_artefacts::Limits,
    /// How often a failed fetch of an image is tried again, where that may help.
    pub image_retries: u32,
    /// How long the output of an ended task is waited for while its scheduler is away or silent; what is missing is then told
    /// as a gap. Twice as long if it is first the one and then the other; anew when the engine is opened anew.
    pub collect_timeout: Span,
    /// How many readers may follow events, runs and logs at once.
    pub max_followers: usize,
    /// The version of gofer, for the event log.
    pub version: String,
    /// What tasks are told as `GOFER_ADDR`; empty where the server has no address.
    pub address: String,
    /// What the server can do beyond the core of the pipeline language.
    pub supported: Supported,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            retention: Retention::default(),
            objects_of_runs: 20,
            queue: Limits {
                server: Bounds { running_tasks: 200, running_runs: 10_000, queued_runs: 100_000 },
                ..Limits::default()
            },
            default_task_timeout: Span::from_secs(8 * 3600),
            max_run_timeout: None,
            stop_grace: Span::from_secs(300),
            leftover_grace: Span::from_secs(600),
            fan_out: FanLimits { combinations: 256, tasks: 10_000 },
            artefacts: gofer_artefacts::Limits::default(),
            image_retries: 3,
            collect_timeout: Span::from_secs(600),
            max_followers: 20_000,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: String::new(),
            supported: Supported::default(),
        }
    }
}
