//! What the calls of the scheduler share: the engine, the book, what was removed, and whose turn it is.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bollard::models::SystemInfo;
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptions, RemoveContainerOptionsBuilder,
};
use gofer_backend::{ErrorKind, Owner, Result};
use gofer_container::DockerConfig;
use gofer_porter::Carriers;
use gofer_scheduler::{Removed, Turns};
use gofer_types::AttemptId;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::book::Book;
use crate::client::Client;
use crate::error::error;
use crate::fetched::Fetched;
use crate::init::InitVolume;
use crate::seen::{self, Seen};

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) owner: Owner,
    pub(crate) config: DockerConfig,
    pub(crate) client: Client,
    pub(crate) book: Book,
    pub(crate) init: InitVolume,
    pub(crate) fetched: Fetched,
    pub(crate) pulls: Semaphore,
    pub(crate) tracker: TaskTracker,
    pub(crate) closing: CancellationToken,
    removed: Mutex<Removed>,
    /// Whoever has the turn of an id is the only one that starts, ends or removes what stands under it.
    pub(crate) turns: Turns,
    /// Whoever carries files. The turn of laying lasts as long as archives come, so it is another one, and taken first.
    pub(crate) carriers: Carriers,
}

impl Shared {
    pub(crate) fn new(
        name: String,
        owner: Owner,
        config: DockerConfig,
        removed: Removed,
        fetched: Fetched,
    ) -> Self {
        let calls = usize::try_from(config.max_calls).unwrap_or(usize::MAX);
        let pulls = usize::try_from(config.max_pulls).unwrap_or(usize::MAX);
        Self {
            client: Client::new(config.socket.clone(), config.call_timeout.get(), calls),
            name,
            owner,
            config,
            book: Book::new(),
            init: InitVolume::new(),
            fetched,
            pulls: Semaphore::new(pulls),
            tracker: TaskTracker::new(),
            closing: CancellationToken::new(),
            removed: Mutex::new(removed),
            turns: Turns::default(),
            carriers: Carriers::default(),
        }
    }

    pub(crate) fn removed(&self) -> MutexGuard<'_, Removed> {
        self.removed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that an id is never to be started again.
    pub(crate) fn forbid(&self, id: &AttemptId) -> Result<()> {
        let mut removed = self.removed();
        if removed.contains(id) {
            return Ok(());
        }
        removed.add(id).map_err(|source| {
            error(ErrorKind::Exhausted, "remove", "the removal cannot be written down").source(source)
        })
    }

    /// The container of an attempt. `NotFound` if there is none or it is another owner's.
    pub(crate) async fn seen(&self, id: &AttemptId, operation: &'static str) -> Result<Seen> {
        match self.look(id, operation).await? {
            Some(seen) => Ok(seen),
            None => Err(not_there(id, operation)),
        }
    }

    /// As [`Self::seen`], but `None` for the container of another owner.
    pub(crate) async fn look(&self, id: &AttemptId, operation: &'static str) -> Result<Option<Seen>> {
        let name = id.to_string();
        let look = |docker: bollard::Docker| async move {
            docker.inspect_container(&name, None::<InspectContainerOptions>).await
        };
        match self.client.call(operation, look).await {
            Ok(answer) => Ok(seen::of(&self.owner, answer)),
            Err(fault) if fault.kind() == ErrorKind::NotFound => Err(not_there(id, operation)),
            Err(fault) => Err(fault.with("id", id)),
        }
    }

    /// All containers of ours.
    pub(crate) async fn containers(
        &self,
        operation: &'static str,
    ) -> Result<Vec<bollard::models::ContainerSummary>> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(gofer_container::labels::filter(&self.owner)),
            ..ListContainersOptions::default()
        };
        let list = |docker: bollard::Docker| async move { docker.list_containers(Some(options)).await };
        self.client.call(operation, list).await
    }

    /// What the engine says of itself.
    pub(crate) async fn info(&self, operation: &'static str) -> Result<SystemInfo> {
        self.client.call(operation, |docker| async move { docker.info().await }).await
    }

    /// Removes a container with what belongs to it. Already gone: `Ok`.
    pub(crate) async fn discard(&self, container: &str, force: bool) -> Result<()> {
        let name = container.to_owned();
        let options = RemoveContainerOptionsBuilder::default().v(true).force(force).build();
        let remove =
            |docker: bollard::Docker| async move { docker.remove_container(&name, Some(options)).await };
        match self.client.call("remove", remove).await {
            Err(fault) if fault.kind() == ErrorKind::NotFound => Ok(()),
            answer => answer,
        }
    }
}

/// Now, by the engine's clock.
pub(crate) fn engine_time(info: &SystemInfo) -> Option<jiff::Timestamp> {
    info.system_time.as_deref().and_then(|time| time.parse().ok())
}

fn not_there(id: &AttemptId, operation: &'static str) -> gofer_backend::BackendError {
    error(ErrorKind::NotFound, operation, "the engine has no container for this attempt").with("id", id)
}
