//! What the refusals of a server mean for a command: the exit, the code, and what to do.

use gofer_client::{ClientError, ErrorKind};

use crate::error::Failure;
use crate::exit::Exit;

/// How many wrong fields of a request are named.
const MAX_FIELDS: usize = 4;

const fn exit(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::Internal => Exit::Internal,
        ErrorKind::Usage => Exit::Usage,
        ErrorKind::NotFound => Exit::NotFound,
        ErrorKind::Auth => Exit::Auth,
        ErrorKind::Conflict => Exit::Conflict,
        ErrorKind::Invalid => Exit::Invalid,
        ErrorKind::Unavailable => Exit::Unavailable,
        ErrorKind::Timeout => Exit::Timeout,
        ErrorKind::Incompatible => Exit::Incompatible,
    }
}

/// The code for an error to which the server gave none.
const fn fallback(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unavailable => "E0103",
        ErrorKind::Timeout => "E0104",
        ErrorKind::Incompatible => "E0102",
        ErrorKind::Usage => "E0106",
        ErrorKind::Auth
        | ErrorKind::NotFound
        | ErrorKind::Conflict
        | ErrorKind::Invalid
        | ErrorKind::Internal => "E0901",
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let kind = error.kind();
        let mut message = error.message().to_owned();
        for wrong in error.violations().iter().take(MAX_FIELDS) {
            if !message.contains(&wrong.description) {
                message.push_str(&format!("; {}: {}", wrong.field, wrong.description));
            }
        }
        let mut failure = Self::new(error.code().unwrap_or(fallback(kind)), exit(kind), message);
        failure.hint = error.hint().map(str::to_owned);
        failure.next = error.next().to_vec();
        failure.request_id = error.request_id().map(str::to_owned);
        failure.problems = error.diagnostics().iter().map(|problem| problem.rendered.clone()).collect();
        failure.retryable = error.is_retryable();
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exits_are_those_that_the_client_promises() {
        for kind in ErrorKind::ALL {
            assert_eq!((exit(kind).code(), exit(kind).name()), (kind.exit_code(), kind.as_str()));
        }
    }
}
