//! Docker engines for tests: the one that all tests share, and private ones that a test may kill.
//!
//! Nothing here needs the `docker` program or an image from a registry: an engine is spoken to over its socket, and the
//! image is made from the busybox of this machine. A test that needs an engine where there is none is *ignored*, with the
//! reason that is answered here; it does not pass.

mod api;
mod engine;
mod image;
mod leftovers;
mod registry;
mod valve;

pub use api::{Answer, Docker};
pub use engine::{Engine, EngineBuilder};
pub use image::{TEST_IMAGE, test_image};
pub use registry::{PASSWORD, Registry, USER, forget_image, make_image};
pub use valve::Valve;

/// The variable that names the socket of the engine for tests: `unix:///var/run/docker.sock`.
pub const SOCKET: &str = "GOFER_TEST_DOCKER";

/// The engine that tests share.
///
/// # Errors
/// The reason why there is none, for people who wonder why tests were ignored.
pub fn engine_for_tests() -> Result<Docker, String> {
    shared(std::env::var(SOCKET).ok().as_deref())
}

fn shared(url: Option<&str>) -> Result<Docker, String> {
    let url = url.filter(|url| !url.is_empty()).ok_or(format!("no Docker engine: {SOCKET} is not set"))?;
    let path = url
        .strip_prefix("unix://")
        .ok_or(format!("no Docker engine: {SOCKET} is `{url}`, which is not a unix:// address"))?;
    let docker = Docker::at(path);
    match docker.get("/_ping") {
        Ok(answer) if answer.status == 200 => Ok(docker),
        Ok(answer) => Err(format!("no Docker engine: {url} answers {}", answer.status)),
        Err(error) => Err(format!("no Docker engine: {url} does not answer: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::World;

    #[test]
    fn without_an_engine_the_reason_is_answered() {
        assert_eq!(shared(None).unwrap_err(), "no Docker engine: GOFER_TEST_DOCKER is not set");
        assert!(shared(Some("tcp://x")).unwrap_err().contains("is not a unix:// address"));
        let world = World::new();
        let nobody = format!("unix://{}", world.join("none.sock").display());
        assert!(shared(Some(&nobody)).unwrap_err().contains("does not answer: No such file"));
    }
}
