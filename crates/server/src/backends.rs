//! One function a backend: from its section of the configuration to something that can be opened.
//!
//! A function here reads the settings and does no I/O; what it answers does.

#[cfg(any(
    feature = "storage-redb",
    feature = "storage-sled",
    feature = "scheduler-process",
    feature = "scheduler-docker",
    feature = "object-store-files"
))]
use gofer_config::{Complaint, Instance};
#[cfg(any(feature = "storage-redb", feature = "storage-sled"))]
use gofer_storage::Storage;

#[cfg(any(
    feature = "storage-redb",
    feature = "storage-sled",
    feature = "scheduler-process",
    feature = "scheduler-docker",
    feature = "object-store-files"
))]
use crate::registry::{Opening, Place};

/// What the program must call first of all, before it starts a thread or reads its arguments: a process that was started as
/// the shim of a task does its work here, and the answer is the exit code with which the program must end.
#[must_use]
pub fn shim_main() -> Option<std::process::ExitCode> {
    #[cfg(feature = "scheduler-process")]
    return gofer_scheduler_process::shim::main_if_shim();
    #[cfg(not(feature = "scheduler-process"))]
    None
}

/// Runs what blocks where it may block.
#[cfg(any(feature = "storage-redb", feature = "storage-sled", feature = "object-store-files"))]
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> gofer_backend::Result<T> + Send + 'static,
) -> gofer_backend::Result<T> {
    use gofer_backend::{BackendError, ErrorKind};
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        Err(BackendError::new(ErrorKind::Internal, "the opening panicked").source(error))
    })
}

#[cfg(feature = "storage-redb")]
pub(crate) fn redb(instance: &Instance, place: &Place) -> Result<Opening<dyn Storage>, Complaint> {
    let config: gofer_storage_redb::Config = instance.settings()?;
    config.validate().map_err(|error| instance.refuse("cache", error.message()))?;
    let (name, data_dir) = (instance.name.clone(), place.data_dir.clone());
    Ok(Box::pin(blocking(move || gofer_storage_redb::open(&name, &config, &data_dir))))
}

#[cfg(feature = "storage-sled")]
pub(crate) fn sled(instance: &Instance, place: &Place) -> Result<Opening<dyn Storage>, Complaint> {
    let config: gofer_storage_sled::Config = instance.settings()?;
    config.validate().map_err(|error| instance.refuse("cache", error.message()))?;
    let (name, data_dir) = (instance.name.clone(), place.data_dir.clone());
    Ok(Box::pin(blocking(move || gofer_storage_sled::open(&name, &config, &data_dir))))
}

#[cfg(feature = "object-store-files")]
pub(crate) fn files(
    instance: &Instance,
    place: &Place,
) -> Result<Opening<dyn gofer_object_store::ObjectStore>, Complaint> {
    let config: gofer_object_store_files::Config = instance.settings()?;
    let (name, data_dir) = (instance.name.clone(), place.data_dir.clone());
    Ok(Box::pin(blocking(move || gofer_object_store_files::open(&name, &config, &data_dir))))
}

/// The settings of a scheduler of processes, with what comes from elsewhere.
#[cfg(feature = "scheduler-process")]
pub(crate) fn process_config(
    instance: &Instance,
    place: &Place,
) -> Result<gofer_scheduler_process::ProcessConfig, Complaint> {
    let mut config: gofer_scheduler_process::ProcessConfig = instance.settings()?;
    if !instance.settings::<toml::Table>()?.contains_key("max_log") {
        config.max_log = place.max_log;
    }
    if config.root.as_os_str().is_empty() {
        config.root = std::path::PathBuf::from(&instance.name);
    }
    config.root = place.data_dir.join(&config.root);
    Ok(config)
}

#[cfg(feature = "scheduler-process")]
pub(crate) fn process(
    instance: &Instance,
    place: &Place,
) -> Result<Opening<dyn gofer_scheduler::Scheduler>, Complaint> {
    let config = process_config(instance, place)?;
    let (name, data_dir) = (instance.name.clone(), place.data_dir.clone());
    Ok(Box::pin(async move {
        let owner = crate::owner::of(&data_dir)?;
        let scheduler = gofer_scheduler_process::ProcessScheduler::open(name, owner, config).await?;
        Ok(std::sync::Arc::new(scheduler) as std::sync::Arc<dyn gofer_scheduler::Scheduler>)
    }))
}

/// The settings of a scheduler of containers, with what comes from elsewhere.
#[cfg(feature = "scheduler-docker")]
pub(crate) fn docker_config(
    instance: &Instance,
    place: &Place,
) -> Result<gofer_scheduler_docker::DockerConfig, Complaint> {
    let mut config: gofer_scheduler_docker::DockerConfig = instance.settings()?;
    if !instance.settings::<toml::Table>()?.contains_key("max_log") {
        config.max_log = place.max_log.max(gofer_scheduler_docker::LEAST_LOG);
    }
    if config.root.as_os_str().is_empty() {
        config.root = std::path::PathBuf::from(&instance.name);
    }
    config.root = place.data_dir.join(&config.root);
    config.validate().map_err(|(key, error)| instance.refuse(key, error.message()))?;
    Ok(config)
}

#[cfg(feature = "scheduler-docker")]
pub(crate) fn docker(
    instance: &Instance,
    place: &Place,
) -> Result<Opening<dyn gofer_scheduler::Scheduler>, Complaint> {
    let config = docker_config(instance, place)?;
    let (name, data_dir) = (instance.name.clone(), place.data_dir.clone());
    Ok(Box::pin(async move {
        let owner = crate::owner::of(&data_dir)?;
        let scheduler = gofer_scheduler_docker::DockerScheduler::open(name, owner, config).await?;
        Ok(std::sync::Arc::new(scheduler) as std::sync::Arc<dyn gofer_scheduler::Scheduler>)
    }))
}
