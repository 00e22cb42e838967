//! The bytes of a file or of standard input on their way to the server, with their hash.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use gofer_output::error::Failure;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

/// The name that means standard input, or standard output.
pub const STREAM: &str = "-";
/// How many bytes are read at once.
const CHUNK: usize = 256 << 10;
/// How many chunks wait to be sent.
const AHEAD: usize = 2;

/// The hash of the bytes that have passed. A clone is the same one.
#[derive(Debug, Clone, Default)]
pub struct Hash(Arc<Mutex<Sha256>>);

impl Hash {
    /// Takes more bytes.
    pub fn add(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
    }

    /// The hash so far, as 64 hex digits.
    pub fn text(&self) -> String {
        let hash = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().finalize();
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What is put: a file, or standard input.
pub struct Source {
    name: PathBuf,
    input: Box<dyn Read + Send>,
    /// How many bytes there are, if it is a plain file.
    pub size: Option<u64>,
    /// Of what was read.
    pub hash: Hash,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("name", &self.name).field("size", &self.size).finish_non_exhaustive()
    }
}

impl Source {
    /// Opens a file, or standard input.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let hash = Hash::default();
        if path.as_os_str() == STREAM {
            let name = PathBuf::from("standard input");
            return Ok(Self { name, input: Box::new(std::io::stdin()), size: None, hash });
        }
        let fail = |cause| Failure::file("read", path, &cause);
        let file = File::open(path).map_err(fail)?;
        let about = file.metadata().map_err(fail)?;
        if about.is_dir() {
            let hint = "pack it first, such as with `tar`";
            return Err(fail(ErrorKind::IsADirectory.into()).hint(hint));
        }
        let size = about.is_file().then_some(about.len());
        Ok(Self { name: path.to_owned(), input: Box::new(file), size, hash })
    }

    /// The bytes. They are read by a thread of their own: a read of standard input cannot be given up, and must keep nobody.
    pub fn bytes(self) -> Result<impl Stream<Item = Result<Bytes, Failure>> + Send + 'static, Failure> {
        let (send, receive) = mpsc::channel(AHEAD);
        let Self { name, mut input, hash, .. } = self;
        let reading = move || {
            loop {
                let chunk = match chunk(&mut input) {
                    Ok(chunk) if chunk.is_empty() => return,
                    chunk => chunk.map_err(|cause| Failure::file("read", &name, &cause)),
                };
                let last = chunk.is_err();
                if send.blocking_send(chunk).is_err() || last {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("object-source".to_owned()).spawn(reading);
        thread.map_err(|cause| Failure::internal("no thread can be started").because(&cause))?;
        let next = |mut receive: mpsc::Receiver<_>| async move { Some((receive.recv().await?, receive)) };
        Ok(stream::unfold(receive, next).inspect(move |chunk: &Result<Bytes, Failure>| {
            if let Ok(chunk) = chunk {
                hash.add(chunk);
            }
        }))
    }
}

/// The next bytes; none at the end.
fn chunk(input: &mut dyn Read) -> std::io::Result<Bytes> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match input.read(&mut buffer) {
            Ok(read) => {
                buffer.truncate(read);
                return Ok(buffer.into());
            }
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;

    #[tokio::test]
    async fn a_file_is_read_whole_in_chunks_with_its_hash() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a");
        std::fs::write(&path, vec![b'x'; CHUNK + 1]).expect("a file");
        let source = Source::open(&path).expect("a source");
        assert_eq!(source.size, Some(CHUNK as u64 + 1));
        let hash = source.hash.clone();
        let chunks: Vec<Bytes> = source.bytes().expect("a stream").try_collect().await.expect("the bytes");
        assert_eq!(chunks.iter().map(Bytes::len).collect::<Vec<_>>(), [CHUNK, 1]);
        let whole = Hash::default();
        whole.add(&vec![b'x'; CHUNK + 1]);
        assert_eq!(hash.text(), whole.text());
    }

    #[test]
    fn a_hash_is_told_in_hex() {
        let hash = Hash::default();
        hash.add(b"abc");
        assert!(hash.text().starts_with("ba7816bf8f01cfea"), "{}", hash.text());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        for path in [dir.path().to_owned(), dir.path().join("nowhere")] {
            let failure = Source::open(&path).map(drop).expect_err("a failure");
            assert_eq!(failure.code, "E0006");
            assert!(failure.message.contains(&path.display().to_string()), "{}", failure.message);
        }
    }
}
