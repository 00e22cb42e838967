//! One refusal, before it becomes a status.

use std::time::Duration;

use gofer_proto::v1;
use tonic::Code;

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The path of the field, such as `run.number` or `variables["rev"]`.
    pub(crate) field: String,
    /// What is wrong with it.
    pub(crate) description: String,
}

/// A refusal with everything that helps.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: Code,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) next: Vec<String>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) diagnostics: Vec<v1::Diagnostic>,
    pub(crate) retry_after: Option<Duration>,
}

impl Problem {
    /// A refusal. The message is one lower-case sentence.
    pub(crate) fn new(status: Code, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            hint: None,
            next: Vec::new(),
            violations: Vec::new(),
            diagnostics: Vec::new(),
            retry_after: None,
        }
    }

    /// Says what may be wrong, or what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Asks whether another name was meant, if one is close.
    pub(crate) fn meant(self, suggestion: Option<&str>) -> Self {
        match suggestion {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// Adds a command that may help.
    pub(crate) fn next(mut self, command: impl Into<String>) -> Self {
        self.next.push(command.into());
        self
    }

    /// Adds what is wrong with a field.
    pub(crate) fn violation(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        self.violations.push(Violation { field: field.into(), description: description.into() });
        self
    }

    /// Says that the same call may work, and when.
    pub(crate) fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }
}

/// Everything that is wrong with the fields of a request.
impl From<Vec<Violation>> for Problem {
    fn from(violations: Vec<Violation>) -> Self {
        let message = match violations.as_slice() {
            [Violation { field, description }] => format!("the request is malformed: {field}: {description}"),
            several => format!("the request is malformed in {} fields", several.len()),
        };
        Self { violations, ..Self::new(Code::InvalidArgument, super::MALFORMED, message) }
    }
}
