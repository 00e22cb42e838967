//! How a client reaches its server, and how patient it is.

use std::time::Duration;

/// How a client reaches its server, and how patient it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// Where the server listens: `http://HOST:PORT` or `HOST:PORT`.
    pub address: String,
    /// How long it may take to connect.
    pub connect_timeout: Duration,
    /// How long a call may take with all its repetitions; for a stream, until it begins.
    pub request_timeout: Duration,
    /// For how long a broken stream is tried to be resumed.
    pub resume_for: Duration,
    /// Under which name the deeds are recorded: a claim, not a proof. What is not printable ASCII becomes `_`.
    pub actor: Option<String>,
    /// What the client calls itself towards the server.
    pub user_agent: String,
    /// Whether a server of another API is refused when connecting.
    pub check_api: bool,
}

impl ClientOptions {
    /// Options for a server at that address.
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), ..Self::default() }
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            address: "http://127.0.0.1:7400".to_owned(),
            connect_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(30),
            resume_for: Duration::from_secs(120),
            actor: None,
            user_agent: concat!("gofer/", env!("CARGO_PKG_VERSION")).to_owned(),
            check_api: true,
        }
    }
}
