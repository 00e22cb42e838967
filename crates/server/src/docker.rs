//! Whether a Docker engine answers, and where: for those who take one if there is one.
//!
//! One request over a socket, within a second. What runs tasks there is the scheduler's business.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// How long an engine may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// More than an engine says about itself.
const LONGEST: u64 = 256 * 1024;
const SCHEME: &str = "unix://";
const USUAL: &str = "/var/run/docker.sock";
/// Below the folder of a user's own sockets: an engine without root.
const ROOTLESS: &str = "docker.sock";

/// An engine that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerEngine {
    /// What it is: `docker 20.10.24`.
    pub what: String,
    /// Where: `unix:///var/run/docker.sock`.
    pub url: String,
}

/// Why no engine answers.
#[derive(Debug, thiserror::Error)]
pub enum NoDocker {
    /// Nobody answers at this place, the last that was tried.
    #[error("no Docker engine answers at {url}")]
    Silent {
        /// Where.
        url: String,
        /// What happened there.
        #[source]
        cause: std::io::Error,
    },
    /// The place is not a socket of this machine.
    #[error("`DOCKER_HOST` is `{url}`, and only engines at a unix:// socket are used")]
    Elsewhere {
        /// The place.
        url: String,
    },
}

/// Looks for an engine: at the place that `DOCKER_HOST` names, else at the usual ones. `runtime_dir` is the folder of the
/// user's own sockets.
pub async fn docker_answers(host: Option<&str>, runtime_dir: Option<&str>) -> Result<DockerEngine, NoDocker> {
    let sockets = match host {
        Some(url) => match url.strip_prefix(SCHEME) {
            Some(path) => vec![PathBuf::from(path)],
            None => return Err(NoDocker::Elsewhere { url: url.to_owned() }),
        },
        None => {
            let own = runtime_dir.map(|dir| PathBuf::from(dir).join(ROOTLESS));
            own.into_iter().chain([PathBuf::from(USUAL)]).collect()
        }
    };
    let mut silent = NoDocker::Elsewhere { url: String::new() };
    for socket in sockets {
        let url = format!("{SCHEME}{}", socket.display());
        let asked = tokio::time::timeout(PATIENCE, ask(&socket)).await;
        match asked.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
            Ok(what) => return Ok(DockerEngine { what, url }),
            Err(cause) => silent = NoDocker::Silent { url, cause },
        }
    }
    Err(silent)
}

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "Version")]
    version: String,
    #[serde(rename = "Components", default)]
    components: Vec<Component>,
}

#[derive(Deserialize)]
struct Component {
    #[serde(rename = "Name")]
    name: String,
}

/// What listens at a socket, if it is an engine.
async fn ask(socket: &std::path::Path) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    // HTTP of the oldest kind: the answer ends where the connection does.
    stream.write_all(b"GET /version HTTP/1.0\r\nHost: docker\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer).await?;
    let what = understood(&answer);
    // Podman speaks as if it were one, and the scheduler refuses it: docs/dev/podman.md.
    let what = what.filter(|what| !what.starts_with("podman"));
    what.ok_or_else(|| std::io::Error::other("what listens there is no Docker engine"))
}

fn understood(answer: &[u8]) -> Option<String> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let status = std::str::from_utf8(answer.get(..end)?).ok()?.split(' ').nth(1)?;
    let version: Version = (status == "200").then(|| serde_json::from_slice(&answer[end + 4..]).ok())??;
    let podman = version.components.iter().any(|part| part.name.starts_with("Podman"));
    let safe = version.version.chars().filter(char::is_ascii_graphic).take(64);
    Some(format!("{} {}", if podman { "podman" } else { "docker" }, safe.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(error: &NoDocker) -> String {
        let cause = std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
        format!("{error}{cause}")
    }

    #[tokio::test]
    async fn a_place_without_an_engine_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("unix://{}/none.sock", folder.path().display());
        let told = chain(&docker_answers(Some(&url), None).await.unwrap_err());
        assert!(told.contains(&url) && told.contains("No such file"), "{told}");
        let told = chain(&docker_answers(Some("tcp://10.0.0.1:2375"), None).await.unwrap_err());
        assert!(told.contains("tcp://10.0.0.1:2375"), "{told}");
    }

    /// A socket at which somebody gives this answer once.
    async fn answered(answer: &'static [u8]) -> Result<DockerEngine, NoDocker> {
        let folder = tempfile::tempdir().unwrap();
        let listener = tokio::net::UnixListener::bind(folder.path().join(ROOTLESS)).unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 512];
            let _ = stream.read(&mut asked).await.unwrap();
            stream.write_all(answer).await.unwrap();
        };
        let host = format!("unix://{}", folder.path().join(ROOTLESS).display());
        let (_, found) = tokio::join!(serve, docker_answers(Some(&host), None));
        found
    }

    #[tokio::test]
    async fn an_engine_says_what_it_is() {
        let docker =
            b"HTTP/1.0 200 OK\r\n\r\n{\"Version\":\"20.10.24+dfsg1\",\"Components\":[{\"Name\":\"Engine\"}]}";
        assert_eq!(answered(docker).await.unwrap().what, "docker 20.10.24+dfsg1");
        let podman =
            b"HTTP/1.0 200 OK\r\n\r\n{\"Version\":\"4.3.1\",\"Components\":[{\"Name\":\"Podman Engine\"}]}";
        assert!(answered(podman).await.is_err());
    }

    #[tokio::test]
    async fn somebody_else_at_the_socket_is_no_engine() {
        for answer in [&b"HTTP/1.0 404 no\r\n\r\n{}"[..], b"SSH-2.0-x\r\n", b""] {
            assert!(chain(&answered(answer).await.unwrap_err()).contains("is no Docker engine"));
        }
    }
}
