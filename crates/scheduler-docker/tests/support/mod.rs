//! What all tests with an engine need.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use gofer_scheduler_docker::DockerConfig;

/// A scheduler's settings for that engine: without a network, which private engines do not have.
pub(crate) fn config(socket: &str) -> DockerConfig {
    DockerConfig { socket: socket.to_owned(), network: "none".to_owned(), ..DockerConfig::default() }
}

/// Runs something to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(work)
}
