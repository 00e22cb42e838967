//! What the refusals of a server mean for a command: the exit, the code, and what to do.

use gofer_client::{ClientError, ErrorKind, Violation};

use crate::error::Failure;
use crate::exit::Exit;

/// How many wrong fields of a request are named to people; programs get all that the server sent.
const MAX_FIELDS: usize = 20;

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
        let problems: Vec<String> =
            error.diagnostics().iter().map(|problem| problem.rendered.clone()).collect();
        let message = if problems.is_empty() { with_fields(&error) } else { beside(&problems, &error) };
        let mut failure = Self::new(error.code().unwrap_or(fallback(kind)), exit(kind), message);
        failure.hint = error.hint().map(str::to_owned);
        failure.next = error.next().to_vec();
        failure.request_id = error.request_id().map(str::to_owned);
        failure.problems = problems;
        let fields = error.violations().iter();
        failure.fields = fields.map(|wrong| (wrong.field.clone(), wrong.description.clone())).collect();
        failure.retryable = error.is_retryable();
        failure
    }
}

/// The message with what is wrong with which field, as far as it does not say so itself.
fn with_fields(error: &ClientError) -> String {
    let mut message = error.message().to_owned();
    let wrong = error.violations();
    for one in wrong.iter().take(MAX_FIELDS) {
        if !is_told(&message, error.hint(), &one.description) {
            message.push_str("; ");
            message.push_str(&named(one));
        }
    }
    match error.all_violations().saturating_sub(wrong.len().min(MAX_FIELDS)) {
        0 => message,
        more => format!("{message}; and {more} more"),
    }
}

/// What is wrong with a field, behind its name where it does not say that itself.
fn named(one: &Violation) -> String {
    let Violation { field, description } = one;
    let key = field.split('"').nth(1);
    match key.is_some_and(|key| description.contains(&format!("`{key}`"))) {
        true => description.clone(),
        false => format!("{field}: {description}"),
    }
}

/// The message beside the problems of a file, which say more than it does.
fn beside(problems: &[String], error: &ClientError) -> String {
    let message = error.message();
    match problems.iter().any(|problem| problem.contains(message)) {
        true => "the server does not accept the pipeline file".to_owned(),
        false => message.to_owned(),
    }
}

/// Whether the message, or the message and the hint together, say already what is wrong with a field.
fn is_told(message: &str, hint: Option<&str>, description: &str) -> bool {
    let rule = hint.and_then(|hint| description.strip_suffix(hint)?.strip_suffix("; "));
    message.contains(rule.unwrap_or(description))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_message_and_the_hint_say_is_not_said_again() {
        let said = |hint, description| is_told("task `b` needs `a`", hint, description);
        assert!(said(None, "task `b` needs `a`"));
        assert!(said(Some("choose it"), "task `b` needs `a`; choose it"));
        assert!(is_told(
            "at most 64; these are 70",
            Some("drop some"),
            "at most 64; these are 70; drop some"
        ));
        assert!(!said(None, "task `b` needs `a`; choose it"));
        assert!(!said(Some("choose it"), "task `c` needs `a`; choose it"));
    }

    #[test]
    fn a_field_is_named_once() {
        let said = |field: &str| {
            named(&Violation {
                field: field.to_owned(),
                description: "the variable `n` is required".to_owned(),
            })
        };
        assert_eq!(said("variables[\"n\"]"), "the variable `n` is required");
        assert_eq!(said("page.token"), "page.token: the variable `n` is required");
    }

    #[test]
    fn the_exits_are_those_that_the_client_promises() {
        for kind in ErrorKind::ALL {
            assert_eq!((exit(kind).code(), exit(kind).name()), (kind.exit_code(), kind.as_str()));
        }
    }
}
