//! What the errors of the host mean for the caller.

use std::io;

use gofer_backend::{BackendError, ErrorKind};

/// The kind of this scheduler, in errors and in `info`.
pub(crate) const KIND: &str = "process";

/// An error with the place where it arose.
pub(crate) fn error(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> BackendError {
    BackendError::new(kind, message).at(KIND, operation)
}

/// What an error of the host means. None of them leaves a doubt: the call was made here, and it failed.
pub(crate) fn kind(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::OutOfMemory
        | io::ErrorKind::WouldBlock => ErrorKind::Exhausted,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::PermissionDenied,
        _ if matches!(error.raw_os_error(), Some(EMFILE | ENFILE)) => ErrorKind::Exhausted,
        _ => ErrorKind::Internal,
    }
}

const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// Adds what was being done to an error of the host.
pub(crate) fn host(operation: &'static str, doing: &str, source: io::Error) -> BackendError {
    error(kind(&source), operation, doing).source(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_the_host_has_its_kind() {
        let table = [
            (28, ErrorKind::Exhausted),
            (122, ErrorKind::Exhausted),
            (12, ErrorKind::Exhausted),
            (11, ErrorKind::Exhausted),
            (EMFILE, ErrorKind::Exhausted),
            (ENFILE, ErrorKind::Exhausted),
            (13, ErrorKind::PermissionDenied),
            (30, ErrorKind::PermissionDenied),
            (5, ErrorKind::Internal),
            (2, ErrorKind::Internal),
        ];
        for (code, wanted) in table {
            assert_eq!(kind(&io::Error::from_raw_os_error(code)), wanted, "errno {code}");
        }
    }
}
