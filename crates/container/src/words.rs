//! What engines say when an image cannot be fetched: every failure with the same status, told apart in words alone.

use gofer_backend::ErrorKind;

/// The words are those of the engine and of the registries' own protocol.
const IMAGE_WORDS: [(&str, ErrorKind, &str); 19] = [
    ("no space left on device", ErrorKind::Exhausted, "the engine's disk is full"),
    ("disk quota exceeded", ErrorKind::Exhausted, "the engine's disk is full"),
    ("toomanyrequests", ErrorKind::Unavailable, "the registry answers no more requests for now"),
    ("incorrect username or password", ErrorKind::Unauthenticated, "the registry refuses the credentials"),
    ("no basic auth credentials", ErrorKind::Unauthenticated, "the registry refuses the credentials"),
    ("unauthorized", ErrorKind::Unauthenticated, "the registry refuses the credentials"),
    ("denied: ", ErrorKind::PermissionDenied, "the registry refuses access"),
    ("invalid reference format", ErrorKind::InvalidInput, "the name of the image is malformed"),
    ("manifest unknown", ErrorKind::InvalidInput, "there is no such image"),
    ("not found", ErrorKind::InvalidInput, "there is no such image"),
    ("does not exist", ErrorKind::InvalidInput, "there is no such image"),
    ("no matching manifest", ErrorKind::InvalidInput, "there is no such image for this platform"),
    ("connection refused", ErrorKind::Unavailable, "the registry cannot be reached"),
    ("no such host", ErrorKind::Unavailable, "the registry cannot be reached"),
    ("i/o timeout", ErrorKind::Unavailable, "the registry cannot be reached"),
    ("connection reset", ErrorKind::Unavailable, "the registry cannot be reached"),
    ("network is unreachable", ErrorKind::Unavailable, "the registry cannot be reached"),
    ("client.timeout exceeded", ErrorKind::Unavailable, "the registry does not answer"),
    ("tls: ", ErrorKind::Unavailable, "the registry cannot be trusted or speaks no TLS"),
];

/// What the failure of a fetch means, and how it is told. `status` is the engine's answer where it was one; `words` are what
/// it said, in small letters.
#[must_use]
pub fn failed_fetch(status: Option<u16>, words: &str) -> (ErrorKind, &'static str) {
    let known = IMAGE_WORDS.iter().find(|(word, ..)| words.contains(word));
    match (known, status) {
        (Some((_, kind, told)), _) => (*kind, *told),
        (None, Some(400)) => (ErrorKind::InvalidInput, "the name of the image is malformed"),
        (None, Some(404)) => (ErrorKind::InvalidInput, "there is no such image"),
        (None, Some(401)) => (ErrorKind::Unauthenticated, "the registry refuses the credentials"),
        (None, Some(403)) => (ErrorKind::PermissionDenied, "the registry refuses access"),
        (None, _) => (ErrorKind::Unavailable, "the image could not be fetched"),
    }
}
