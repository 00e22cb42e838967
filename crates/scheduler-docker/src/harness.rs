//! How the suite reaches an engine: for the tests of this crate, and for operators who check their own.
//!
//! Everything goes through the engine's own interface, so that it may be on another machine: tasks and suite meet in a
//! volume, into which the suite looks by way of a container that never runs. The image must have a shell and the small
//! programs that a busybox has.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bollard::query_parameters::{DownloadFromContainerOptionsBuilder, RemoveVolumeOptions, TopOptions};
use futures_util::TryStreamExt;
use gofer_backend::{ErrorKind, Owner, Result};
use gofer_container::DockerConfig;
use gofer_container::labels;
use gofer_scheduler::conformance::shell::Places;
use gofer_scheduler::conformance::{Harness, Step};
use gofer_scheduler::{Images, Scheduler, TaskSpec};
use tokio::sync::OnceCell;

use crate::backend::DockerScheduler;
use crate::error::error;
use crate::shared::Shared;
use crate::{images, init};

/// Where tasks and suite meet, in a container.
const MEETING: &str = "/gofer-suite";
/// How the process begins that a task of the suite leaves behind.
const LEFT: &str = "sh -c trap '' TERM HUP";

/// An engine under test.
pub struct DockerHarness {
    config: DockerConfig,
    image: String,
    missing_image: String,
    owner: String,
    places: Places,
    /// For the suite's own calls; it owns nothing.
    shared: Arc<Shared>,
    helper: OnceCell<String>,
    strangers: AtomicU32,
}

impl DockerHarness {
    /// An engine as it is configured, and an image that it has or can fetch. `root` is a folder for what is remembered.
    pub async fn new(mut config: DockerConfig, image: impl Into<String>, root: PathBuf) -> Result<Self> {
        let name = format!("gofer-suite-{}", uuid::Uuid::new_v4().simple());
        config.volumes = vec![(name.clone(), MEETING.to_owned())];
        config.root = root;
        let scheduler =
            DockerScheduler::open("suite", Owner(format!("{name}-helper")), config.clone()).await?;
        let image = image.into();
        let spec = TaskSpec { image: image.clone(), ..TaskSpec::default() };
        scheduler.fetch(&spec, &mut |_| {}).await?;
        let shared = Arc::clone(scheduler.shared());
        Ok(Self {
            config,
            missing_image: format!("{}:gofer-never-made-this", images::split(&image).0),
            image,
            owner: name,
            places: Places::new(MEETING),
            shared,
            helper: OnceCell::new(),
            strangers: AtomicU32::new(0),
        })
    }

    /// Names an image that its registry does not have; else a tag is made up for the image of the suite.
    #[must_use]
    pub fn with_missing_image(mut self, name: impl Into<String>) -> Self {
        self.missing_image = name.into();
        self
    }

    /// Opens the scheduler as this owner.
    pub async fn open(&self, owner: &str) -> Result<DockerScheduler> {
        DockerScheduler::open("test", Owner(format!("{}-{owner}", self.owner)), self.config.clone()).await
    }

    /// Removes what the suite itself had at the engine.
    pub async fn tidy(&self) -> Result<()> {
        if let Some(helper) = self.helper.get() {
            self.shared.discard(helper, true).await?;
        }
        let volume = self.owner.clone();
        let remove = |docker: bollard::Docker| async move {
            docker.remove_volume(&volume, None::<RemoveVolumeOptions>).await
        };
        match self.shared.client.call("tidy", remove).await {
            Err(fault) if fault.kind() == ErrorKind::NotFound => Ok(()),
            answer => answer,
        }
    }

    async fn helper(&self) -> Result<&String> {
        let make = || async {
            let image = images::inspect(&self.shared, &self.image).await?;
            let id = image.and_then(|image| image.id).unwrap_or_default();
            init::helper(&self.shared, &id, &[(&self.owner, MEETING)]).await
        };
        self.helper.get_or_try_init(make).await
    }

    async fn write(&self, name: &str) -> Result<()> {
        let archive = init::archive(name, b"", 0o644).map_err(|source| {
            error(ErrorKind::Internal, "suite", "a file cannot be packed").source(source)
        })?;
        init::upload(&self.shared, self.helper().await?, MEETING, archive).await
    }

