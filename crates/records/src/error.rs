//! What can be wrong with stored records.

use gofer_backend::BackendError;

/// The result of a typed read or write.
pub type Result<T> = std::result::Result<T, RecordError>;

/// Why a record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The storage answered an error.
    #[error("the storage answered an error")]
    Storage(#[source] BackendError),
    /// The stored bytes are not a record.
    #[error("the record under {key} is damaged: {reason}")]
    Damaged {
        /// The key, printable.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer gofer wrote the record.
    #[error("the record under {key} has format {found}; this gofer knows formats up to {known}")]
    TooNew {
        /// The key, printable.
        key: String,
        /// The format of the record.
        found: u8,
        /// The newest format known here.
        known: u8,
    },
    /// A newer gofer wrote the whole state. Nothing was changed.
    #[error("the state has format {found}; this gofer knows formats up to {known}")]
    NewerState {
        /// The format of the state.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// The record is larger than a storage takes.
    #[error("a {family} record of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// The kind of record.
        family: &'static str,
        /// Its size.
        size: usize,
        /// The greatest size.
        limit: usize,
    },
    /// The token is not one that this list gave out.
    #[error("the page token is not one of this list")]
    InvalidToken,
}

impl RecordError {
    /// Whether one record is at fault, and not the storage: the rest can go on without it.
    #[must_use]
    pub fn is_about_one_record(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::TooNew { .. } | Self::TooLarge { .. } => true,
            Self::Storage(error) => crate::scan::damaged_key(error).is_some(),
            Self::NewerState { .. } | Self::InvalidToken => false,
        }
    }

    /// The whole chain of causes on one line.
    #[must_use]
    pub fn chain(&self) -> String {
        match self {
            Self::Storage(error) => error.chain(),
            other => other.to_string(),
        }
    }
}

impl From<BackendError> for RecordError {
    fn from(error: BackendError) -> Self {
        Self::Storage(error)
    }
}
