//! Checks a configured backend with the suite of its trait: every promise by name, kept or broken.
//!
//! Here is the list of kinds that can be checked. Each supplies the harness of its own crate, behind a feature of it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use gofer_backend::BackendError;
use gofer_config::{Config, Instance};
use gofer_scheduler::conformance::{self, Harness, Outcome};

use crate::error::StartError;
use crate::registry::Place;

/// Why a backend was not checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The configuration has no such backend.
    #[error("there is no backend `{name}`")]
    NoSuch {
        /// What was asked for.
        name: String,
        /// The schedulers that there are.
        known: Vec<String>,
    },
    /// It is of a family or a kind without a check.
    #[error("`{name}` is a {family} of kind `{kind}`, which cannot be checked yet")]
    NotYet {
        /// Its name.
        name: String,
        /// Its family.
        family: &'static str,
        /// Its kind.
        kind: String,
    },
    /// Its settings are wrong, or it cannot be opened, so that there is nothing to check.
    #[error("the backend cannot be opened")]
    Open(#[source] StartError),
    /// The suite itself failed.
    #[error("the check ended before its end")]
    Broken(#[source] tokio::task::JoinError),
}

/// What is checked of a backend.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckOptions {
    /// Only the cases whose names contain this.
    pub filter: Option<String>,
    /// The image whose programs the tasks of the suite are made of, where the scheduler runs images: it must have a shell
    /// and what a busybox has.
    pub image: String,
}

/// Runs the suite against the scheduler with this name. The cases are named on standard output. Must be called within a
/// tokio runtime.
pub async fn check_backend(
    config: &Config,
    name: &str,
    options: &CheckOptions,
) -> Result<Outcome, CheckError> {
    let instance = find(config, name)?;
    let place = Place { data_dir: config.server.data_dir.clone(), max_log: config.logs.max_bytes_per_task };
    let Prepared { harness, tidy, folder } = prepare(instance, &place, &options.image).await?;
    let filter = options.filter.clone();
    // The suite has runtimes of its own.
    let outcome = tokio::task::spawn_blocking(move || conformance::check(&harness, filter)).await;
    tidy.await;
    drop(folder);
    outcome.map_err(CheckError::Broken)
}

/// A suite that can be run, and what is to be done when it was.
struct Prepared {
    harness: Arc<dyn Harness>,
    tidy: BoxFuture<'static, ()>,
    folder: Option<tempfile::TempDir>,
}

fn find<'a>(config: &'a Config, name: &str) -> Result<&'a Instance, CheckError> {
    if let Some(instance) = config.scheduler.get(name) {
        return Ok(instance);
    }
    Err(match config.storage.get(name).or_else(|| config.objects.get(name)) {
        Some(other) => not_yet(other),
        None => {
            let known = config.scheduler.instances.iter().map(|one| one.name.clone()).collect();
            CheckError::NoSuch { name: name.to_owned(), known }
        }
    })
}

fn not_yet(instance: &Instance) -> CheckError {
    CheckError::NotYet { name: instance.name.clone(), family: instance.noun(), kind: instance.kind.clone() }
}

/// One arm a kind. What is opened here is opened again by every case; once before, so that a wrong setting is told once.
async fn prepare(instance: &Instance, place: &Place, image: &str) -> Result<Prepared, CheckError> {
    match instance.kind.as_str() {
        #[cfg(feature = "scheduler-process")]
        "process" => {
            let config = crate::backends::process_config(instance, place);
            let config = config.map_err(|complaint| CheckError::Open(StartError::Config(vec![complaint])))?;
            let harness = gofer_scheduler_process::harness::ProcessHarness::new(config);
            let harness = harness.map_err(|cause| unopened(instance, cause))?;
            harness.open("first").await.map_err(|cause| unopened(instance, cause))?;
            Ok(Prepared { harness: Arc::new(harness), tidy: Box::pin(std::future::ready(())), folder: None })
        }
        #[cfg(feature = "scheduler-docker")]
        "docker" => docker(instance, place, image).await,
        _ => Err(not_yet(instance)),
    }
}

#[cfg(feature = "scheduler-docker")]
async fn docker(instance: &Instance, place: &Place, image: &str) -> Result<Prepared, CheckError> {
    let config = crate::backends::docker_config(instance, place);
    let config = config.map_err(|complaint| CheckError::Open(StartError::Config(vec![complaint])))?;
    // What the suite removes is nothing that a server must remember.
    let folder = tempfile::tempdir()
        .map_err(|cause| CheckError::Open(StartError::DataDir { path: std::env::temp_dir(), cause }))?;
    let root = folder.path().to_owned();
    let harness = gofer_scheduler_docker::harness::DockerHarness::new(config, image, root).await;
    let harness = Arc::new(harness.map_err(|cause| unopened(instance, cause))?);
    let used = Arc::clone(&harness);
    let tidy = Box::pin(async move {
        if let Err(fault) = used.tidy().await {
            tracing::warn!(error = fault.chain(), "something of the suite is left at the engine");
        }
    });
    Ok(Prepared { harness, tidy, folder: Some(folder) })
}

fn unopened(instance: &Instance, cause: BackendError) -> CheckError {
    CheckError::Open(StartError::Backend { family: instance.family, name: instance.name.clone(), cause })
}
