//! What the answers of an engine mean.
//!
//! The status of an answer decides. Texts are looked at in one place, for images: an engine answers every failure of a
//! registry with the same status, and tells them apart in words alone.

use std::error::Error as _;
use std::io;

use bollard::errors::Error as Vendor;
use gofer_backend::{BackendError, ErrorKind, RetryAdvice};
use gofer_container::{KIND, failed_fetch};

/// An error with the place where it arose.
pub(crate) fn error(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> BackendError {
    BackendError::new(kind, message).at(KIND, operation)
}

/// What an answer to a call means.
pub(crate) fn translate(operation: &'static str, vendor: Vendor) -> BackendError {
    match vendor {
        Vendor::DockerResponseServerError { status_code, message } => {
            error(of_status(status_code), operation, said(&message)).with("status", status_code)
        }
        Vendor::RequestTimeoutError => error(ErrorKind::TimedOut, operation, "the engine does not answer"),
        Vendor::SocketNotFoundError(path) => {
            error(ErrorKind::Unavailable, operation, "there is no socket of an engine").with("socket", path)
        }
        other => match host_error(&other) {
            Some(io::ErrorKind::PermissionDenied) => {
                let message = "the engine's socket may not be used by this user";
                // Nothing was sent.
                error(ErrorKind::PermissionDenied, operation, message).source(other)
            }
            Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                error(ErrorKind::Unavailable, operation, "no engine listens").source(other)
            }
            _ => error(ErrorKind::Unavailable, operation, "the engine's answer broke off").source(other),
        },
    }
}

fn of_status(status: u16) -> ErrorKind {
    match status {
        400 => ErrorKind::InvalidInput,
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::PermissionDenied,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        501 => ErrorKind::Unsupported,
        507 => ErrorKind::Exhausted,
        // The engine failed at it, and says so with one status for everything: what took effect is not known.
        _ => ErrorKind::Unavailable,
    }
}

fn host_error(vendor: &Vendor) -> Option<io::ErrorKind> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = match vendor {
        Vendor::IOError { err } => return Some(err.kind()),
        other => other.source(),
    };
    if let Vendor::HyperLegacyError { err } = vendor {
        next = err.source();
    }
    while let Some(cause) = next {
        if let Some(host) = cause.downcast_ref::<io::Error>() {
            return Some(host.kind());
        }
        next = cause.source();
    }
    None
}

/// What an engine said, as a fragment that fits into our messages.
pub(crate) fn said(message: &str) -> String {
    let line = message.trim().replace(['\n', '\r'], " ");
    if line.is_empty() { "the engine refused it without a word".to_owned() } else { line }
}

/// What a failed fetch means. `status` is the engine's answer where it was one, else nothing: the fetch had begun.
/// `known` is whether credentials were sent: the registry's words are the same with wrong ones and with none.
pub(crate) fn of_image((image, known): (&str, bool), status: Option<u16>, message: &str) -> BackendError {
    let (kind, told) = match failed_fetch(status, &message.to_lowercase()) {
        (ErrorKind::Unauthenticated, _) if !known => {
            (ErrorKind::Unauthenticated, "the registry asks for credentials")
        }
        other => other,
    };
    let fault = error(kind, "pull", told).with("image", image).source(said(message));
    match kind {
        // Nothing was started: whatever failed may be tried again, and the engine bounds how often.
        ErrorKind::Exhausted | ErrorKind::Unavailable => fault.retry(RetryAdvice::Later { after: None }),
        _ => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_kind() {
        let table = [
            (400, ErrorKind::InvalidInput),
            (401, ErrorKind::Unauthenticated),
            (403, ErrorKind::PermissionDenied),
            (404, ErrorKind::NotFound),
            (409, ErrorKind::Conflict),
            (418, ErrorKind::Unavailable),
            (500, ErrorKind::Unavailable),
            (501, ErrorKind::Unsupported),
            (503, ErrorKind::Unavailable),
        ];
        for (status_code, wanted) in table {
            let vendor = Vendor::DockerResponseServerError { status_code, message: "x\ny".to_owned() };
            let fault = translate("start", vendor);
            assert_eq!((fault.kind(), fault.message()), (wanted, "x y"), "status {status_code}");
        }
    }

    #[test]
    fn a_broken_connection_is_never_taken_for_absence() {
        let cases = [
            (io::ErrorKind::ConnectionReset, ErrorKind::Unavailable),
            (io::ErrorKind::ConnectionRefused, ErrorKind::Unavailable),
            (io::ErrorKind::NotFound, ErrorKind::Unavailable),
            (io::ErrorKind::PermissionDenied, ErrorKind::PermissionDenied),
            (io::ErrorKind::UnexpectedEof, ErrorKind::Unavailable),
        ];
        for (host, wanted) in cases {
            let fault = translate("inspect", Vendor::IOError { err: io::Error::from(host) });
            assert_eq!(fault.kind(), wanted, "{host:?}");
        }
        assert_eq!(translate("x", Vendor::RequestTimeoutError).kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn the_failures_of_a_fetch_are_told_apart() {
        let table = [
            (
                Some(404),
                "pull access denied for x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
                ErrorKind::PermissionDenied,
            ),
            (
                Some(404),
                "manifest for 127.0.0.1:5000/x:2 not found: manifest unknown: manifest unknown",
                ErrorKind::InvalidInput,
            ),
            (
                Some(500),
                "Get \"http://127.0.0.1:5000/v2/\": dial tcp 127.0.0.1:5000: connect: connection refused",
                ErrorKind::Unavailable,
            ),
            (
                Some(500),
                "Head \"http://127.0.0.1:5001/v2/x/manifests/1\": no basic auth credentials",
                ErrorKind::Unauthenticated,
            ),
            (
                Some(500),
                "Head \"http://127.0.0.1:5001/v2/x/manifests/1\": unauthorized: authentication required",
                ErrorKind::Unauthenticated,
            ),
            (None, "write /var/lib/docker/tmp/GetImageBlob1: no space left on device", ErrorKind::Exhausted),
            (Some(400), "invalid reference format", ErrorKind::InvalidInput),
            (
                Some(500),
                "Get \"https://r.example/v2/\": dial tcp: lookup r.example: no such host",
                ErrorKind::Unavailable,
            ),
            (Some(500), "something new", ErrorKind::Unavailable),
        ];
        for (status, message, wanted) in table {
            assert_eq!(of_image(("x", true), status, message).kind(), wanted, "{message}");
        }
        let told = |known| {
            of_image(("x", known), Some(500), "unauthorized: authentication required").message().to_owned()
        };
        assert_eq!(told(true), "the registry refuses the credentials");
        assert_eq!(told(false), "the registry asks for credentials");
    }
}
