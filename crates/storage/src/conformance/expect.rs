//! How a case says that a promise is broken, and the small words that cases are written in.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use gofer_backend::{BackendError, ErrorKind, Result};

use crate::{Batch, KeyRange, Precondition, Revision, Row, Storage, WatchStream};

/// Why a case failed.
#[derive(Debug, Clone)]
pub struct Failure(String);

/// What a case ends with.
pub type Outcome<T = ()> = std::result::Result<T, Failure>;

impl Failure {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        Self(format!("a call that must succeed failed: {}", error.chain()))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(format!("the suite itself could not go on: {error}"))
    }
}

/// Ends the case unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err($crate::conformance::Failure::new(format!($($text)+)));
        }
    };
}

/// Ends the case unless both sides are equal.
macro_rules! ensure_eq {
    ($found:expr, $wanted:expr, $($text:tt)+) => {
        match (&$found, &$wanted) {
            (found, wanted) if found != wanted => {
                let text = format!($($text)+);
                return Err($crate::conformance::Failure::new(format!("{text}: wanted {wanted:?}, found {found:?}")));
            }
            _ => {}
        }
    };
}

pub(super) use {ensure, ensure_eq};

/// The patience of the suite: long enough for a slow disk, short enough for a hang to be seen.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The output of a future that must not hang.
pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> Outcome<T> {
    let timed = tokio::time::timeout(PATIENCE, future).await;
    timed.map_err(|_| Failure::new(format!("{what}: nothing within {} s", PATIENCE.as_secs())))
}

/// The next signal of a watch, or `None` at its end.
pub(super) async fn signal(watch: &mut WatchStream) -> Outcome<Option<Revision>> {
    within("a signal of a watch", watch.next()).await
}

/// Whether a watch has a signal ready.
pub(super) fn ready(watch: &mut WatchStream) -> Option<Option<Revision>> {
    futures_util::FutureExt::now_or_never(watch.next())
}

/// A batch of puts.
pub(super) fn puts(rows: &[(&str, &str)]) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in rows {
        batch.put((*key).to_owned(), (*value).to_owned());
    }
    batch
}

/// A batch that deletes one key.
pub(super) fn delete(key: &str) -> Batch {
    let mut batch = Batch::default();
    batch.delete(key.to_owned());
    batch
}

/// A batch that creates a row if there is none.
pub(super) fn create(key: &str, value: &str) -> Batch {
    let mut batch = puts(&[(key, value)]);
    batch.check(key.to_owned(), Precondition::Absent);
    batch
}

/// The keys of rows, as text.
pub(super) fn keys(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| crate::escaped(&row.key)).collect()
}

/// The value under a key, as text.
pub(super) async fn value(storage: &dyn Storage, key: &str) -> Outcome<Option<String>> {
    let row = storage.get(key.as_bytes()).await?;
    Ok(row.map(|row| String::from_utf8_lossy(&row.value).into_owned()))
}

/// The revision of the row under a key.
pub(super) async fn revision(storage: &dyn Storage, key: &str) -> Outcome<Revision> {
    let row = storage.get(key.as_bytes()).await?;
    row.map(|row| row.revision).ok_or_else(|| Failure::new(format!("there is no row under {key}")))
}

/// All rows.
pub(super) async fn all(storage: &dyn Storage) -> Outcome<Vec<Row>> {
    Ok(storage.scan(KeyRange::prefix(b""), usize::MAX).await?)
}

/// The error of a call that must be refused in that way.
pub(super) fn refused<T: fmt::Debug>(
    answer: Result<T>,
    kind: ErrorKind,
    what: &str,
) -> Outcome<BackendError> {
    match answer {
        Err(error) if error.kind() == kind => Ok(error),
        Err(error) => {
            Err(Failure::new(format!("{what}: wanted {kind}, found {}: {}", error.kind(), error.chain())))
        }
        Ok(answer) => Err(Failure::new(format!("{what}: wanted {kind}, found success: {answer:?}"))),
    }
}

/// The value of a fact.
pub(super) fn fact(error: &BackendError, name: &str) -> Option<String> {
    error.facts().iter().find(|(fact, _)| *fact == name).map(|(_, value)| value.clone())
}

/// That many bytes.
pub(super) fn bytes(length: usize) -> Bytes {
    Bytes::from(vec![b'x'; length])
}
