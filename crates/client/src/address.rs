//! The address of a server, and a look at what answers there if it does not behave like one.

use std::time::Duration;

use http::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::{ClientError, malformed_address};

/// How long the look may take.
const LOOK: Duration = Duration::from_secs(1);

/// A checked address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// Reads `http://HOST:PORT` or `HOST:PORT`.
    pub(crate) fn parse(text: &str) -> Result<Self, ClientError> {
        let refuse = |why: &str| malformed_address(text, why);
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = full.parse().map_err(|_| refuse("it is not a URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(refuse("https is not supported by this build yet")),
            _ => return Err(refuse("only http is known")),
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(refuse("it must not have a path"));
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(refuse("it must not name a user"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| refuse("it has no host"))?;
        let port = uri.port_u16().ok_or_else(|| refuse("it has no port"))?;
        Ok(Self { host: host.to_owned(), port })
    }

    /// The address as it is shown and dialled.
    pub(crate) fn url(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }

    /// What answers there to a plain HTTP/1 request, if anything does within a second.
    pub(crate) async fn look(&self) -> Option<String> {
        tokio::time::timeout(LOOK, self.first_line()).await.ok().flatten()
    }

    async fn first_line(&self) -> Option<String> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let mut stream = TcpStream::connect((host, self.port)).await.ok()?;
        let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.host);
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = [0; 64];
        let length = stream.read(&mut answer).await.ok()?;
        let text = String::from_utf8_lossy(&answer[..length]);
        let line = text.lines().next()?.trim();
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        (line.starts_with("HTTP/1")).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_and_without_its_scheme() {
        for text in ["http://127.0.0.1:7400", "127.0.0.1:7400", "http://127.0.0.1:7400/"] {
            assert_eq!(Address::parse(text).unwrap().url(), "http://127.0.0.1:7400", "{text}");
        }
        assert_eq!(Address::parse("[::1]:7400").unwrap().url(), "http://[::1]:7400");
    }

    #[test]
    fn what_is_no_address_is_refused_and_says_why() {
        for text in [
            "",
            "localhost",
            "https://a:1",
            "ftp://a:1",
            "http://a:1/x",
            "http://u@a:1",
            "http://a:1?x",
            "a b:1",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert_eq!((error.code(), error.exit_code()), (Some("E0106"), 2), "{text:?}");
        }
    }
}
