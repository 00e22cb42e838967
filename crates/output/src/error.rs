//! What is said when a command cannot do what it was asked: one form for people, one for programs.
//!
//! Every failure has a code with a page in `docs/errors`, and an exit. The reason comes first, what to do comes last,
//! where the eyes end. Nothing here decides on the text of an error.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::Serialize;

use crate::exit::Exit;
use crate::sanitize::plain;

/// Where the pages of the codes are published.
const DOCS: &str = "https://docs.gofer.example/errors/";

/// The greatest number of lines that one failure takes, apart from problems of a file.
const MAX_LINES: usize = 8;

/// A command that could not do what it was asked. One word wide: it travels through every function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(Box<Facts>);

/// What is known about a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The code, such as `E0101`.
    pub code: String,
    /// How the process ends.
    pub exit: Exit,
    /// The reason, as one sentence fragment.
    pub message: String,
    /// What lies behind it, outermost first.
    pub causes: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Commands that help.
    pub next: Vec<String>,
    /// Problems of a file, each rendered with its excerpt.
    pub problems: Vec<String>,
    /// Wrong fields of a request, each with what is wrong with it: for programs; the message names them for people.
    pub fields: Vec<(String, String)>,
    /// What the server calls the request.
    pub request_id: Option<String>,
    /// Whether the same command may work later.
    pub retryable: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    code: &'a str,
    name: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    causes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    next: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    problems: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field<'a>>,
    docs: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    exit_code: u8,
    retryable: bool,
}

#[derive(Serialize)]
struct Field<'a> {
    field: &'a str,
    problem: &'a str,
}

impl Deref for Failure {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.0
    }
}

impl DerefMut for Failure {
    fn deref_mut(&mut self) -> &mut Facts {
        &mut self.0
    }
}

impl Failure {
    /// A failure with a code, an exit and a reason.
    pub fn new(code: impl Into<String>, exit: Exit, message: impl fmt::Display) -> Self {
        Self(Box::new(Facts {
            code: code.into(),
            exit,
            message: message.to_string(),
            causes: Vec::new(),
            hint: None,
            next: Vec::new(),
            problems: Vec::new(),
            fields: Vec::new(),
            request_id: None,
            retryable: false,
        }))
    }

    /// Wrong flags or arguments.
    pub fn usage(code: &str, message: impl fmt::Display) -> Self {
        Self::new(code, Exit::Usage, message)
    }

    /// Something that the house promised itself cannot happen.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new("E0901", Exit::Internal, message)
    }

    /// A file that cannot be read or written.
    pub fn file(doing: &str, path: &std::path::Path, cause: &std::io::Error) -> Self {
        let exit = if cause.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Invalid };
        Self::new("E0006", exit, format!("cannot {doing} {}", path.display())).because(cause)
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with a command that helps.
    #[must_use]
    pub fn next(mut self, command: impl Into<String>) -> Self {
        self.next.push(command.into());
        self
    }

    /// The same, with an error and all that lies behind it.
    #[must_use]
    pub fn because(mut self, error: &dyn std::error::Error) -> Self {
        let mut link = Some(error);
        while let Some(error) = link {
            self.causes.push(error.to_string());
            link = error.source();
        }
        self
    }

    /// What people read, without colour.
    pub fn human(&self, verbose: bool) -> String {
        let mut lines: Vec<String> =
            self.problems.iter().map(|problem| format!("{}\n", problem.trim_end())).collect();
        let reserved = 2
            + usize::from(self.hint.is_some())
            + usize::from(self.request_id.is_some())
            + self.next.len().min(3);
        let shown = if verbose { self.causes.len() } else { MAX_LINES.saturating_sub(reserved).min(2) };
        lines.push(format!("error[{}]: {}", self.code, plain(&self.message)));
        lines.extend(self.causes.iter().take(shown).map(|cause| format!("  because: {}", plain(cause))));
        let traced = self.request_id.iter().filter(|_| verbose || self.exit == Exit::Internal);
        lines.extend(traced.map(|id| format!("  request: {}", plain(id))));
        lines.extend(self.hint.iter().map(|hint| format!("  hint: {}", plain(hint))));
        lines.extend(self.next.iter().take(3).map(|next| format!("  next: {}", plain(next))));
        lines.push(format!("  docs: {DOCS}{0}   (offline: gofer explain {0})", self.code));
        lines.join("\n")
    }

    /// What programs read: one line.
    pub fn json(&self) -> String {
        let fields = self.fields.iter().map(|(field, problem)| Field { field, problem }).collect();
        let body = Body {
            code: &self.code,
            name: self.exit.name(),
            message: &self.message,
            causes: &self.causes,
            hint: self.hint.as_deref(),
            next: &self.next,
            problems: &self.problems,
            fields,
            docs: format!("{DOCS}{}", self.code),
            request_id: self.request_id.as_deref(),
            exit_code: self.exit.code(),
            retryable: self.retryable,
        };
        serde_json::to_string(&Document { error: body }).unwrap_or_else(|_| "{\"error\":{}}".to_owned())
    }
}

/// The known words nearest to a mistyped one, nearest first: at most three, each no more than two edits away.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = if typed.chars().count() <= 3 { 1 } else { 2 };
    let ranked = known.into_iter().map(|word| (strsim::damerau_levenshtein(typed, word), word));
    ranked.filter(|(distance, _)| *distance <= limit).min().map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Failure {
        let cause = std::io::Error::other("the disk is on fire");
        let mut failure =
            Failure::new("E0302", Exit::NotFound, "there is no pipeline `helo` in namespace `default`")
                .because(&cause)
                .hint("did you mean `hello`?")
                .next("gofer start hello")
                .next("gofer pipeline list");
        failure.request_id = Some("01J".to_owned());
        failure
    }

    #[test]
    fn people_read_the_reason_first_and_the_help_last() {
        insta::assert_snapshot!(full().human(false));
    }

    #[test]
    fn programs_read_one_line() {
        assert_eq!(full().json().lines().count(), 1);
        insta::assert_snapshot!(full().json());
    }

    #[test]
    fn a_failure_takes_at_most_eight_lines() {
        let mut failure = full().next("a").next("b").next("c");
        failure.causes = vec!["cause".to_owned(); 9];
        assert!(failure.human(false).lines().count() <= MAX_LINES, "{}", failure.human(false));
    }

    #[test]
    fn a_message_of_the_server_cannot_steer_the_terminal() {
        let failure = Failure::internal("\u{1b}]0;title\u{7}\u{1b}[2Jgone");
        assert!(!failure.human(true).contains('\u{1b}'));
    }

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        assert_eq!(nearest("strat", ["stop", "start", "status"]), Some("start"));
        assert_eq!(nearest("frobnicate", ["start"]), None);
        assert_eq!(nearest("ab", ["run"]), None);
    }
}
