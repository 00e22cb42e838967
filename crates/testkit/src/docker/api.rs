//! One request, one answer, over the socket of an engine: as much HTTP as that needs.
//!
//! Every request has a connection of its own, which the engine closes. Tests that follow streams use a real client.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an engine may be silent.
const PATIENCE: Duration = Duration::from_secs(60);
/// More than any answer that a test asks for.
const LARGEST: u64 = 64 * 1024 * 1024;

/// An engine, by its socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Docker {
    socket: PathBuf,
}

/// What an engine answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The body, most often JSON.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Docker {
    /// The engine that listens on this socket, whether or not it answers.
    #[must_use]
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The socket as `DOCKER_HOST` and our configuration have it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Asks for something.
    ///
    /// # Errors
    /// If the engine does not answer, or not in HTTP.
    pub fn get(&self, path: &str) -> io::Result<Answer> {
        self.send("GET", path, ("application/json", b""))
    }

    /// Sends JSON, or nothing.
    ///
    /// # Errors
    /// If the engine does not answer, or not in HTTP.
    pub fn post(&self, path: &str, json: &str) -> io::Result<Answer> {
        self.send("POST", path, ("application/json", json.as_bytes()))
    }

    /// Removes something.
    ///
    /// # Errors
    /// If the engine does not answer, or not in HTTP.
    pub fn delete(&self, path: &str) -> io::Result<Answer> {
        self.send("DELETE", path, ("application/json", b""))
    }

    /// Sends any request with a body of the given type.
    ///
    /// # Errors
    /// If the engine does not answer, or not in HTTP.
    pub fn send(&self, method: &str, path: &str, body: (&str, &[u8])) -> io::Result<Answer> {
        self.send_with((method, path), &[], body)
    }

    /// As [`Self::send`], with more headers.
    ///
    /// # Errors
    /// If the engine does not answer, or not in HTTP.
    pub fn send_with(
        &self,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        (kind, body): (&str, &[u8]),
    ) -> io::Result<Answer> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Type: {kind}\r\n{more}\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut bytes = Vec::new();
        stream.take(LARGEST).read_to_end(&mut bytes)?;
        understood(&bytes).ok_or_else(|| io::Error::other("the answer is not HTTP"))
    }
}

fn understood(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 4..]);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let chunked = lines.any(|line| line.eq_ignore_ascii_case("transfer-encoding: chunked"));
    let body = if chunked { joined(body)? } else { body.to_vec() };
    Some(Answer { status, body })
}

/// The pieces of a body, without their lengths.
fn joined(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?.trim(), 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + length)?);
        rest = rest.get(end + 2 + length + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_taken_whole_or_in_pieces() {
        let whole = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";
        assert_eq!(understood(whole), Some(Answer { status: 404, body: b"no".to_vec() }));
        let pieces =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(understood(pieces).map(|answer| answer.text()), Some("abc0123456789".to_owned()));
    }

    #[test]
    fn half_an_answer_is_none() {
        assert_eq!(understood(b"HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(understood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), None);
    }
}
