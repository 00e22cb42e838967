//! What the errors of the file system mean.

use std::io;
use std::path::Path;

use gofer_backend::{BackendError, ErrorKind, RetryAdvice};

/// The one place where an I/O error becomes ours.
///
/// Full disks and quotas are `Exhausted`, so is a disk that has become read-only, and so are used-up file descriptors. A missing
/// file is never "not found" here: whether a key is there is decided where a key is looked up.
pub(crate) fn understood(error: io::Error, message: &str, path: &Path) -> BackendError {
    use io::ErrorKind as Io;
    const TOO_MANY_FILES: [i32; 2] =
        [rustix::io::Errno::MFILE.raw_os_error(), rustix::io::Errno::NFILE.raw_os_error()];
    let kind = match error.kind() {
        Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge | Io::ReadOnlyFilesystem => {
            ErrorKind::Exhausted
        }
        _ if error.raw_os_error().is_some_and(|code| TOO_MANY_FILES.contains(&code)) => ErrorKind::Exhausted,
        Io::PermissionDenied => ErrorKind::PermissionDenied,
        Io::NotFound | Io::NotADirectory | Io::StaleNetworkFileHandle => ErrorKind::Unavailable,
        Io::WouldBlock | Io::Interrupted | Io::TimedOut => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    };
    let advice = match kind {
        ErrorKind::Exhausted | ErrorKind::Unavailable => RetryAdvice::Later { after: None },
        _ => RetryAdvice::Never,
    };
    BackendError::new(kind, message).retry(advice).with("path", path.display()).source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_io_error_has_its_kind() {
        use io::ErrorKind as Io;
        let table = [
            (Io::StorageFull.into(), ErrorKind::Exhausted),
            (Io::QuotaExceeded.into(), ErrorKind::Exhausted),
            (Io::FileTooLarge.into(), ErrorKind::Exhausted),
            (Io::ReadOnlyFilesystem.into(), ErrorKind::Exhausted),
            (rustix::io::Errno::MFILE.into(), ErrorKind::Exhausted),
            (rustix::io::Errno::NOSPC.into(), ErrorKind::Exhausted),
            (Io::PermissionDenied.into(), ErrorKind::PermissionDenied),
            (Io::NotFound.into(), ErrorKind::Unavailable),
            (Io::NotADirectory.into(), ErrorKind::Unavailable),
            (Io::TimedOut.into(), ErrorKind::Unavailable),
            (rustix::io::Errno::IO.into(), ErrorKind::Internal),
            (Io::Other.into(), ErrorKind::Internal),
        ];
        for (error, kind) in table {
            let text = io::Error::to_string(&error);
            assert_eq!(understood(error, "x", Path::new("/p")).kind(), kind, "{text}");
        }
    }
}
