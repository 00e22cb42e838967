//! A refusal as a gRPC status with the standard details.
//!
//! The details travel in the trailers, which many clients limit to 8 KiB; so they are held to a budget. What does not
//! fit is left out from the end, and the metadata say how many problems there were.

use std::collections::HashMap;

use gofer_proto::v1;
use prost::Message;
use prost_types::Any;
use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt, pb};

use super::problem::Problem;
use super::{DOCS, DOMAIN};

/// How many bytes the details may take before they are encoded for the trailers.
const BUDGET: usize = 5 * 1024;
/// How many of them the fields of the request may take.
const VIOLATIONS_BUDGET: usize = 3 * 1024;
/// The same beside the problems of a file, which say it with their places.
const FEWER_VIOLATIONS_BUDGET: usize = 1024;
/// How long the message, a hint or a description may be, in bytes.
const TEXT: usize = 400;
/// The type under which the problems of a pipeline file travel.
const DIAGNOSTICS_TYPE: &str = "type.googleapis.com/gofer.v1.ValidatePipelineResponse";

impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        let message = shortened(&problem.message, TEXT);
        let status = Self::with_error_details(problem.status, message, details(&problem));
        if problem.diagnostics.is_empty() { status } else { with_diagnostics(&status, &problem.diagnostics) }
    }
}

fn details(problem: &Problem) -> ErrorDetails {
    let mut details = ErrorDetails::new();
    details.set_error_info(problem.code, DOMAIN, metadata(problem));
    details.add_help_link("what happened and what to do", format!("{DOCS}{}", problem.code));
    if !problem.violations.is_empty() {
        details.set_bad_request(fitting_violations(problem));
    }
    if problem.retry_after.is_some() {
        details.set_retry_info(problem.retry_after);
    }
    details
}

fn metadata(problem: &Problem) -> HashMap<String, String> {
    let mut metadata = HashMap::new();
    if let Some(hint) = &problem.hint {
        metadata.insert("hint".to_owned(), shortened(hint, TEXT));
    }
    if !problem.next.is_empty() {
        metadata.insert("next".to_owned(), shortened(&problem.next.join("\n"), TEXT));
    }
    let counts = [("violations", problem.violations.len()), ("diagnostics", problem.diagnostics.len())];
    for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        metadata.insert(name.to_owned(), count.to_string());
    }
    metadata
}

fn fitting_violations(problem: &Problem) -> Vec<FieldViolation> {
    let alone = problem.diagnostics.is_empty();
    let mut left = if alone { VIOLATIONS_BUDGET } else { FEWER_VIOLATIONS_BUDGET };
    let short = problem
        .violations
        .iter()
        .map(|violation| (shortened(&violation.field, TEXT), shortened(&violation.description, TEXT)));
    short
        .take_while(|(field, description)| take(&mut left, field.len() + description.len()))
        .map(|(field, description)| FieldViolation::new(field, description))
        .collect()
}

fn with_diagnostics(status: &Status, diagnostics: &[v1::Diagnostic]) -> Status {
    let Ok(mut rich) = pb::Status::decode(status.details()) else { return status.clone() };
    let mut left = BUDGET.saturating_sub(rich.encoded_len());
    let fitting = diagnostics.iter().take_while(|problem| take(&mut left, problem.encoded_len() + 4));
    let problems = v1::ValidatePipelineResponse { diagnostics: fitting.cloned().collect() };
    rich.details.push(Any { type_url: DIAGNOSTICS_TYPE.to_owned(), value: problems.encode_to_vec() });
    Status::with_details(status.code(), status.message(), rich.encode_to_vec().into())
}

/// Takes that much from what is left, if it is there.
fn take(left: &mut usize, amount: usize) -> bool {
    let rest = left.checked_sub(amount);
    *left = rest.unwrap_or(0);
    rest.is_some()
}

/// The text, cut where it is longer than the limit.
fn shortened(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    format!("{}...", &text[..text.floor_char_boundary(limit)])
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn diagnostic(line: u32) -> v1::Diagnostic {
        v1::Diagnostic {
            code: "E0411".to_owned(),
            line,
            rendered: "x".repeat(700),
            ..v1::Diagnostic::default()
        }
    }

    /// How many bytes the headers take.
    fn size(status: &Status) -> usize {
        let response = status.clone().into_http::<()>();
        response.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
    }

    #[test]
    fn a_status_never_outgrows_the_headers_of_common_clients() {
        let mut problem =
            Problem::new(Code::InvalidArgument, "E0411", "ü".repeat(5_000)).hint("h".repeat(5_000));
        for field in 0..2_000 {
            problem = problem.violation(format!("tasks[{field}]"), "d".repeat(900)).next("n".repeat(90));
        }
        assert!(size(&Status::from(problem.clone())) < 10 * 1024, "with fields alone");
        problem.diagnostics = (1..=100).map(diagnostic).collect();
        let status = Status::from(problem);
        assert!(size(&status) < 10 * 1024, "{}", size(&status));
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.metadata.get("diagnostics").map(String::as_str), Some("100"));
        assert_eq!(info.metadata.get("violations").map(String::as_str), Some("2000"));
    }

    #[test]
    fn the_problems_of_a_file_travel_with_the_status() {
        let mut problem = Problem::new(Code::InvalidArgument, "E0411", "one problem");
        problem.diagnostics = vec![diagnostic(7)];
        let rich = pb::Status::decode(Status::from(problem).details()).unwrap();
        let any = rich.details.iter().find(|any| any.type_url == DIAGNOSTICS_TYPE).unwrap();
        let sent = v1::ValidatePipelineResponse::decode(any.value.as_slice()).unwrap();
        assert_eq!(sent.diagnostics, [diagnostic(7)]);
    }

    #[test]
    fn text_is_never_cut_within_a_character() {
        assert_eq!(shortened("aüb", 2), "a...");
    }
}
