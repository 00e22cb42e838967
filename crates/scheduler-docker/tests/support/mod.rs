//! Where the tests find an engine, and what they say when there is none.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use gofer_scheduler_docker::DockerConfig;

/// The image that the tests make.
pub(crate) const IMAGE: &str = "gofer-test:1";

/// The engine that the tests share, or why there is none.
pub(crate) fn engine() -> Result<String, String> {
    std::env::var("GOFER_TEST_DOCKER").map_err(|_| "no Docker engine: GOFER_TEST_DOCKER is not set".to_owned())
}

/// A scheduler's settings for that engine: without a network, which private engines do not have.
pub(crate) fn config(socket: &str) -> DockerConfig {
    DockerConfig { socket: socket.to_owned(), network: "none".to_owned(), ..DockerConfig::default() }
}

/// Runs something to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(work)
}
