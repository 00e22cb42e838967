//! Statuses to errors: what the server said in its details, else what the code alone says, else what broke below.

use std::error::Error;
use std::io;
use std::time::Duration;

use gofer_proto::v1;
use prost::Message;
use tonic::{Code, Status};
use tonic_types::{ErrorInfo, StatusExt, pb};

use crate::error::{self, ClientError, ErrorKind, Violation};

/// The domain of our codes.
const DOMAIN: &str = "gofer";
/// The end of the type under which the problems of a pipeline file travel.
const DIAGNOSTICS_TYPE: &str = "/gofer.v1.ValidatePipelineResponse";
/// The header that names the call.
const REQUEST_ID_HEADER: &str = "gofer-request-id";

/// What a failed call means.
pub(crate) fn decode(status: &Status, address: &str, limit: Duration) -> ClientError {
    let broken = status.source().map(|source| broken_below(source, address, limit));
    broken.unwrap_or_else(|| answered(status))
}

/// Why a connection could not be made.
pub(crate) fn connecting(error: &tonic::transport::Error, address: &str, limit: Duration) -> ClientError {
    broken_below(error, address, limit)
}

/// What broke below the call: the connection could not be made, was lost, or took too long.
fn broken_below(error: Cause<'_>, address: &str, limit: Duration) -> ClientError {
    let chain: Vec<Cause<'_>> = std::iter::successors(Some(error), next_cause).take(16).collect();
    let io = chain.iter().find_map(|error| error.downcast_ref::<io::Error>());
    let late = chain.iter().any(|error| error.is::<tonic::TimeoutExpired>());
    let last = chain.last().map_or_else(|| error.to_string(), ToString::to_string);
    match io.map(io::Error::kind) {
        _ if late => error::timed_out(address, limit),
        Some(io::ErrorKind::TimedOut) => error::timed_out(address, limit),
        Some(io::ErrorKind::ConnectionRefused) => error::unreachable(address, "nothing listens there"),
        _ if never_connected(&chain) => error::unreachable(address, &last),
        _ => error::lost(address, &last),
    }
}

type Cause<'a> = &'a (dyn Error + 'static);

fn next_cause<'a>(error: &Cause<'a>) -> Option<Cause<'a>> {
    (**error).source()
}

fn never_connected(chain: &[Cause<'_>]) -> bool {
    chain.iter().any(|error| error.is::<tonic::ConnectError>())
}

/// What the server said.
fn answered(status: &Status) -> ClientError {
    let details = status.get_error_details();
    let info = details.error_info().filter(|info| info.domain == DOMAIN);
    let code = info.map(|info| info.reason.as_str());
    let mut error = ClientError::new(kind(status.code(), code), code, message(status));
    let parts = &mut *error.0;
    if let Some(link) = details.help().and_then(|help| help.links.first()) {
        parts.docs = Some(link.url.clone());
    }
    parts.hint = info.and_then(|info| info.metadata.get("hint").cloned());
    parts.next = info.map(next_commands).unwrap_or_default();
    parts.request_id =
        (status.metadata().get(REQUEST_ID_HEADER)).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let fields = details.bad_request().map(|request| request.field_violations.as_slice()).unwrap_or_default();
    parts.violations = fields
        .iter()
        .map(|one| Violation { field: one.field.clone(), description: one.description.clone() })
        .collect();
    parts.diagnostics = diagnostics(status);
    let number = |name| info.and_then(|info| info.metadata.get(name)?.parse().ok()).unwrap_or(0);
    (parts.all_violations, parts.all_diagnostics) = (number("violations"), number("diagnostics"));
    parts.retry_after = details.retry_info().and_then(|info| info.retry_delay);
    parts.retryable =
        details.retry_info().is_some() || (code.is_none() && status.code() == Code::Unavailable);
    error
}

fn message(status: &Status) -> String {
    if status.message().is_empty() {
        format!("the server answered {:?} and said no more", status.code())
    } else {
        status.message().to_owned()
    }
}

fn next_commands(info: &ErrorInfo) -> Vec<String> {
    info.metadata.get("next").map(|next| next.lines().map(str::to_owned).collect()).unwrap_or_default()
}

fn diagnostics(status: &Status) -> Vec<v1::Diagnostic> {
    let Ok(rich) = pb::Status::decode(status.details()) else { return Vec::new() };
    let any = rich.details.iter().find(|any| any.type_url.ends_with(DIAGNOSTICS_TYPE));
    let sent = any.and_then(|any| v1::ValidatePipelineResponse::decode(any.value.as_slice()).ok());
    sent.unwrap_or_default().diagnostics
}

/// The kind that a gRPC code stands for. A gofer code makes a few of them more exact.
fn kind(status: Code, code: Option<&str>) -> ErrorKind {
    match status {
        Code::NotFound => ErrorKind::NotFound,
        Code::Unauthenticated | Code::PermissionDenied => ErrorKind::Auth,
        Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition => ErrorKind::Conflict,
        Code::InvalidArgument => ErrorKind::Invalid,
        Code::Unavailable => ErrorKind::Unavailable,
        Code::DeadlineExceeded => ErrorKind::Timeout,
        Code::Unimplemented => ErrorKind::Incompatible,
        Code::ResourceExhausted => match code {
            Some("E0091") => ErrorKind::Invalid,
            Some("E0904") => ErrorKind::Unavailable,
            Some(_) => ErrorKind::Conflict,
            None => ErrorKind::Internal,
        },
        Code::Ok | Code::Cancelled | Code::Unknown | Code::OutOfRange | Code::Internal | Code::DataLoss => {
            ErrorKind::Internal
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    const CODES: [Code; 17] = [
        Code::Ok,
        Code::Cancelled,
        Code::Unknown,
        Code::InvalidArgument,
        Code::DeadlineExceeded,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::FailedPrecondition,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
        Code::DataLoss,
        Code::Unauthenticated,
    ];

    fn decoded(status: &Status) -> ClientError {
        decode(status, "http://127.0.0.1:1", Duration::from_secs(1))
    }

    #[test]
    fn a_server_that_sends_no_code_still_decides_the_exit_code() {
        let mut table = String::new();
        for code in CODES {
            let error = decoded(&Status::new(code, ""));
            let retry = if error.is_retryable() { " retryable" } else { "" };
            let _ = writeln!(table, "{code:?}: {} {}{retry}", error.exit_code(), error.kind().as_str());
        }
        insta::assert_snapshot!("fallback", table);
    }

    #[test]
    fn each_kind_has_an_exit_code_and_a_word_of_its_own() {
        let mut codes: Vec<u8> = ErrorKind::ALL.iter().map(|kind| kind.exit_code()).collect();
        codes.dedup();
        assert_eq!(codes, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn codes_of_another_domain_are_not_taken_for_ours() {
        let details = tonic_types::ErrorDetails::with_error_info("E0302", "elsewhere", []);
        let status = Status::with_error_details(Code::NotFound, "x", details);
        assert_eq!(decoded(&status).code(), None);
    }

    #[test]
    fn details_that_are_no_message_are_ignored() {
        let status = Status::with_details(Code::NotFound, "gone", vec![0xff; 40].into());
        let error = decoded(&status);
        assert_eq!((error.message(), error.exit_code()), ("gone", 3));
    }
}
