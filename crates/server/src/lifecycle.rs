//! A server from its start to its end: plan, listen, open, serve, drain.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gofer_api::{Limits, ServeOptions};
use gofer_backend::Clock;
use gofer_config::Config;
use gofer_engine::Engine;
use gofer_storage::Storage;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::SystemClock;
use crate::error::StartError;
use crate::{port, wiring};

/// How long closing may take beyond the configured time for calls under way.
const CLOSING: Duration = Duration::from_secs(5);

/// How long a busy address is tried again. A child of a server that was killed holds the server's socket until it has become
/// the program of its task, which takes milliseconds on a machine with time to spare.
const FREED: Duration = Duration::from_secs(1);

/// How often a busy address is tried in that time.
const TRIES: u32 = 20;

/// How a server ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to, and let go of everything in order. Tasks go on.
    Drained,
    /// It can no longer keep its promises; only starting it again helps. The text says why.
    Failed(String),
}

/// A server that serves.
#[derive(Debug)]
pub struct RunningServer {
    address: SocketAddr,
    data_dir: PathBuf,
    engine: Engine,
    storage: Arc<dyn Storage>,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), gofer_api::ServeError>>,
    drain: Duration,
}

/// Starts a server. It accepts calls when this returns.
///
/// Everything is checked before anything is opened, the address before the data, and the lock of the data directory before
/// its content. Must be called within a tokio runtime.
pub async fn start(config: Config) -> Result<RunningServer, StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (listen, drain) = (config.server.listen, config.server.drain_timeout.get());
    let data_dir = config.server.data_dir.clone();
    let options = serve_options(&config, Arc::clone(&clock));
    let kept = wiring::retention_in_words(&config.retention);
    let blueprint = wiring::plan(config, clock).map_err(StartError::Config)?;
    let listener = bind(listen).await?;
    let address = listener.local_addr().map_err(|cause| StartError::Listen { address: listen, cause })?;
    let built = wiring::build(blueprint, address.to_string()).await?;
    tracing::info!(%address, kept, "the server listens");
    let stop = CancellationToken::new();
    let serving = gofer_api::serve(listener, built.engine.clone(), options, stop.clone().cancelled_owned());
    Ok(RunningServer {
        address,
        data_dir,
        engine: built.engine,
        storage: built.storage,
        stop,
        serving: spawn(serving),
        drain,
    })
}

#[expect(clippy::disallowed_methods, reason = "the handle is kept by the server, which waits for it")]
pub(crate) fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(work)
}

pub(crate) fn serve_options(config: &Config, clock: Arc<dyn Clock>) -> ServeOptions {
    let bytes = |size: gofer_types::ByteSize| usize::try_from(size.get()).unwrap_or(usize::MAX);
    let limits = Limits {
        message_in: bytes(config.limits.max_message_in),
        message_out: bytes(config.limits.max_message_out),
        drain: config.server.drain_timeout.get(),
        ..Limits::default()
    };
    ServeOptions {
        limits,
        supported: wiring::supported(),
        pipeline_limits: wiring::pipeline_limits(config),
        ..ServeOptions::new(env!("CARGO_PKG_VERSION"), config.server.data_dir.display().to_string(), clock)
    }
}

/// Listens. A busy address is tried again for [`FREED`], since its holder may be about to go.
async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    let mut tries = 1..TRIES;
    let cause = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(cause) if cause.kind() != ErrorKind::AddrInUse || tries.next().is_none() => break cause,
            // sleeps: the kernel tells nobody that an address became free
            Err(_) => tokio::time::sleep(FREED / TRIES).await,
        }
    };
    if cause.kind() != ErrorKind::AddrInUse {
        return Err(StartError::Listen { address, cause });
    }
    Err(StartError::PortBusy { address, holder: port::holder(address), free: free_port_after(address).await })
}

/// A port above a busy one that can be offered instead.
async fn free_port_after(busy: SocketAddr) -> Option<u16> {
    const PORTS: u16 = 20;
    for step in 1..=PORTS {
        let port = busy.port().checked_add(step)?;
        if TcpListener::bind((busy.ip(), port)).await.is_ok() {
            return Some(port);
        }
    }
    None
}

impl RunningServer {
    /// Where it listens; the real port, if port 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its data are.
    #[must_use]
    pub fn data_dir(&self) -> &PathBuf {
        &self.data_dir
    }

    /// The engine, for banners and for tests.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Serves until `asked` resolves or the server can no longer keep its promises, then drains.
    ///
    /// Draining ends at most ten seconds after the configured time: requests under way are finished, streams are ended, everything accepted is
    /// on disk. Tasks are not touched.
    pub async fn run_until(mut self, asked: impl Future<Output = ()> + Send) -> Ended {
        let ended = tokio::select! {
            () = asked => Ended::Drained,
            reason = self.engine.failed() => Ended::Failed(reason),
            served = &mut self.serving => Ended::Failed(match served {
                Ok(Ok(())) => "it stopped serving".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            }),
        };
        self.drain().await;
        ended
    }

    async fn drain(self) {
        let Self { engine, storage, stop, mut serving, drain, .. } = self;
        stop.cancel();
        if !serving.is_finished() {
            // How serving ended does not matter any more. The API ends what does not end by itself in its own time.
            let calls = tokio::time::timeout(drain.saturating_add(CLOSING), &mut serving).await;
            if calls.is_err() {
                tracing::warn!(?drain, "not every call ended in time");
            }
        }
        let close = async {
            engine.shutdown().await;
            if let Err(error) = storage.close().await {
                tracing::warn!(error = error.chain(), "the storage did not close in order");
            }
        };
        if tokio::time::timeout(CLOSING, close).await.is_err() {
            tracing::warn!("the storage did not close in time; what was acknowledged is safe all the same");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_that_is_let_go_soon_is_taken_and_one_that_is_kept_is_refused() {
        let held = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = held.local_addr().expect("an address");
        assert!(matches!(bind(address).await, Err(StartError::PortBusy { .. })));
        // The first try is over when this is polled.
        let let_go = async { drop(held) };
        let (taken, ()) = tokio::join!(bind(address), let_go);
        assert_eq!(taken.expect("it is free by now").local_addr().expect("an address"), address);
    }
}
