//! What is refused, and why: each variant says what the user did and carries what a message needs.

use std::time::Duration;

use gofer_backend::{BackendError, ErrorKind};
use gofer_types::ObjectScope as Scope;

use crate::path::ObjectPath;

/// The result of a call.
pub type Result<T> = std::result::Result<T, ObjectsError>;

/// Why objects did not do what they were asked.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// Nothing is under that key.
    #[error("{scope} has no object `{path}`")]
    NotFound {
        /// Where it was looked for.
        scope: Scope,
        /// The key that was asked for.
        path: ObjectPath,
    },
    /// Something is under that key, and it was not to be replaced.
    #[error("{scope} has an object `{path}` already")]
    Exists {
        /// Where it is.
        scope: Scope,
        /// The key.
        path: ObjectPath,
    },
    /// The object is larger than one may be.
    #[error("an object has at most {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The objects of the namespace would be larger than they may be together.
    #[error("the objects of the namespace have {used} of {limit} bytes; this one does not fit")]
    QuotaExceeded {
        /// The limit, in bytes.
        limit: u64,
        /// What there is and what is on its way, without this object.
        used: u64,
    },
    /// The text cannot be the key of an object.
    #[error("{path:?} cannot be the key of an object: {reason}")]
    InvalidPath {
        /// The text, cut if it is long.
        path: String,
        /// The rule that it breaks.
        reason: String,
    },
    /// The run has as many objects as it may have.
    #[error("{scope} has {limit} objects already; no more are allowed")]
    TooManyObjects {
        /// The run.
        scope: Scope,
        /// The limit.
        limit: usize,
    },
    /// The bytes, the announcement of them or the range are not accepted: another length or hash than announced, a content type
    /// that is none, a range behind the end.
    #[error("{}", .0.message())]
    Invalid(#[source] BackendError),
    /// No byte came for too long.
    #[error("no byte of the object came for {} seconds", .after.as_secs())]
    Stalled {
        /// How long it was waited.
        after: Duration,
    },
    /// The run expired or the pipeline was deleted while the object was on its way.
    #[error("{scope} keeps no objects any more")]
    Gone {
        /// Where it was to go.
        scope: Scope,
    },
    /// The object store answered an error, or the stream of the caller did.
    #[error("the object store answered an error")]
    Store(#[source] BackendError),
}

impl ObjectsError {
    /// What an answer of the store about one key means.
    pub(crate) fn about(error: BackendError, scope: &Scope, path: &ObjectPath) -> Self {
        let (scope, path) = (scope.clone(), path.clone());
        match error.kind() {
            ErrorKind::NotFound => Self::NotFound { scope, path },
            ErrorKind::AlreadyExists => Self::Exists { scope, path },
            ErrorKind::InvalidInput => Self::Invalid(error),
            _ => Self::Store(error),
        }
    }
}

impl From<BackendError> for ObjectsError {
    fn from(error: BackendError) -> Self {
        Self::Store(error)
    }
}
