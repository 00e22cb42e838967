//! What can go wrong with a call, ready to be shown: a code, a message, a hint, the next commands, an exit code.

use std::fmt;
use std::time::Duration;

use gofer_proto::v1;

/// Where the pages of the codes are published.
pub(crate) const DOCS: &str = "https://docs.gofer.example/errors/";

/// The codes that the client itself hands out, with their titles. Each has a page in `docs/errors`.
pub const CODES: &[(&str, &str)] = &[
    ("E0101", "nothing answers at the address of the server"),
    ("E0102", "client and server do not speak the same API"),
    ("E0103", "the connection to the server was lost"),
    ("E0104", "the server did not answer in time"),
    ("E0105", "what answers is not a gofer server"),
    ("E0106", "the address of the server is malformed"),
];

/// What went wrong, in the list that exit codes are made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A failure that nobody expected.
    Internal,
    /// The client was called wrongly.
    Usage,
    /// What was asked for is not there.
    NotFound,
    /// Not logged in, or not allowed.
    Auth,
    /// Something stands against it: it exists already, it moved, it is disabled, a quota is used up.
    Conflict,
    /// What was sent was rejected.
    Invalid,
    /// The server, or what it needs, cannot be reached.
    Unavailable,
    /// A time limit passed first.
    Timeout,
    /// Client and server share no version of the API.
    Incompatible,
}

impl ErrorKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Internal,
        Self::Usage,
        Self::NotFound,
        Self::Auth,
        Self::Conflict,
        Self::Invalid,
        Self::Unavailable,
        Self::Timeout,
        Self::Incompatible,
    ];

    /// The stable word for JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Auth => "auth",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Incompatible => "incompatible",
        }
    }

    /// The exit code of a command that ends with this kind of error.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Auth => 4,
            Self::Conflict => 5,
            Self::Invalid => 6,
            Self::Unavailable => 7,
            Self::Timeout => 8,
            Self::Incompatible => 9,
        }
    }
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field, such as `run.number`.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

/// Why a call failed.
#[derive(Clone, PartialEq, thiserror::Error)]
#[error("{}", .0.message)]
pub struct ClientError(pub(crate) Box<Parts>);

/// What an error consists of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parts {
    pub(crate) kind: ErrorKind,
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) next: Vec<String>,
    pub(crate) docs: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) all_violations: usize,
    pub(crate) diagnostics: Vec<v1::Diagnostic>,
    pub(crate) all_diagnostics: usize,
    pub(crate) retryable: bool,
    pub(crate) retry_after: Option<Duration>,
}

impl ClientError {
    pub(crate) fn new(kind: ErrorKind, code: Option<&str>, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            kind,
            code: code.map(str::to_owned),
            message: message.into(),
            hint: None,
            next: Vec::new(),
            docs: code.map(|code| format!("{DOCS}{code}")),
            request_id: None,
            violations: Vec::new(),
            all_violations: 0,
            diagnostics: Vec::new(),
            all_diagnostics: 0,
            retryable: false,
            retry_after: None,
        }))
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(crate) fn with_next(mut self, command: impl Into<String>) -> Self {
        self.0.next.push(command.into());
        self
    }

    pub(crate) fn repeatable(mut self) -> Self {
        self.0.retryable = true;
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The code, such as `E0302`; `None` if the server sent none.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// What is the case, in one lower-case sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What may be wrong, or what to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Commands that may help.
    #[must_use]
    pub fn next(&self) -> &[String] {
        &self.0.next
    }

    /// Where the code is explained.
    #[must_use]
    pub fn docs(&self) -> Option<&str> {
        self.0.docs.as_deref()
    }

    /// What the server calls this call in its log.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// What is wrong with which field.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    /// How many fields are wrong: more than [`ClientError::violations`] where not all fit into the answer.
    #[must_use]
    pub fn all_violations(&self) -> usize {
        self.0.all_violations.max(self.0.violations.len())
    }

    /// The problems of a pipeline file.
    #[must_use]
    pub fn diagnostics(&self) -> &[v1::Diagnostic] {
        &self.0.diagnostics
    }

    /// Whether the same call may work later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// After which time, if the server said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The exit code of a command that ends with this error.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.0.kind.exit_code()
    }
}

impl fmt::Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Nobody listens at the address, or it cannot be reached.
pub(crate) fn unreachable(address: &str, why: &str) -> ClientError {
    ClientError::new(
        ErrorKind::Unavailable,
        Some("E0101"),
        format!("no server can be reached at {address}: {why}"),
    )
    .with_hint(
        "start one with `gofer dev` or `gofer server start`, or name another with --addr or GOFER_ADDR",
    )
    .with_next("gofer dev")
    .repeatable()
}

/// The server speaks another API.
pub(crate) fn incompatible(address: &str, theirs: u32, version: &str) -> ClientError {
    let ours = gofer_proto::API;
    let text = format!(
        "the server at {address} (gofer {version}) speaks API {theirs}; this client speaks API {ours}"
    );
    let older = if theirs > ours { "client" } else { "server" };
    ClientError::new(ErrorKind::Incompatible, Some("E0102"), text).with_hint(format!("upgrade the {older}"))
}

/// The connection broke.
pub(crate) fn lost(address: &str, why: &str) -> ClientError {
    ClientError::new(
        ErrorKind::Unavailable,
        Some("E0103"),
        format!("the connection to {address} was lost: {why}"),
    )
    .with_hint("what was started goes on at the server; whether a change took effect is not known")
    .with_next("gofer status")
    .repeatable()
}

/// No answer in time.
pub(crate) fn timed_out(address: &str, limit: Duration) -> ClientError {
    ClientError::new(ErrorKind::Timeout, Some("E0104"), format!("{address} did not answer within {limit:?}"))
        .with_hint("raise the limit with --timeout; whether a change took effect is not known")
}

/// Something answers, but not gofer.
pub(crate) fn stranger(address: &str, what: &str) -> ClientError {
    ClientError::new(
        ErrorKind::Unavailable,
        Some("E0105"),
        format!("what answers at {address} is not a gofer server"),
    )
    .with_hint(format!("{what}; look which program has that port, or name another address"))
}

/// The address is none.
pub(crate) fn malformed_address(address: &str, why: &str) -> ClientError {
    ClientError::new(
        ErrorKind::Usage,
        Some("E0106"),
        format!("{address:?} is not the address of a server: {why}"),
    )
    .with_hint("write it as http://HOST:PORT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_with_its_title() {
        for (code, title) in CODES {
            let path = format!("{}/../../docs/errors/{code}.md", env!("CARGO_MANIFEST_DIR"));
            let page = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(page.starts_with(&format!("# {code}: {title}\n")), "{path}");
        }
    }
}
