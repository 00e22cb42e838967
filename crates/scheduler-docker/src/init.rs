//! Bringing the first process to the engine: once, in a volume that every container sees read-only.
//!
//! The volume is named after the content of the program, so that a new version of gofer brings its own and disturbs nobody.
//! It travels through the engine's own interface, because the engine may be on another machine.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, ContainerSummary, HostConfig, SystemInfo, VolumeCreateRequest};
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, CreateContainerOptions, ListContainersOptions,
    ListVolumesOptionsBuilder, RemoveVolumeOptions, UploadToContainerOptionsBuilder,
};
use gofer_backend::{ErrorKind, Result};
use gofer_container::labels;
use gofer_task_init::{FOLDER, PROGRAM};
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, OnceCell};

use crate::container::volume;
use crate::error::error;
use crate::shared::{Shared, engine_time};

static BINARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/init"));

/// When a helper is nobody's any more, in seconds.
const LEFT_OVER: i64 = 24 * 3600;

/// The volume with the first process.
#[derive(Debug)]
pub(crate) struct InitVolume {
    name: String,
    ready: OnceCell<()>,
    /// Who brings it does so alone: nobody's program is overwritten while it starts.
    bringing: Mutex<()>,
}

impl InitVolume {
    pub(crate) fn new() -> Self {
        let digest = Sha256::digest(BINARY);
        let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { name: format!("gofer-init-{hex}"), ready: OnceCell::new(), bringing: Mutex::default() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Sees to it that the engine has it. The image lends its name to a container that never runs.
    pub(crate) async fn ensure(&self, shared: &Shared, image: &str) -> Result<()> {
        self.ready.get_or_try_init(|| self.bring(shared, image)).await.map(drop)
    }

    /// Brings it, once more if somebody removed it, such as with all volumes that nobody used just then.
    pub(crate) async fn bring(&self, shared: &Shared, image: &str) -> Result<()> {
        let _alone = self.bringing.lock().await;
        let info = shared.info("init").await?;
        check_platform(&info)?;
        let request = VolumeCreateRequest {
            name: Some(self.name.clone()),
            labels: Some(labels::helper()),
            ..VolumeCreateRequest::default()
        };
        let create = |docker: bollard::Docker| async move { docker.create_volume(request).await };
        shared.client.call("init", create).await?;
        let helper = helper(shared, image, &[(&self.name, FOLDER)]).await?;
        let brought = fill(shared, &helper).await;
        let tidied = shared.discard(&helper, true).await;
        if let Some(now) = engine_time(&info) {
            sweep_helpers(shared, now).await;
        }
        self.sweep(shared).await;
        tidied.and(brought)
    }
    /// Removes the volumes of other versions that nobody uses. Another gofer that wants one again brings it again.
    async fn sweep(&self, shared: &Shared) {
        let options = ListVolumesOptionsBuilder::default().filters(&labels::helpers()).build();
        let list = |docker: bollard::Docker| async move { docker.list_volumes(Some(options)).await };
        let listed = shared.client.call("init", list).await.map(|answer| answer.volumes.unwrap_or_default());
        for volume in listed.unwrap_or_default().into_iter().filter(|volume| volume.name != self.name) {
            let remove = |docker: bollard::Docker| async move {
                docker.remove_volume(&volume.name, None::<RemoveVolumeOptions>).await
            };
            if let Err(fault) = shared.client.call("init", remove).await {
                tracing::debug!(error = fault.chain(), "an older volume of gofer is in use");
            }
        }
    }
}

/// Removes the helpers of servers that ended in between; those of others that are at work are younger.
async fn sweep_helpers(shared: &Shared, now: jiff::Timestamp) {
    let options = ListContainersOptions {
        all: true,
        filters: Some(labels::helpers()),
        ..ListContainersOptions::default()
    };
    let list = |docker: bollard::Docker| async move { docker.list_containers(Some(options)).await };
    let listed = shared.client.call("init", list).await.unwrap_or_else(|fault| {
        tracing::debug!(error = fault.chain(), "older helpers of gofer cannot be looked for");
        Vec::new()
    });
    for helper in listed.into_iter().filter(|helper| is_left_over(helper, now)) {
        if let Err(fault) = shared.discard(&helper.id.unwrap_or_default(), false).await {
            tracing::debug!(error = fault.chain(), "an older helper of gofer stays");
        }
    }
}

/// A helper lives for a few calls, which is minutes at worst. It never runs and names our program: a label alone may have
/// come with the image of somebody else's container.
fn is_left_over(helper: &ContainerSummary, now: jiff::Timestamp) -> bool {
    let never_ran = helper.state.as_ref().is_some_and(|state| state.to_string() == "created");
    let ours = helper.command.as_deref().is_some_and(|command| command.starts_with(PROGRAM));
    let old = helper.created.is_some_and(|created| now.as_second().saturating_sub(created) > LEFT_OVER);
    let of_attempt = labels::attempt(helper.labels.as_ref().unwrap_or(&HashMap::new())).is_some();
    never_ran && ours && old && !of_attempt
}

/// Our program is for one platform.
fn check_platform(info: &SystemInfo) -> Result<()> {
    let (theirs, ours) = (info.architecture.as_deref().unwrap_or_default(), std::env::consts::ARCH);
    if theirs == ours || theirs.is_empty() || (theirs == "amd64" && ours == "x86_64") {
        return Ok(());
    }
    let message = "the engine runs on another architecture than this build of gofer";
    Err(error(ErrorKind::Unsupported, "init", message).with("engine", theirs).with("gofer", ours))
}

/// A container that never runs, by which volumes are reached.
pub(crate) async fn helper(shared: &Shared, image: &str, volumes: &[(&str, &str)]) -> Result<String> {
    let mounts = volumes.iter().map(|(name, place)| volume(name, place, false)).collect();
    let host =
        HostConfig { mounts: Some(mounts), network_mode: Some("none".to_owned()), ..HostConfig::default() };
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(vec![PROGRAM.to_owned()]),
        labels: Some(labels::helper()),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    };
    let create = |docker: bollard::Docker| async move {
        docker.create_container(None::<CreateContainerOptions>, body).await
    };
    Ok(shared.client.call("init", create).await?.id)
}

async fn fill(shared: &Shared, helper: &str) -> Result<()> {
    if is_there(shared, helper).await? {
        return Ok(());
    }
    let archive =
        archive(PROGRAM.rsplit('/').next().unwrap_or_default(), BINARY, 0o555).map_err(|source| {
            error(ErrorKind::Internal, "init", "the program cannot be packed").source(source)
        })?;
    upload(shared, helper, FOLDER, archive).await
}

/// A file is there in full if it has the right size: its name stands for its content.
async fn is_there(shared: &Shared, helper: &str) -> Result<bool> {
    let name = helper.to_owned();
    let options = ContainerArchiveInfoOptionsBuilder::default().path(PROGRAM).build();
    let ask = |docker: bollard::Docker| async move {
        docker.get_container_archive_info(&name, Some(options)).await
    };
    match shared.client.call("init", ask).await {
        Ok(info) => Ok(u64::try_from(info.size).is_ok_and(|size| size == BINARY.len() as u64)),
        Err(fault) if fault.kind() == ErrorKind::NotFound => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// An archive of one file.
pub(crate) fn archive(name: &str, content: &[u8], mode: u32) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    archive.append_data(&mut header, name, content)?;
    archive.into_inner()
}

/// Unpacks an archive in a folder of a container.
pub(crate) async fn upload(shared: &Shared, container: &str, folder: &str, archive: Vec<u8>) -> Result<()> {
    let name = container.to_owned();
    let options = UploadToContainerOptionsBuilder::default().path(folder).build();
    let send = |docker: bollard::Docker| async move {
        let body = bollard::body_full(archive.into());
        docker.upload_to_container(&name, Some(options), body).await
    };
    shared.client.call("init", send).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_is_left_over_when_it_is_older_than_any_work_on_it() {
        let now = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        let helper = |state: &str, command: &str, label: &str, age| {
            let created = now.as_second() - age;
            let json = format!(
                r#"{{"State": "{state}", "Command": "{command}", "Created": {created}, "Labels": {{"{label}": "a"}}}}"#
            );
            serde_json::from_str::<ContainerSummary>(&json).unwrap()
        };
        let is_one = |helper: ContainerSummary| is_left_over(&helper, now);
        assert!(is_one(helper("created", PROGRAM, labels::HELPER, LEFT_OVER + 1)));
        assert!(!is_one(helper("created", PROGRAM, labels::HELPER, LEFT_OVER)));
        assert!(!is_one(helper("running", PROGRAM, labels::HELPER, LEFT_OVER + 1)));
        assert!(!is_one(helper("created", "postgres", labels::HELPER, LEFT_OVER + 1)));
        assert!(!is_one(helper("created", PROGRAM, labels::ATTEMPT, LEFT_OVER + 1)));
        assert!(!is_one(ContainerSummary::default()));
    }
}
