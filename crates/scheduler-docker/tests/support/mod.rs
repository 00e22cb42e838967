//! Where the tests find an engine, and what they say when there is none.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

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

/// A registry on loopback that has no image at all. Engines trust those without TLS.
pub(crate) struct EmptyRegistry {
    port: u16,
}

impl EmptyRegistry {
    /// Answers for as long as the process lives.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(&stream);
                let mut first = String::new();
                let _ = reader.read_line(&mut first);
                let mut line = first.clone();
                while line.trim() != "" {
                    line.clear();
                    let _ = reader.read_line(&mut line);
                }
                let known = first.contains(" /v2/ ");
                let (status, body) = if known { ("200 OK", "{}") } else { ("404 Not Found", NOTHING) };
                let length = body.len();
                let head = "Docker-Distribution-Api-Version: registry/2.0\r\nConnection: close";
                let _ = write!(
                    &stream,
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}"
                );
            }
        };
        std::thread::Builder::new().spawn(serve).unwrap();
        Self { port }
    }

    /// The name of an image in it.
    pub(crate) fn image(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }
}

const NOTHING: &str = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
