//! What the backends of the server answer, as the caller of the server is told.
//!
//! A backend's "not found" or "permission denied" is about our own call to it, so it never becomes the caller's.

use std::error::Error;
use std::time::Duration;

use gofer_backend::{BackendError, ErrorKind, RetryAdvice};
use gofer_logs::LogError;
use tonic::Code;

use super::codes;
use super::problem::Problem;

/// How long to wait where the backend names no delay.
const RETRY: Duration = Duration::from_secs(1);

/// The whole chain of causes on one line: for logs, never for callers.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// An error of the storage.
pub(super) fn storage(error: &BackendError) -> Problem {
    store("storage", error)
}

/// An error of the storage or the object store, which `what` names.
pub(super) fn store(what: &str, error: &BackendError) -> Problem {
    let (status, code, text) = match error.kind() {
        ErrorKind::Unavailable => (Code::Unavailable, codes::STORAGE_UNAVAILABLE, "cannot be reached"),
        ErrorKind::TimedOut => (Code::Unavailable, codes::STORAGE_TIMED_OUT, "did not answer in time"),
        ErrorKind::Exhausted => (Code::ResourceExhausted, codes::STORAGE_FULL, "is full"),
        ErrorKind::Unauthenticated | ErrorKind::PermissionDenied => {
            (Code::Internal, codes::STORAGE_REFUSES, "refuses the server; this is for its operator")
        }
        ErrorKind::Unsupported => (Code::FailedPrecondition, codes::STORAGE_CANNOT, "cannot do that"),
        ErrorKind::Internal if names_a_key(error) => {
            (Code::DataLoss, codes::DAMAGED, "holds something that is damaged")
        }
        ErrorKind::InvalidInput
        | ErrorKind::NotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::Conflict
        | ErrorKind::Internal => (Code::Internal, codes::DEFECT, ""),
    };
    let text = match text {
        "" => format!("the server failed at its {what}"),
        text => format!("the {what} {text}"),
    };
    let problem = advised(Problem::new(status, code, text), error);
    let problem = match error.kind() {
        ErrorKind::Exhausted => {
            problem.hint("make room on the disk of the data directory; nothing that was acknowledged is lost")
        }
        ErrorKind::Internal if names_a_key(error) => problem.hint("the log of the server says which one"),
        kind if kind.outcome_unknown() => {
            problem.hint("whether a change took effect is not known; look before you repeat it")
        }
        _ => problem,
    };
    problem.next("gofer status --check")
}

/// Backends name the row or the object that is not what was written by its key.
fn names_a_key(error: &BackendError) -> bool {
    error.facts().iter().any(|(name, _)| *name == "key")
}

fn advised(problem: Problem, error: &BackendError) -> Problem {
    match error.advice() {
        RetryAdvice::Later { after } => problem.retry_after(after.unwrap_or(RETRY)),
        RetryAdvice::Never | RetryAdvice::GaveUp => problem,
    }
}

/// An error of the log store.
pub(super) fn logs(error: &LogError) -> Problem {
    match error {
        LogError::TooManyFollowers { limit } => too_many_followers(*limit),
        LogError::Source { source, .. } => logs(source),
        LogError::Deleted { task } => {
            Problem::new(Code::NotFound, codes::NO_TASK, format!("the log of {task} has been deleted"))
        }
        LogError::Corrupt { .. } | LogError::UnknownFormat { .. } => {
            Problem::new(Code::DataLoss, codes::DAMAGED, "a stored log is damaged or of a newer format")
        }
        LogError::Stopped => shutting_down(),
        error if error.is_disk_full() => {
            Problem::new(Code::ResourceExhausted, codes::STORAGE_FULL, "the disk of the logs is full")
        }
        _ => Problem::new(Code::Internal, codes::DEFECT, "the server failed at its logs"),
    }
}

/// Too many readers follow already.
pub(super) fn too_many_followers(limit: usize) -> Problem {
    Problem::new(
        Code::ResourceExhausted,
        codes::TOO_MANY_FOLLOWERS,
        format!("{limit} readers follow already"),
    )
    .hint("end some of the readers, or raise the limit of the server")
    .retry_after(RETRY)
}

/// The server ends; another one, or the same one later, can answer.
pub(super) fn shutting_down() -> Problem {
    Problem::new(Code::Unavailable, codes::SHUTTING_DOWN, "the server is shutting down")
        .hint("repeat the call once the server is back")
        .retry_after(RETRY)
}
