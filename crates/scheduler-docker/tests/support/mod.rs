//! Where the tests find an engine, and what they say when there is none.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use gofer_scheduler_docker::DockerConfig;

/// The engine that the tests share, with the image that they make; or why there is none.
pub(crate) fn engine() -> Result<(String, &'static str), String> {
    let engine = gofer_testkit::docker::engine_for_tests()?;
    let image = gofer_testkit::docker::test_image(&engine)?;
    Ok((engine.url(), image))
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
