//! A server inside the program, for `gofer local`: the same engine, the same API, no port.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gofer_api::InProcess;
use gofer_backend::Clock;
use gofer_client::{Client, ClientOptions};
use gofer_config::{Config, Sources};
use gofer_engine::Engine;
use gofer_storage::Storage;
use tempfile::TempDir;

use crate::clock::SystemClock;
use crate::error::StartError;
use crate::lifecycle::serve_options;
use crate::wiring;

/// What a local server is made with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocalOptions {
    /// Where its data go; `None` means a directory that goes away with it.
    pub data: Option<PathBuf>,
    /// Settings as on the command line of a server: `section.key=value`.
    pub overrides: Vec<String>,
    /// Under which name the deeds are recorded.
    pub actor: Option<String>,
}

/// A server inside the program.
#[derive(Debug)]
pub struct LocalServer {
    client: Client,
    server: InProcess,
    engine: Engine,
    storage: Arc<dyn Storage>,
    data: PathBuf,
    // Dropped last: everything above uses files in it.
    temporary: Option<TempDir>,
}

/// Starts a local server. Must be called within a tokio runtime.
pub async fn local(options: LocalOptions) -> Result<LocalServer, StartError> {
    let temporary = match &options.data {
        Some(_) => None,
        None => Some(temporary()?),
    };
    let data = match (&options.data, &temporary) {
        (Some(path), _) => path.clone(),
        (None, Some(directory)) => directory.path().to_owned(),
        (None, None) => PathBuf::new(),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let config = config(&data, options.overrides)?;
    let served = serve_options(&config, Arc::clone(&clock));
    let blueprint = wiring::plan(config, clock).map_err(StartError::Config)?;
    let built = wiring::build(blueprint, String::new()).await?;
    let server = gofer_api::serve_in_process(built.engine.clone(), served);
    let client_options = ClientOptions { actor: options.actor, ..ClientOptions::default() };
    let client = Client::in_process(server.dialer(), client_options).await;
    let client = client.map_err(|error| StartError::Serve(error.into()))?;
    Ok(LocalServer { client, server, engine: built.engine, storage: built.storage, data, temporary })
}

fn temporary() -> Result<TempDir, StartError> {
    tempfile::Builder::new()
        .prefix("gofer-local-")
        .tempdir()
        .map_err(|cause| StartError::DataDir { path: std::env::temp_dir(), cause })
}

/// The configuration of a server without a file and without the environment: a local run is the same everywhere.
fn config(data: &Path, overrides: Vec<String>) -> Result<Config, StartError> {
    let mut all = vec![format!("server.data_dir={}", data.display())];
    all.extend(overrides);
    let sources = Sources { file: None, environment: Vec::new(), overrides: all };
    gofer_config::plan(&sources).map(|plan| plan.config).map_err(StartError::Config)
}

impl LocalServer {
    /// A client of it.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Where its data are.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// Ends it. With `keep` the data stay, also temporary ones, and the answer says where.
    pub async fn shutdown(self, keep: bool) -> Option<PathBuf> {
        if let Err(error) = self.server.end().await {
            tracing::warn!(error = error.to_string(), "the server had ended before");
        }
        self.engine.shutdown().await;
        if let Err(error) = self.storage.close().await {
            tracing::warn!(error = error.chain(), "the storage did not close in order");
        }
        match self.temporary {
            Some(directory) if keep => Some(directory.keep()),
            Some(_) => None,
            None => Some(self.data),
        }
    }
}
