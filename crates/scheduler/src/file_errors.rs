//! What a refusal of an archive or of a path means to the caller, the same for every backend.

use std::io;

use gofer_artefacts::{PackError, PackProblem, UnpackError, UnpackProblem};
use gofer_backend::{BackendError, ErrorKind};

/// What an error of the host means to a backend.
pub type HostErrors = fn(&io::Error) -> ErrorKind;

/// Why an archive of that name was not laid. An error of its own stream is passed on as it came.
#[must_use]
pub fn not_laid(name: &str, error: UnpackError, host: HostErrors) -> BackendError {
    let refusal = |kind, message: &str| BackendError::new(kind, message).with("archive", name);
    match error.problem {
        UnpackProblem::Read(source) => passed_on(source)
            .unwrap_or_else(|source| refusal(host(&source), "the archive cannot be read").source(source)),
        UnpackProblem::Write(source) | UnpackProblem::Target(source) => passed_on(source)
            .unwrap_or_else(|source| refusal(host(&source), "the files cannot be laid").source(source)),
        _ => refusal(ErrorKind::InvalidInput, "the archive cannot be laid").source(error),
    }
}

/// Why the paths were not packed.
#[must_use]
pub fn not_taken(error: PackError, host: HostErrors) -> BackendError {
    let refusal = |kind, message: &str| BackendError::new(kind, message).with("path", &error.path);
    match error.problem {
        PackProblem::Read(source) => passed_on(source)
            .unwrap_or_else(|source| refusal(host(&source), "it cannot be read").source(source)),
        PackProblem::Write(source) => passed_on(source).unwrap_or_else(|source| match source.kind() {
            io::ErrorKind::BrokenPipe => {
                refusal(ErrorKind::Unavailable, "nobody reads the files").source(source)
            }
            _ => refusal(host(&source), "the files cannot be written").source(source),
        }),
        problem => BackendError::new(ErrorKind::InvalidInput, format!("{} {problem}", error.path))
            .with("path", &error.path),
    }
}

/// The error of a backend that travelled inside one of the host, for want of another way through a reader.
fn passed_on(source: io::Error) -> Result<BackendError, io::Error> {
    source.downcast()
}

#[cfg(test)]
mod tests {
    use gofer_artefacts::Cleanup;

    use super::*;

    fn host(_: &io::Error) -> ErrorKind {
        ErrorKind::Exhausted
    }

    fn laid(problem: UnpackProblem) -> BackendError {
        not_laid("dist", UnpackError { number: 1, entry: None, problem, cleanup: Cleanup::default() }, host)
    }

    #[test]
    fn an_error_of_the_stream_is_passed_on_and_every_other_names_the_archive() {
        let own = BackendError::new(ErrorKind::Unavailable, "the store is away");
        let error = laid(UnpackProblem::Read(io::Error::other(own)));
        assert_eq!((error.kind(), error.message()), (ErrorKind::Unavailable, "the store is away"));
        for (problem, kind) in [
            (UnpackProblem::Truncated, ErrorKind::InvalidInput),
            (UnpackProblem::Write(io::Error::other("full")), ErrorKind::Exhausted),
            (UnpackProblem::Read(io::Error::other("bad disk")), ErrorKind::Exhausted),
        ] {
            let error = laid(problem);
            assert_eq!((error.kind(), error.to_string().contains("archive dist")), (kind, true), "{error}");
        }
    }

    #[test]
    fn a_refused_path_is_named() {
        let refused = |problem| not_taken(PackError { path: "a/b".to_owned(), problem }, host);
        let error = refused(PackProblem::NotThere);
        assert_eq!((error.kind(), error.message()), (ErrorKind::InvalidInput, "a/b is not there"));
        let error = refused(PackProblem::Read(io::Error::other("bad disk")));
        assert_eq!((error.kind(), error.to_string().contains("path a/b")), (ErrorKind::Exhausted, true));
        let error = refused(PackProblem::Write(io::ErrorKind::StorageFull.into()));
        assert_eq!((error.kind(), error.message()), (ErrorKind::Exhausted, "the files cannot be written"));
        assert!(error.chain().ends_with("no storage space"), "{}", error.chain());
        let error = refused(PackProblem::Write(io::ErrorKind::BrokenPipe.into()));
        assert_eq!((error.kind(), error.message()), (ErrorKind::Unavailable, "nobody reads the files"));
    }
}
