//! The scheduler itself: each call of the trait in terms of containers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::models::ContainerSummary;
use futures_util::{StreamExt, stream};
use gofer_backend::{BackendInfo, ErrorKind, Owner, Result};
use gofer_container::{DockerConfig, KIND, Place, labels};
use gofer_scheduler::{
    Capabilities, Exec, Files, Images, LogCursor, LogStream, Removed, Scheduler, Started, TaskExit, TaskSpec,
    TaskStatus, TaskSummary,
};
use gofer_types::{AttemptId, Timestamp};

use crate::error::error;
use crate::fetched::{self, Fetched};
use crate::seen::{Seen, Stage, handle};
use crate::shared::Shared;
use crate::{ending, events, reader, start};

/// How many ended containers are looked at at the same time for a list.
const LOOKS_AT_ONCE: usize = 8;

/// Runs each task as a container. See the documentation of the crate.
///
/// Dropping it ends no task: whoever opens the same engine as the same owner finds them.
#[derive(Debug)]
pub struct DockerScheduler {
    shared: Arc<Shared>,
}

impl Drop for DockerScheduler {
    fn drop(&mut self) {
        self.shared.closing.cancel();
    }
}

impl DockerScheduler {
    /// Opens the scheduler. The engine need not answer yet. Must be called within a runtime, and used within the same.
    ///
    /// `name` is the configured instance, for people; containers that carry another `owner` are neither seen nor touched.
    /// Errors: `InvalidInput` for a setting that cannot be, or the error of the host that keeps the root from being used.
    pub async fn open(name: impl Into<String>, owner: Owner, config: DockerConfig) -> Result<Self> {
        config.validate().map_err(|(key, fault)| fault.with("key", key))?;
        if config.root.as_os_str().is_empty() {
            return Err(error(ErrorKind::InvalidInput, "open", "no root is given for what is remembered"));
        }
        let root = config.root.clone();
        let opened = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&root)?;
            Ok((Removed::open(&root)?, Fetched::open(root.join("images"))?))
        });
        let opened: std::io::Result<_> = opened
            .await
            .map_err(|source| error(ErrorKind::Internal, "open", "opening broke off").source(source))?;
        let (removed, fetched) = opened.map_err(|source| {
            let fault = error(ErrorKind::PermissionDenied, "open", "the root cannot be used");
            fault.with("root", config.root.display()).source(source)
        })?;
        let prune_after = config.prune_images_after;
        let shared = Arc::new(Shared::new(name.into(), owner, config, removed, fetched));
        shared.tracker.spawn(events::follow(Arc::clone(&shared)));
        if let Some(age) = prune_after {
            shared.tracker.spawn(fetched::prune(Arc::clone(&shared), age.get()));
        }
        Ok(Self { shared })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    async fn status(&self, id: &AttemptId, seen: &Seen, operation: &'static str) -> Result<TaskStatus> {
        Ok(match seen.stage {
            Stage::Created(_) => TaskStatus::Starting,
            Stage::Runs => TaskStatus::Running { handle: seen.handle() },
            Stage::Ended { .. } => TaskStatus::Ended(ending::exit(&self.shared, id, seen, operation).await?),
        })
    }

    async fn summary(&self, container: ContainerSummary) -> Option<Result<TaskSummary>> {
        let labels = container.labels.unwrap_or_default();
        let id = labels::attempt(&labels)?;
        let state = container.state.map(|state| state.to_string()).unwrap_or_default();
        let name = handle(&container.id.unwrap_or_default());
        let status = match state.as_str() {
            "created" => TaskStatus::Starting,
            "running" | "paused" | "restarting" => TaskStatus::Running { handle: name },
            // On its way out: whoever asks for it is answered that it is not there.
            "removing" => return None,
            _ => match self.ended_status(&id).await {
                Ok(status) => status,
                Err(fault) if fault.kind() == ErrorKind::NotFound => return None,
                // One end that cannot be told yet must not hide the others.
                Err(fault) if fault.kind().outcome_unknown() => TaskStatus::Running { handle: name },
                Err(fault) => return Some(Err(fault)),
            },
        };
        let digest = labels.get(labels::DIGEST).cloned().unwrap_or_default();
        let created = Timestamp::from_micros(container.created.unwrap_or_default().saturating_mul(1_000_000));
        Some(Ok(TaskSummary { id, digest, status, created }))
    }

    async fn ended_status(&self, id: &AttemptId) -> Result<TaskStatus> {
        let seen = self.shared.seen(id, "list").await?;
        self.status(id, &seen, "list").await
    }

    /// Runs to its end, also when nobody waits for it.
    pub(crate) async fn carried_out<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let done = self.shared.tracker.spawn(work).await;
        done.map_err(|source| error(ErrorKind::Unavailable, operation, "it broke off").source(source))?
    }
}

#[async_trait]
impl Scheduler for DockerScheduler {
    fn info(&self) -> BackendInfo {
        let Shared { name, client, .. } = &*self.shared;
        BackendInfo { kind: KIND, name: name.clone(), target: format!("containers of {}", client.socket) }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            images: true,
            cpu_limit: true,
            memory_limit: true,
            out_of_memory: true,
            user: true,
            sandbox: true,
            survives_restart: true,
            exec: true,
            files: true,
        }
    }

    async fn check(&self) -> Result<()> {
        self.shared.client.connect("check").await.map(drop)
    }

    async fn start(&self, id: &AttemptId, spec: &TaskSpec) -> Result<Started> {
        self.carried_out("start", start::start(Arc::clone(&self.shared), id.clone(), spec.clone())).await
    }

    async fn inspect(&self, id: &AttemptId) -> Result<TaskStatus> {
        let seen = self.shared.seen(id, "inspect").await?;
        self.status(id, &seen, "inspect").await
    }

    async fn wait(&self, id: &AttemptId) -> Result<TaskExit> {
        ending::wait(&self.shared, id).await
    }

    async fn logs(&self, id: &AttemptId, from: LogCursor) -> Result<LogStream> {
        let place = Place::parse(&from).ok_or_else(|| {
            let message = "this is no place in the output of a container";
            error(ErrorKind::InvalidInput, "logs", message).with("cursor", &from.0)
        })?;
        let seen = self.shared.seen(id, "logs").await?;
        if let Stage::Created(_) = seen.stage {
            return Err(error(ErrorKind::Unavailable, "logs", "the task was not started").with("id", id));
        }
        reader::open(Arc::clone(&self.shared), id.clone(), seen, place).await
    }

    async fn stop(&self, id: &AttemptId, grace: Duration) -> Result<()> {
        self.carried_out("stop", ending::stop(Arc::clone(&self.shared), id.clone(), grace)).await
    }

    async fn remove(&self, id: &AttemptId) -> Result<()> {
        ending::remove(&self.shared, id).await
    }

    async fn list(&self) -> Result<Vec<TaskSummary>> {
        let containers = self.shared.containers("list").await?;
        let summaries = stream::iter(containers).map(|container| self.summary(container));
        let summaries = summaries.buffer_unordered(LOOKS_AT_ONCE).filter_map(std::future::ready);
        summaries.collect::<Vec<_>>().await.into_iter().collect()
    }

    fn exec(&self) -> Option<&dyn Exec> {
        Some(self)
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(self)
    }

    fn images(&self) -> Option<&dyn Images> {
        Some(self)
    }
}
