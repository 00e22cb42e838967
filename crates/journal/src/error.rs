//! Why something was not written, or is not taken any more.

use gofer_backend::BackendError;
use gofer_records::RecordError;

/// The result of what changes the state.
pub type Result<T> = std::result::Result<T, JournalError>;

/// Why nothing was written. In every case nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A record cannot be stored as it is.
    #[error("a record cannot be written")]
    Record(#[source] RecordError),
    /// The storage did not take it: there is no room, or it never will.
    #[error("the storage answered an error")]
    Refused(#[source] BackendError),
    /// The engine is being shut down.
    #[error("the engine is shutting down")]
    Stopped,
    /// The engine can no longer work.
    #[error("the engine has stopped: {reason}")]
    Failed {
        /// Why.
        reason: String,
    },
}

impl From<RecordError> for JournalError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}
