//! The bytes of an object, chunk by chunk.
//!
//! The stream holds the file, so it reads what it opened to the end. Whoever reads all of it is told if it is not what was put.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_object_store::{ByteStream, ObjectMeta, Sha256};
use sha2::Digest as _;

use crate::KIND;
use crate::backend::blocking;

/// How many bytes are read at once.
const CHUNK: u64 = 256 << 10;

struct Reader {
    file: Arc<File>,
    meta: ObjectMeta,
    rest: Range<u64>,
    /// While all bytes pass by.
    hasher: Option<sha2::Sha256>,
}

/// The bytes of a range.
pub(crate) fn stream(file: File, meta: ObjectMeta, range: Range<u64>) -> ByteStream {
    let whole = range.start == 0 && range.end == meta.size;
    let hasher = whole.then(sha2::Sha256::default);
    let reader = Reader { file: Arc::new(file), meta, rest: range, hasher };
    let next = |reader: Option<Reader>| async move {
        let reader = reader.filter(|reader| !reader.rest.is_empty())?;
        match blocking(move || reader.next()).await {
            Ok((chunk, reader)) => Some((Ok(chunk), Some(reader))),
            // nothing follows an error
            Err(error) => Some((Err(error.at(KIND, "get")), None)),
        }
    };
    stream::unfold(Some(reader), next).boxed()
}

impl Reader {
    fn next(mut self) -> Result<(Bytes, Self)> {
        let length = CHUNK.min(self.rest.end - self.rest.start);
        let mut chunk = vec![0; usize::try_from(length).unwrap_or_default()];
        self.file.read_exact_at(&mut chunk, self.rest.start).map_err(|error| self.unread(error))?;
        self.rest.start += length;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&chunk);
        }
        if self.rest.is_empty() {
            self.verify()?;
        }
        Ok((Bytes::from(chunk), self))
    }

    fn verify(&mut self) -> Result<()> {
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        if Sha256(hasher.finalize().into()) == self.meta.sha256 {
            return Ok(());
        }
        Err(self.damaged("its bytes do not have the hash of what was put"))
    }

    fn unread(&self, error: io::Error) -> BackendError {
        self.damaged("its bytes could not be read").source(error)
    }

    fn damaged(&self, why: &str) -> BackendError {
        let error = BackendError::new(ErrorKind::Internal, format!("the object is damaged: {why}"));
        error.with("key", &self.meta.key)
    }
}
