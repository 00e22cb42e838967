//! From a configuration to an engine: plan everything, then open everything.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gofer_backend::{BackendError, Clock, ErrorKind};
use gofer_config::{Complaint, Config};
use gofer_engine::queue::{Bounds, Limits, NamespaceLimits, Rate, Weight};
use gofer_engine::{Engine, EngineOptions, EngineParts, FanLimits, Keep, Retention, Schedulers};
use gofer_logs::{LogOptions, LogStore};
use gofer_object_store::ObjectStore;
use gofer_objects::Objects;
use gofer_pipeline::{Feature, Supported};
use gofer_scheduler::Scheduler;
use gofer_storage::Storage;
use gofer_types::SchedulerName;
use uuid::Uuid;

use crate::clock::SystemClock;
use crate::error::StartError;
use crate::registry::{self, Named, Opening, Place};

/// Everything that will be opened, after everything was checked. No I/O so far.
pub(crate) struct Blueprint {
    config: Config,
    clock: Arc<dyn Clock>,
    place: Place,
    storage: (String, Opening<dyn Storage>),
    schedulers: Vec<(SchedulerName, Opening<dyn Scheduler>)>,
    objects: (String, Opening<dyn ObjectStore>),
    default_scheduler: SchedulerName,
}

/// Checks the whole configuration against the backends that there are. All complaints at once.
pub(crate) fn plan(config: Config, clock: Arc<dyn Clock>) -> Result<Blueprint, Vec<Complaint>> {
    let place = Place { data_dir: config.server.data_dir.clone(), max_log: config.logs.max_bytes_per_task };
    let storage = registry::storage(&config.storage, &place);
    let schedulers = registry::schedulers_of(&config.scheduler, &place).and_then(named);
    let objects = registry::objects(&config.objects, &place);
    match (storage, schedulers, objects) {
        (Ok(storage), Ok(schedulers), Ok(objects)) => {
            let default = SchedulerName::new(config.scheduler.default.clone());
            let default_scheduler = default.map_err(|_| Vec::new())?;
            Ok(Blueprint { config, clock, place, storage, schedulers, objects, default_scheduler })
        }
        (storage, schedulers, objects) => {
            let mut complaints = storage.err().unwrap_or_default();
            complaints.extend(schedulers.err().unwrap_or_default());
            complaints.extend(objects.err().unwrap_or_default());
            Err(complaints)
        }
    }
}

/// Checks the whole configuration against the backends that there are, and opens nothing. All complaints at once.
pub fn check(config: Config) -> Result<(), Vec<Complaint>> {
    plan(config, Arc::new(SystemClock::new())).map(drop)
}

type NamedOpenings = Vec<(SchedulerName, Opening<dyn Scheduler>)>;

fn named(all: Named<dyn Scheduler>) -> Result<NamedOpenings, Vec<Complaint>> {
    // The configuration accepts no table name that a scheduler name could not be.
    all.into_iter()
        .map(|(name, opening)| SchedulerName::new(name).map(|name| (name, opening)).map_err(|_| Vec::new()))
        .collect()
}

/// An engine that works, and what must be closed behind it.
pub(crate) struct Built {
    pub(crate) engine: Engine,
    pub(crate) storage: Arc<dyn Storage>,
}

/// Opens everything, the storage first: its lock tells whether the data directory is ours.
pub(crate) async fn build(blueprint: Blueprint, address: String) -> Result<Built, StartError> {
    let Blueprint { config, clock, place, storage, schedulers, objects, default_scheduler } = blueprint;
    make_data_dir(&place.data_dir)?;
    let (name, opening) = storage;
    let storage = opening.await.map_err(|cause| StartError::Backend { family: "storage", name, cause })?;
    let logs = LogStore::open(log_options(&config)).await.map_err(StartError::Logs)?;
    let (objects, limits) = (open_objects(objects).await?, object_limits(&config));
    let mut named = BTreeMap::new();
    for (name, opening) in schedulers {
        let scheduler = opening.await.map_err(|cause| StartError::Backend {
            family: "scheduler",
            name: name.to_string(),
            cause,
        })?;
        named.insert(name, scheduler);
    }
    let parts = EngineParts {
        storage: Arc::clone(&storage),
        logs,
        objects: Objects::new(objects, limits, Arc::clone(&clock)),
        schedulers: Schedulers { default: default_scheduler, named },
        clock,
        new_id: Arc::new(|| Uuid::now_v7().as_u128()),
        options: engine_options(&config, address),
    };
    match Engine::open(parts).await {
        Ok(engine) => Ok(Built { engine, storage }),
        Err(error) => {
            // The engine's error is what matters; closing only lets go of the lock.
            let _ = storage.close().await;
            Err(StartError::Engine(error))
        }
    }
}

async fn open_objects(
    (name, opening): (String, Opening<dyn ObjectStore>),
) -> Result<Arc<dyn ObjectStore>, StartError> {
    opening.await.map_err(|cause| StartError::Backend { family: "object store", name, cause })
}

