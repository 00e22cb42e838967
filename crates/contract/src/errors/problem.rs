//! One refusal, before it becomes a status.

use std::time::Duration;

use gofer_proto::v1;
use tonic::Code;

use super::codes;

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field, such as `run.number` or `variables["rev"]`.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

/// A refusal with everything that helps.
#[derive(Debug, Clone)]
pub struct Problem {
    /// What programs go by.
    pub status: Code,
    /// The code of gofer, which has a page: one of [`codes`], or of those of the pipeline language.
    pub code: &'static str,
    /// What happened: one lower-case sentence.
    pub message: String,
    /// What may be wrong, or what to do about it.
    pub hint: Option<String>,
    /// Commands that may help.
    pub next: Vec<String>,
    /// What is wrong with which fields of the request.
    pub violations: Vec<Violation>,
    /// What is wrong with the pipeline file.
    pub diagnostics: Vec<v1::Diagnostic>,
    /// When the same call may work; `None` if a repetition does not help, or nothing is known about it.
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// A refusal. The message is one lower-case sentence.
    #[must_use]
    pub fn new(status: Code, code: &'static str, message: impl Into<String>) -> Self {
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
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Asks whether another name was meant, if one is close.
    #[must_use]
    pub fn meant(self, suggestion: Option<&str>) -> Self {
        match suggestion {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// Adds a command that may help.
    #[must_use]
    pub fn next(mut self, command: impl Into<String>) -> Self {
        self.next.push(command.into());
        self
    }

    /// Adds what is wrong with a field.
    #[must_use]
    pub fn violation(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        self.violations.push(Violation { field: field.into(), description: description.into() });
        self
    }

    /// Says that the same call may work, and when.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
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
        Self { violations, ..Self::new(Code::InvalidArgument, codes::MALFORMED, message) }
    }
}
