//! How a case says that a promise is broken, and the small words that cases are written in.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_types::Timestamp;
use tokio::sync::mpsc;

use crate::{
    ByteRange, ByteStream, KeyPrefix, Object, ObjectKey, ObjectMeta, ObjectPage, ObjectStore, PageRequest,
    Put,
};

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
const PATIENCE: Duration = Duration::from_secs(60);

/// More than any case puts that does not test a limit.
const ENOUGH: u64 = 64 << 20;

/// The output of a future that must not hang.
pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> Outcome<T> {
    let timed = tokio::time::timeout(PATIENCE, future).await;
    timed.map_err(|_| Failure::new(format!("{what}: nothing within {} s", PATIENCE.as_secs())))
}

/// A key.
pub(super) fn key(text: &str) -> Outcome<ObjectKey> {
    Ok(text.parse()?)
}

/// A put without conditions, at a time that is not now.
pub(super) fn plain() -> Put {
    Put::new(ENOUGH, Timestamp::from_micros(1_234_567_890_123_456))
}

/// A put that must find nothing there.
pub(super) fn absent() -> Put {
    Put { if_absent: true, ..plain() }
}

/// A stream of one chunk; of none for no bytes.
pub(super) fn whole(bytes: &[u8]) -> ByteStream {
    chunks(bytes, bytes.len().max(1))
}

/// A stream of chunks of that size.
pub(super) fn chunks(bytes: &[u8], size: usize) -> ByteStream {
    let chunks: Vec<Result<Bytes>> =
        bytes.chunks(size).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    stream::iter(chunks).boxed()
}

/// The writing end of a stream; dropped, it ends the stream.
pub(super) struct Feeder(mpsc::Sender<Result<Bytes>>);

impl Feeder {
    /// Sends a chunk, and returns once every chunk before it has been taken.
    pub(super) async fn send(&self, chunk: Result<Bytes>) -> Outcome {
        let sent = within("a put that takes its stream", self.0.send(chunk)).await?;
        sent.map_err(|_| Failure::new("a put ended before its stream"))
    }

    /// Sends some bytes and returns once they have been taken.
    pub(super) async fn feed(&self, bytes: &[u8]) -> Outcome {
        self.send(Ok(Bytes::copy_from_slice(bytes))).await?;
        self.send(Ok(Bytes::new())).await
    }
}

/// A stream that is fed by hand.
pub(super) fn by_hand() -> (Feeder, ByteStream) {
    let (sender, receiver) = mpsc::channel(1);
    let stream = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    (Feeder(sender), stream.boxed())
}

/// Puts some bytes as one chunk.
pub(super) async fn put(store: &dyn ObjectStore, name: &str, bytes: &[u8]) -> Outcome<ObjectMeta> {
    Ok(within("a put", store.put(&key(name)?, whole(bytes), plain())).await??)
}

/// All bytes of a stream.
pub(super) async fn collect(bytes: ByteStream) -> Outcome<Vec<u8>> {
    let all = bytes.try_fold(BytesMut::new(), |mut all, chunk| async move {
        all.extend_from_slice(&chunk);
        Ok(all)
    });
    Ok(within("the bytes of an object", all).await??.to_vec())
}

/// What a get of the whole answers: its meta and its bytes.
pub(super) async fn read(store: &dyn ObjectStore, name: &str) -> Outcome<(ObjectMeta, Vec<u8>)> {
    let Object { meta, bytes } = store.get(&key(name)?, ByteRange::WHOLE).await?;
    Ok((meta, collect(bytes).await?))
}

/// The bytes under a key, or `None` where nothing is; head, get and list must agree.
pub(super) async fn there(store: &dyn ObjectStore, name: &str) -> Outcome<Option<Vec<u8>>> {
    let name = key(name)?;
    let listed = all(store).await?.into_iter().find(|meta| meta.key == name);
    let head = match store.head(&name).await {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        answer => Some(answer?),
    };
    ensure_eq!(head, listed, "what head says of {name} beside what list says");
    match store.get(&name, ByteRange::WHOLE).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            ensure!(head.is_none(), "{name} is there for head and not for get");
            Ok(None)
        }
        answer => {
            let Object { meta, bytes } = answer?;
            ensure_eq!(Some(meta), head, "what get says of {name} beside what head says");
            Ok(Some(collect(bytes).await?))
        }
    }
}

/// One page.
pub(super) async fn page(
    store: &dyn ObjectStore,
    prefix: &KeyPrefix,
    request: PageRequest,
) -> Outcome<ObjectPage> {
    let page = within("a page", store.list(prefix, request)).await??;
    ensure!(page.damaged.is_empty(), "these are damaged: {:?}", page.damaged);
    Ok(page)
}

/// Every object below a prefix, page by page.
pub(super) async fn below(
    store: &dyn ObjectStore,
    prefix: &KeyPrefix,
    limit: usize,
) -> Outcome<Vec<ObjectMeta>> {
    let mut found = Vec::new();
    let mut request = PageRequest::first(limit);
    loop {
        let page = page(store, prefix, request.clone()).await?;
        ensure!(page.objects.len() <= limit, "a page of at most {limit} has {} objects", page.objects.len());
        found.extend(page.objects);
        let Some(next) = page.next else { return Ok(found) };
        ensure!(request.after.as_ref() < Some(&next), "the cursor {next} does not lead on");
        request.after = Some(next);
    }
}

/// Every object.
pub(super) async fn all(store: &dyn ObjectStore) -> Outcome<Vec<ObjectMeta>> {
    below(store, &KeyPrefix::all(), 1000).await
}

/// The keys of objects, as text.
pub(super) fn names(objects: &[ObjectMeta]) -> Vec<&str> {
    objects.iter().map(|meta| meta.key.as_str()).collect()
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

/// That many bytes, of which no part is like another.
pub(super) fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}
