//! Files and directories: durable creation, free room, and what an I/O error means.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use gofer_backend::{BackendError, ErrorKind, Result, RetryAdvice};

/// The backend error of an I/O error: one table for all embedded engines.
///
/// Full disks and quotas are `Exhausted`, so is a file at its size limit and a disk that has become read-only, as neither
/// writes anything.
#[must_use]
pub fn io_error(error: io::Error, message: &str) -> BackendError {
    use io::ErrorKind as Io;
    let kind = match error.kind() {
        Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge | Io::ReadOnlyFilesystem => {
            ErrorKind::Exhausted
        }
        Io::PermissionDenied => ErrorKind::PermissionDenied,
        Io::NotFound => ErrorKind::NotFound,
        Io::WouldBlock | Io::Interrupted | Io::TimedOut => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    };
    let advice =
        if kind == ErrorKind::Exhausted { RetryAdvice::Later { after: None } } else { RetryAdvice::Never };
    BackendError::new(kind, message).retry(advice).source(error)
}

/// Makes the names in a directory durable.
pub fn sync_dir(dir: &Path) -> Result<()> {
    let synced = File::open(dir).and_then(|file| file.sync_all());
    synced.map_err(|error| io_error(error, "a directory could not be synced").with("path", dir.display()))
}

/// Creates a directory and its missing parents, all names durable. Already there: nothing.
pub fn create_dir(dir: &Path) -> Result<()> {
    let failed = |error| io_error(error, "a directory could not be created").with("path", dir.display());
    if dir.try_exists().map_err(failed)? {
        return Ok(());
    }
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_dir(parent)?;
    }
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => sync_dir(Path::new(".")),
    }
}

/// Refuses a write with `Exhausted` if the disk would have less than `reserve` bytes left after it. A reserve of 0: never.
///
/// It is the first of two guards: an engine that meets a full disk half-way must recover, this keeps it from getting there.
pub fn require_room(dir: &Path, needed: u64, reserve: u64) -> Result<()> {
    if reserve == 0 {
        return Ok(());
    }
    let stat = rustix::fs::statvfs(dir).map_err(|error| {
        io_error(error.into(), "the free space could not be read").with("path", dir.display())
    })?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free >= needed.saturating_add(reserve) {
        return Ok(());
    }
    let error = BackendError::new(ErrorKind::Exhausted, "the disk is full").with("path", dir.display());
    Err(error.with("free", free).with("reserve", reserve).retry(RetryAdvice::Later { after: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_io_error_has_its_kind() {
        use io::ErrorKind as Io;
        let table = [
            (Io::StorageFull, ErrorKind::Exhausted),
            (Io::QuotaExceeded, ErrorKind::Exhausted),
            (Io::FileTooLarge, ErrorKind::Exhausted),
            (Io::ReadOnlyFilesystem, ErrorKind::Exhausted),
            (Io::PermissionDenied, ErrorKind::PermissionDenied),
            (Io::NotFound, ErrorKind::NotFound),
            (Io::WouldBlock, ErrorKind::Unavailable),
            (Io::UnexpectedEof, ErrorKind::Internal),
            (Io::Other, ErrorKind::Internal),
        ];
        for (io, kind) in table {
            assert_eq!(io_error(io.into(), "x").kind(), kind, "{io}");
        }
    }

    #[test]
    fn room_is_refused_with_the_figures() {
        let dir = tempfile::tempdir().unwrap();
        require_room(dir.path(), 1, 1).unwrap();
        require_room(dir.path(), u64::MAX, 0).unwrap();
        let error = require_room(dir.path(), u64::MAX, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Exhausted);
        assert!(error.to_string().contains("free"), "{error}");
    }

    #[test]
    fn a_directory_is_made_with_its_parents_and_twice() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        create_dir(&deep).unwrap();
        create_dir(&deep).unwrap();
        assert!(deep.is_dir());
    }
}