    /// The text of a file where tasks and suite meet; empty if it is not there.
    async fn read(&self, name: &str) -> Result<String> {
        let helper = self.helper().await?.clone();
        let path = format!("{MEETING}/{name}");
        let read = |docker: bollard::Docker| async move {
            let options = DownloadFromContainerOptionsBuilder::default().path(&path).build();
            let mut archive = Vec::new();
            let mut parts = std::pin::pin!(docker.download_from_container(&helper, Some(options)));
            while let Some(part) = parts.try_next().await? {
                archive.extend_from_slice(&part);
            }
            Ok(archive)
        };
        match self.shared.client.call("suite", read).await {
            Ok(archive) => first_file(&archive).map_err(|source| {
                error(ErrorKind::Internal, "suite", "a file cannot be unpacked").source(source)
            }),
            Err(fault) if fault.kind() == ErrorKind::NotFound => Ok(String::new()),
            Err(fault) => Err(fault),
        }
    }

    /// What runs in the containers of the suite, as the engine's own tools show it.
    async fn processes(&self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        let list = |docker: bollard::Docker| async move {
            docker.list_containers(None::<bollard::query_parameters::ListContainersOptions>).await
        };
        for container in self.shared.client.call("suite", list).await? {
            let labels = container.labels.unwrap_or_default();
            if !labels.get(labels::OWNER).is_some_and(|owner| owner.starts_with(&self.owner)) {
                continue;
            }
            let id = container.id.unwrap_or_default();
            let top =
                |docker: bollard::Docker| async move { docker.top_processes(&id, None::<TopOptions>).await };
            // One that ends meanwhile has no processes.
            let answer = self.shared.client.call("suite", top).await.unwrap_or_default();
            all.extend(answer.processes.into_iter().flatten().filter_map(|columns| columns.last().cloned()));
        }
        Ok(all)
    }
}

fn first_file(archive: &[u8]) -> std::io::Result<String> {
    let mut archive = tar::Archive::new(archive);
    match archive.entries()?.next() {
        Some(entry) => std::io::read_to_string(entry?),
        None => Ok(String::new()),
    }
}

#[async_trait]
impl Harness for DockerHarness {
    #[expect(clippy::panic, reason = "a suite that cannot reach its engine has failed, and says why")]
    async fn connect(&self) -> Arc<dyn Scheduler> {
        match self.open("ours").await {
            Ok(scheduler) => Arc::new(scheduler),
            Err(fault) => panic!("the scheduler cannot be opened: {}", fault.chain()),
        }
    }

    #[expect(clippy::panic, reason = "a suite that cannot reach its engine has failed, and says why")]
    async fn connect_stranger(&self) -> Arc<dyn Scheduler> {
        let number = self.strangers.fetch_add(1, Ordering::Relaxed);
        match self.open(&format!("stranger-{number}")).await {
            Ok(scheduler) => Arc::new(scheduler),
            Err(fault) => panic!("the scheduler cannot be opened: {}", fault.chain()),
        }
    }

    fn task(&self, steps: &[Step]) -> TaskSpec {
        TaskSpec { image: self.image.clone(), command: self.places.command(steps), ..TaskSpec::default() }
    }

    fn missing_program(&self) -> TaskSpec {
        let command = vec!["there-is-no-such-program".to_owned()];
        TaskSpec { image: self.image.clone(), command, ..TaskSpec::default() }
    }

    fn missing_image(&self) -> TaskSpec {
        TaskSpec {
            image: self.missing_image.clone(),
            command: vec!["true".to_owned()],
            ..TaskSpec::default()
        }
    }

    async fn open_gate(&self, name: &str) {
        // A gate that does not open fails its case: the task lingers.
        let _ = self.write(&format!("gate-{name}")).await;
    }

    async fn witnesses(&self, name: &str) -> usize {
        self.read(&format!("mark-{name}")).await.map_or(0, |text| text.lines().count())
    }

    async fn is_alive(&self, name: &str) -> bool {
        let left = format!("left-{name}");
        let all = self.processes().await.unwrap_or_default();
        all.iter().any(|words| words.starts_with(LEFT) && words.contains(&left))
    }

    fn extra_env(&self) -> &'static [&'static str] {
        &["HOME", "HOSTNAME"]
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }
}