fn object_limits(config: &Config) -> gofer_objects::Limits {
    let limits = &config.limits;
    gofer_objects::Limits {
        ring: count(limits.pipeline_objects),
        object_bytes: limits.max_object_bytes.get(),
        namespace_bytes: limits.max_object_bytes_per_namespace.get(),
        run_objects: count(limits.max_objects_per_run),
        ..gofer_objects::Limits::default()
    }
}

fn make_data_dir(path: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|cause| match cause.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StartError::Backend {
            family: "data directory",
            name: path.display().to_string(),
            cause: BackendError::new(ErrorKind::Exhausted, "the disk is full").source(cause),
        },
        _ => StartError::DataDir { path: path.to_owned(), cause },
    })
}

fn log_options(config: &Config) -> LogOptions {
    LogOptions {
        segment_bytes: config.logs.segment_bytes.get(),
        max_bytes_per_task: config.logs.max_bytes_per_task.get(),
        max_followers: count(config.limits.max_followers),
        ..LogOptions::new(config.server.data_dir.join("logs"))
    }
}

fn engine_options(config: &Config, address: String) -> EngineOptions {
    let limits = &config.limits;
    EngineOptions {
        retention: retention(&config.retention),
        objects_of_runs: limits.run_objects_kept_runs,
        queue: queue_limits(limits),
        default_task_timeout: limits.task_timeout_default,
        max_run_timeout: Some(limits.run_timeout_max),
        stop_grace: limits.stop_grace,
        collect_timeout: config.logs.collect_timeout,
        fan_out: FanLimits {
            combinations: count(limits.max_matrix_combinations),
            tasks: count(limits.max_tasks_per_run),
        },
        artefacts: gofer_artefacts::Limits {
            bytes: limits.max_artefact_bytes,
            entries: limits.max_artefact_entries.into(),
            ..gofer_artefacts::Limits::default()
        },
        max_followers: count(limits.max_followers),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address,
        supported: supported(),
        ..EngineOptions::default()
    }
}

/// What is kept, and for how long.
fn retention(config: &gofer_config::Retention) -> Retention {
    let bytes = config.logs_bytes_per_pipeline.map(gofer_types::ByteSize::get);
    Retention {
        logs: Keep { runs: config.logs_runs, age: config.logs_age, bytes },
        runs: Keep { runs: config.runs, age: config.runs_age, bytes: None },
        events: config.events.into(),
        event_age: config.events_age,
    }
}

/// What is kept, for whoever reads the log of the server.
pub(crate) fn retention_in_words(config: &gofer_config::Retention) -> String {
    let bound = |number: u32, what: &str| match number {
        0 => format!("all {what}"),
        number => format!("the newest {number} {what}"),
    };
    let age =
        |age: Option<gofer_types::Span>| age.map(|age| format!(", no longer than {age}")).unwrap_or_default();
    format!(
        "output of {}{}; {}{}; {}{}",
        bound(config.logs_runs, "runs of each pipeline"),
        age(config.logs_age),
        bound(config.runs, "runs of each pipeline"),
        age(config.runs_age),
        bound(config.events, "events"),
        age(config.events_age),
    )
}

/// How much may run and wait at once. The configuration has checked the ranges.
fn queue_limits(limits: &gofer_config::Limits) -> Limits {
    let own = |limit: Option<u32>| limit.map_or(usize::MAX, count);
    let namespace = Bounds {
        running_runs: own(limits.max_running_runs_per_namespace),
        running_tasks: own(limits.max_running_tasks_per_namespace),
        queued_runs: own(limits.max_queued_runs_per_namespace),
    };
    let weighted = limits.namespace_weights.iter().filter_map(|(name, weight)| {
        Some((name.clone(), NamespaceLimits { bounds: namespace, weight: Weight::new(*weight).ok()? }))
    });
    Limits {
        server: Bounds {
            running_runs: count(limits.max_running_runs),
            running_tasks: count(limits.max_running_tasks),
            queued_runs: count(limits.max_queued_runs),
        },
        namespace,
        namespaces: weighted.collect(),
        ageing: limits.priority_ageing.get(),
        starts: limits.max_starts.and_then(|starts| Rate::new(starts, limits.max_starts_per.get()).ok()),
    }
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// What this build can do beyond the core of the pipeline language.
#[must_use]
pub fn supported() -> Supported {
    Supported::default().with(Feature::AlwaysPull).with(Feature::RegistryAuth)
}

/// How large a pipeline may be, and between which bounds its time limits lie.
pub(crate) fn pipeline_limits(config: &Config) -> gofer_pipeline::Limits {
    gofer_pipeline::Limits {
        tasks: count(config.limits.max_tasks_per_pipeline),
        run_tasks: count(config.limits.max_tasks_per_run),
        matrix_combinations: count(config.limits.max_matrix_combinations),
        timeout_min: config.limits.task_timeout_min,
        timeout_max: config.limits.task_timeout_max,
        ..gofer_pipeline::Limits::default()
    }
}
