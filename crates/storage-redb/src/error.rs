//! What redb's errors mean.

use std::io;

use gofer_backend::{BackendError, ErrorKind};
use gofer_storage::embedded::disk::io_error;

/// The one place where an error of redb becomes ours.
pub(crate) fn understood(error: impl Into<redb::Error>) -> BackendError {
    use redb::Error;
    let (kind, message) = match error.into() {
        Error::Io(error) => return io_error(plain(error), "the file could not be read or written"),
        Error::DatabaseAlreadyOpen => (ErrorKind::Conflict, "the file is open elsewhere".to_owned()),
        Error::UpgradeRequired(version) => {
            let error =
                BackendError::new(ErrorKind::Conflict, "the file has a format that this redb does not know");
            return error.with("found", version);
        }
        Error::Corrupted(what) => (ErrorKind::Internal, format!("the file is damaged: {what}")),
        Error::ValueTooLarge(size) => {
            (ErrorKind::InvalidInput, format!("{size} bytes are too many for one row"))
        }
        Error::DatabaseClosed => (ErrorKind::Unavailable, "the file is closed".to_owned()),
        Error::PreviousIo => (ErrorKind::Unavailable, "an earlier read or write failed".to_owned()),
        other => (ErrorKind::Internal, format!("redb answered: {other}")),
    };
    BackendError::new(kind, message)
}

/// An I/O error, taken out of the wrappings in which it may have come through redb.
fn plain(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_kind() {
        let table = [
            (redb::Error::Io(io::ErrorKind::StorageFull.into()), ErrorKind::Exhausted),
            (redb::Error::Io(io::Error::from_raw_os_error(28)), ErrorKind::Exhausted),
            (redb::Error::Io(io::Error::from_raw_os_error(122)), ErrorKind::Exhausted),
            (redb::Error::Io(io::Error::from_raw_os_error(5)), ErrorKind::Internal),
            (redb::Error::Io(io::ErrorKind::PermissionDenied.into()), ErrorKind::PermissionDenied),
            (redb::Error::DatabaseAlreadyOpen, ErrorKind::Conflict),
            (redb::Error::UpgradeRequired(9), ErrorKind::Conflict),
            (redb::Error::Corrupted("page".to_owned()), ErrorKind::Internal),
            (redb::Error::ValueTooLarge(9), ErrorKind::InvalidInput),
            (redb::Error::DatabaseClosed, ErrorKind::Unavailable),
            (redb::Error::PreviousIo, ErrorKind::Unavailable),
            (redb::Error::TableDoesNotExist("rows".to_owned()), ErrorKind::Internal),
            (redb::Error::RepairAborted, ErrorKind::Internal),
        ];
        for (error, kind) in table {
            let text = error.to_string();
            assert_eq!(understood(error).kind(), kind, "{text}");
        }
    }
}
