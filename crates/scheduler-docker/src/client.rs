//! The way to the engine: connecting, a limit on how many calls are under way, and a deadline on each.
//!
//! Nothing is tried again here. The connection is made when it is first needed, so that a server can start while its
//! engine is down; each call has a connection of its own, as the engine's protocol wants it.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as Vendor;
use gofer_backend::{BackendError, ErrorKind, Result};
use tokio::sync::Semaphore;

use crate::error::{error, translate};

/// The oldest version of the API that has what we use: that of Docker 20.10.
const OLDEST: (usize, usize) = (1, 41);

/// How the part of Podman is called that speaks as if it were Docker; docs/dev/podman.md says what it does otherwise.
const PODMAN: &str = "Podman";

/// One engine.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: String,
    deadline: Duration,
    calls: Semaphore,
    docker: Mutex<Option<Docker>>,
}

impl Client {
    pub(crate) fn new(socket: String, deadline: Duration, max_calls: usize) -> Self {
        Self { socket, deadline, calls: Semaphore::new(max_calls), docker: Mutex::default() }
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Makes one call of the engine.
    pub(crate) async fn call<T, F>(
        &self,
        operation: &'static str,
        make: impl FnOnce(Docker) -> F + Send,
    ) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, Vendor>> + Send,
    {
        let call = async {
            let _slot = self.slot(operation).await?;
            let docker = self.docker(operation).await?;
            make(docker).await.map_err(|vendor| self.judged(translate(operation, vendor)))
        };
        self.in_time(operation, call).await
    }

    /// An engine that was exchanged for one of another age speaks another version from then on. That is nobody's fault.
    fn judged(&self, fault: BackendError) -> BackendError {
        if fault.kind() != ErrorKind::InvalidInput || !fault.chain().contains("client version") {
            return fault;
        }
        *self.docker.lock().unwrap_or_else(PoisonError::into_inner) = None;
        error(ErrorKind::Unavailable, "call", "the engine speaks another version than before").source(fault)
    }

    async fn slot(&self, operation: &'static str) -> Result<tokio::sync::SemaphorePermit<'_>> {
        let slot = self.calls.acquire().await;
        slot.map_err(|closed| error(ErrorKind::Internal, operation, "calls are over").source(closed))
    }

    async fn in_time<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        match tokio::time::timeout(self.deadline, call).await {
            Ok(answer) => answer,
            Err(_) => Err(error(ErrorKind::TimedOut, operation, "the engine does not answer")
                .with("socket", &self.socket)
                .with("seconds", self.deadline.as_secs())),
        }
    }

    /// The engine for a stream, which has no deadline and takes no slot.
    pub(crate) async fn docker(&self, operation: &'static str) -> Result<Docker> {
        let known = self.docker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(docker) => Ok(docker),
            None => self.connect(operation).await,
        }
    }

    /// Connects anew: what is at the socket now may be another version than before.
    pub(crate) async fn connect(&self, operation: &'static str) -> Result<Docker> {
        let connect = async {
            let docker = self.open(operation)?;
            let docker = docker.negotiate_version().await.map_err(|vendor| translate(operation, vendor))?;
            let version = docker.client_version();
            if (version.major_version, version.minor_version) < OLDEST {
                let message = "the engine is too old: Docker 20.10 is the oldest that will do";
                return Err(error(ErrorKind::Unsupported, operation, message).with("api", version));
            }
            let told = docker.version().await.map_err(|vendor| translate(operation, vendor))?;
            if told.components.iter().flatten().any(|part| part.name.starts_with(PODMAN)) {
                let message = "the engine is Podman, whose answers do not tell enough of how a task ended";
                return Err(error(ErrorKind::Unsupported, operation, message).with("socket", &self.socket));
            }
            Ok(docker)
        };
        let docker = self.in_time(operation, connect).await?;
        *self.docker.lock().unwrap_or_else(PoisonError::into_inner) = Some(docker.clone());
        Ok(docker)
    }

    fn open(&self, operation: &'static str) -> Result<Docker> {
        let version = bollard::API_DEFAULT_VERSION;
        // Their limit on the beginning of an answer; ours, on the whole call, is the shorter one.
        let seconds = self.deadline.as_secs().saturating_add(1);
        let docker = if self.socket.starts_with("unix://") {
            Docker::connect_with_unix(&self.socket, seconds, version)
        } else {
            Docker::connect_with_http(&self.socket, seconds, version)
        };
        docker.map_err(|vendor| translate(operation, vendor))
    }
}
