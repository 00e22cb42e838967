//! A registry without an image: what it is asked for is not there.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

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
