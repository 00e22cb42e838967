//! What sled's errors mean.

use gofer_backend::{BackendError, ErrorKind};
use gofer_storage::embedded::disk::io_error;
use sled::Error;

/// The one place where an error of sled becomes ours.
pub(crate) fn understood(error: Error) -> BackendError {
    let (kind, message) = match error {
        Error::Io(error) if error.to_string().starts_with("could not acquire lock") => {
            return BackendError::new(ErrorKind::Conflict, "the data file is locked elsewhere").source(error);
        }
        Error::Io(error) => return io_error(error, "the data file could not be read or written"),
        Error::Corruption { at, .. } => {
            let error = BackendError::new(
                ErrorKind::Internal,
                "the data file is damaged; keep it, and restore an export",
            );
            return error.with("at", format!("{at:?}"));
        }
        Error::Unsupported(what) => (ErrorKind::Internal, format!("sled does not support this: {what}")),
        Error::ReportableBug(what) => (ErrorKind::Internal, format!("sled met a bug: {what}")),
        Error::CollectionNotFound(_) => (ErrorKind::Internal, "the key space is gone".to_owned()),
    };
    BackendError::new(kind, message)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn each_error_has_its_kind() {
        let locked = io::Error::other("could not acquire lock on \"db\": Os { code: 11 }");
        let table = [
            (Error::Io(io::ErrorKind::StorageFull.into()), ErrorKind::Exhausted),
            (Error::Io(io::Error::from_raw_os_error(28)), ErrorKind::Exhausted),
            (Error::Io(io::Error::from_raw_os_error(5)), ErrorKind::Internal),
            (Error::Io(io::ErrorKind::PermissionDenied.into()), ErrorKind::PermissionDenied),
            (Error::Io(locked), ErrorKind::Conflict),
            (Error::Corruption { at: None, bt: () }, ErrorKind::Internal),
            (Error::Unsupported("x".to_owned()), ErrorKind::Internal),
            (Error::ReportableBug("x".to_owned()), ErrorKind::Internal),
            (Error::CollectionNotFound("x".into()), ErrorKind::Internal),
        ];
        for (error, kind) in table {
            let text = error.to_string();
            assert_eq!(understood(error).kind(), kind, "{text}");
        }
    }
}
