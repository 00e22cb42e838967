//! One error for all backends.
//!
//! A kind is set where the vendor's answer is understood, in one function per backend. Whoever passes an error on adds
//! context; nobody changes its kind. Unknown is not "not found".

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The result of a backend's call.
pub type Result<T> = std::result::Result<T, BackendError>;

/// What went wrong, in the one list that callers act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The call itself is wrong; repeating it cannot help.
    InvalidInput,
    /// The backend itself said that the thing is not there.
    NotFound,
    /// The thing is there and must not be.
    AlreadyExists,
    /// A precondition does not hold, or an id holds something else.
    Conflict,
    /// The backend does not know who we are.
    Unauthenticated,
    /// The backend knows who we are and refuses.
    PermissionDenied,
    /// This backend cannot do that.
    Unsupported,
    /// A limit or a disk is full.
    Exhausted,
    /// The backend cannot be reached or is not ready. The outcome of a write is unknown.
    Unavailable,
    /// The backend did not answer in time. The outcome of a write is unknown.
    TimedOut,
    /// A defect, in the backend or in us.
    Internal,
}

impl ErrorKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::InvalidInput,
        Self::NotFound,
        Self::AlreadyExists,
        Self::Conflict,
        Self::Unauthenticated,
        Self::PermissionDenied,
        Self::Unsupported,
        Self::Exhausted,
        Self::Unavailable,
        Self::TimedOut,
        Self::Internal,
    ];

    /// Whether a write that answered this kind may have taken effect.
    #[must_use]
    pub const fn outcome_unknown(self) -> bool {
        matches!(self, Self::Unavailable | Self::TimedOut)
    }

    /// The kind as words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid input",
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::Conflict => "conflict",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission denied",
            Self::Unsupported => "unsupported",
            Self::Exhausted => "exhausted",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed out",
            Self::Internal => "internal error",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether the same call may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAdvice {
    /// It would answer the same.
    Never,
    /// It may work later; the backend's own delay, if it named one.
    Later {
        /// How long the backend asked us to wait.
        after: Option<Duration>,
    },
    /// It was tried again as often as the policy allows.
    GaveUp,
}

/// An error of a backend: one pointer wide.
pub struct BackendError(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    retry: RetryAdvice,
    backend: &'static str,
    operation: &'static str,
    message: String,
    facts: Vec<(&'static str, String)>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl BackendError {
    /// An error of that kind. The message is a lower-case fragment that says what is the case, without the cause.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let retry =
            if kind.outcome_unknown() { RetryAdvice::Later { after: None } } else { RetryAdvice::Never };
        Self(Box::new(Inner {
            kind,
            retry,
            backend: "",
            operation: "",
            message: message.into(),
            facts: Vec::new(),
            source: None,
        }))
    }

    /// Says which backend failed, and in which operation. The first word said stays.
    #[must_use]
    pub fn at(mut self, backend: &'static str, operation: &'static str) -> Self {
        if self.0.backend.is_empty() {
            self.0.backend = backend;
            self.0.operation = operation;
        }
        self
    }

    /// Adds a fact for whoever reads the message: a path, an id, a status. Never a credential.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.0.facts.push((name, value.to_string()));
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Sets the retry advice.
    #[must_use]
    pub fn retry(mut self, advice: RetryAdvice) -> Self {
        self.0.retry = advice;
        self
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may be tried again.
    #[must_use]
    pub fn advice(&self) -> RetryAdvice {
        self.0.retry
    }

    /// The backend that failed; empty where nobody said.
    #[must_use]
    pub fn backend(&self) -> &'static str {
        self.0.backend
    }

    /// The operation that failed; empty where nobody said.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The message alone.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The facts, in the order in which they were added.
    #[must_use]
    pub fn facts(&self) -> &[(&'static str, String)] {
        &self.0.facts
    }

    /// The whole chain of causes on one line, for logs and for people.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = Error::source(self);
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }
}

impl fmt::Display for BackendError {
    /// One link of the chain: where, what, and the facts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { backend, operation, message, facts, .. } = &*self.0;
        if !backend.is_empty() {
            write!(f, "{backend} {operation}: ")?;
        }
        f.write_str(message)?;
        for (index, (name, value)) in facts.iter().enumerate() {
            write!(f, "{}{name} {value}", if index == 0 { " (" } else { ", " })?;
        }
        if facts.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl fmt::Debug for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendError")
            .field("kind", &self.0.kind)
            .field("retry", &self.0.retry)
            .field("text", &self.to_string())
            .field("source", &self.0.source)
            .finish()
    }
}

impl Error for BackendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<BackendError>(), size_of::<usize>());
    }

    #[test]
    fn display_is_one_link_and_chain_is_all() {
        let cause = std::io::Error::other("no space left");
        let error = BackendError::new(ErrorKind::Exhausted, "the disk is full")
            .at("redb", "commit")
            .with("path", "/data")
            .source(cause);
        assert_eq!(error.to_string(), "redb commit: the disk is full (path /data)");
        assert_eq!(error.chain(), "redb commit: the disk is full (path /data): no space left");
    }

    #[test]
    fn the_first_place_named_stays() {
        let error = BackendError::new(ErrorKind::Internal, "x").at("a", "b").at("c", "d");
        assert_eq!((error.backend(), error.operation()), ("a", "b"));
    }

    #[test]
    fn only_unknown_outcomes_advise_a_retry() {
        for kind in ErrorKind::ALL {
            let later = matches!(BackendError::new(kind, "x").advice(), RetryAdvice::Later { .. });
            assert_eq!(later, kind.outcome_unknown(), "{kind}");
        }
    }
}
