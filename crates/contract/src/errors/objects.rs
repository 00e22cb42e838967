//! Every refusal about objects, with its code, its hint and the next commands.

use gofer_engine::objects::{ObjectsError, Scope};
use tonic::Code;

use super::problem::Problem;
use super::{backend, codes};

/// What a caller is told.
pub(super) fn refusal(error: &ObjectsError) -> Problem {
    let problem = |status, code| Problem::new(status, code, error.to_string());
    match error {
        ObjectsError::NotFound { scope, .. } => problem(Code::NotFound, codes::NO_OBJECT).next(list(scope)),
        ObjectsError::Exists { .. } => problem(Code::AlreadyExists, codes::OBJECT_EXISTS)
            .hint("choose another key, or replace it with `--force`"),
        ObjectsError::TooLarge { .. } => problem(Code::InvalidArgument, codes::OBJECT_TOO_LARGE)
            .hint("split it, or ask the operator for a greater `max_object_bytes`"),
        ObjectsError::QuotaExceeded { .. } => problem(Code::ResourceExhausted, codes::OBJECT_QUOTA)
            .hint("delete some objects; what an object replaces counts until the new one is there")
            .next("gofer object usage"),
        ObjectsError::InvalidPath { .. } => problem(Code::InvalidArgument, codes::OBJECT_KEY)
            .hint("a key is a path without steps, such as `out/report.html`"),
        ObjectsError::TooManyObjects { scope, .. } => {
            problem(Code::ResourceExhausted, codes::TOO_MANY_OBJECTS)
                .hint("pack several files into one object")
                .next(list(scope))
        }
        ObjectsError::Invalid(_) => problem(Code::InvalidArgument, codes::OBJECT_REFUSED),
        ObjectsError::Stalled { .. } => problem(Code::DeadlineExceeded, codes::OBJECT_STALLED)
            .hint("nothing of it was kept; put it again"),
        ObjectsError::Gone { .. } => problem(Code::FailedPrecondition, codes::OBJECTS_GONE).hint(
            "the objects of a run go when there are so many newer ones, and those of a pipeline with it",
        ),
        ObjectsError::Store(error) => backend::store("object store", error),
    }
}

fn list(scope: &Scope) -> String {
    match scope {
        Scope::Pipeline(pipeline) => format!("gofer object list --scope pipeline={pipeline}"),
        Scope::Run(run) => format!("gofer object list --scope run={run}"),
    }
}
