//! Between streams, which must not be waited for by blocking, and packing and unpacking, which does.

use std::io::{self, Read, Write};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::{StreamExt, stream};
use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_scheduler::{Archive, FileStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::Slot;

/// How many pieces may be on their way, of at most 64 KiB each.
const ON_THEIR_WAY: usize = 4;

/// An archive that comes as a stream, for a thread that may block. An error of the stream comes inside an error of the
/// host, and [`gofer_scheduler::not_laid`] finds it there.
pub struct Incoming {
    /// What it is called.
    pub name: String,
    bytes: FileStream,
    piece: Bytes,
    runtime: Handle,
    cancel: CancellationToken,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Incoming {
    /// An archive that is read until `cancel` says that nobody wants it any more. Must be called within a runtime.
    #[must_use]
    pub fn new(archive: Archive, cancel: &CancellationToken) -> Self {
        let Archive { name, bytes } = archive;
        Self { name, bytes, piece: Bytes::new(), runtime: Handle::current(), cancel: cancel.clone() }
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let next = async {
                tokio::select! {
                    biased;
                    () = self.cancel.cancelled() => Some(Err(given_up())),
                    piece = self.bytes.next() => piece,
                }
            };
            match self.runtime.block_on(next) {
                Some(piece) => self.piece = piece.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.split_to(length).copy_to_slice(buffer.get_mut(..length).unwrap_or_default());
        Ok(length)
    }
}

/// What is answered where nobody hears it any more.
#[must_use]
pub fn given_up() -> BackendError {
    BackendError::new(ErrorKind::Unavailable, "nobody waits for this any more")
}

/// The same stream, which ends with an error when nothing has come for so long.
pub fn in_time(bytes: FileStream, limit: Duration) -> FileStream {
    let next = move |bytes: Option<FileStream>| async move {
        let mut bytes = bytes?;
        match tokio::time::timeout(limit, bytes.next()).await {
            Ok(Some(piece)) => Some((piece, Some(bytes))),
            Ok(None) => None,
            Err(_) => Some((Err(BackendError::new(ErrorKind::TimedOut, "nothing comes any more")), None)),
        }
    };
    stream::unfold(Some(bytes), next).boxed()
}

/// What goes through the channel.
enum Part {
    Bytes(Bytes),
    /// Nothing follows.
    End(Result<()>),
}

/// The writing end.
struct Outgoing(mpsc::Sender<Part>);

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Part::Bytes(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `write` writes, as a stream. It writes on a thread that may block, from now on, and is told by an error, and by the
/// token, that nobody reads any more. Its own error is the last item of the stream. The slot is free behind its end. Must be called within a runtime.
pub fn outgoing(
    slot: Slot,
    write: impl FnOnce(&mut dyn Write, &CancellationToken) -> Result<()> + Send + 'static,
) -> FileStream {
    let (sender, parts) = mpsc::channel(ON_THEIR_WAY);
    let cancel = CancellationToken::new();
    let guard = cancel.clone().drop_guard();
    // Owned by whoever reads the stream: it ends with that.
    drop(tokio::task::spawn_blocking(move || {
        let (mut out, _slot) = (Outgoing(sender), slot);
        let end = write(&mut out, &cancel);
        // Nobody may be left to be told.
        let _ = out.0.blocking_send(Part::End(end));
    }));
    stream::unfold(Some((guard, parts)), next).boxed()
}

/// The guard goes first: who notices that the channel is closed finds the token cancelled.
type Reading = (DropGuard, mpsc::Receiver<Part>);

async fn next(reading: Option<Reading>) -> Option<(Result<Bytes>, Option<Reading>)> {
    let (guard, mut parts) = reading?;
    match parts.recv().await {
        Some(Part::Bytes(bytes)) => Some((Ok(bytes), Some((guard, parts)))),
        Some(Part::End(Ok(()))) => None,
        Some(Part::End(Err(error))) => Some((Err(error), None)),
        None => Some((Err(BackendError::new(ErrorKind::Internal, "the packing broke off")), None)),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;

    fn archive(pieces: Vec<Result<Bytes>>) -> Archive {
        Archive { name: "a".to_owned(), bytes: stream::iter(pieces).boxed() }
    }

    async fn slot() -> Slot {
        crate::Carriers::default().slot(&CancellationToken::new()).await.unwrap()
    }

    /// What a thread that may block reads of it.
    async fn read(archive: Archive, cancel: &CancellationToken) -> io::Result<Vec<u8>> {
        let mut incoming = Incoming::new(archive, cancel);
        let read = move || {
            let mut all = Vec::new();
            incoming.read_to_end(&mut all).map(|_| all)
        };
        tokio::task::spawn_blocking(read).await.unwrap()
    }

    #[tokio::test]
    async fn pieces_are_read_in_order_and_an_error_comes_as_it_was() {
        let cancel = CancellationToken::new();
        let pieces = ["ab", "", "cde"].map(|piece| Ok(Bytes::from(piece)));
        assert_eq!(read(archive(pieces.into()), &cancel).await.unwrap(), b"abcde");
        let broken = Err(BackendError::new(ErrorKind::Exhausted, "full"));
        let error = read(archive(vec![Ok(Bytes::from("ab")), broken]), &cancel).await.unwrap_err();
        assert_eq!(error.downcast::<BackendError>().unwrap().kind(), ErrorKind::Exhausted);
    }

    #[tokio::test]
    async fn a_stream_that_says_nothing_is_not_waited_for_when_nobody_wants_it() {
        let cancel = CancellationToken::new();
        let silent = Archive { name: "a".to_owned(), bytes: stream::pending().boxed() };
        let (error, ()) = tokio::join!(read(silent, &cancel), async { cancel.cancel() });
        assert_eq!(error.unwrap_err().downcast::<BackendError>().unwrap().kind(), ErrorKind::Unavailable);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_does_not_go_on_is_waited_for_so_long() {
        let bytes = stream::iter([Ok("a".into())]).chain(stream::pending()).boxed();
        let pieces: Vec<Result<Bytes>> = in_time(bytes, Duration::from_secs(60)).collect().await;
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces[1].as_ref().unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn what_is_written_comes_out_and_an_error_is_last() {
        let pieces = outgoing(slot().await, |out, _| {
            out.write_all(b"abc").unwrap();
            Err(BackendError::new(ErrorKind::InvalidInput, "bad"))
        });
        let pieces: Vec<_> = pieces.collect().await;
        assert_eq!(pieces[0].as_ref().unwrap(), "abc");
        assert_eq!(pieces[1].as_ref().unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(pieces.len(), 2);
    }

    #[tokio::test]
    async fn packing_that_breaks_off_is_no_end() {
        let pieces = outgoing(slot().await, |out, _| {
            out.write_all(b"abc").unwrap();
            panic!("it breaks off, as this test wants it");
        });
        let error = pieces.try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
    }

    #[tokio::test]
    async fn packing_ends_when_nobody_reads_and_runs_ahead_by_little() {
        let (ended, end) = std::sync::mpsc::channel();
        let pieces = outgoing(slot().await, move |out, cancel| {
            let mut written = 0;
            while out.write_all(b"abc").is_ok() {
                written += 1;
            }
            ended.send((written, cancel.is_cancelled())).unwrap();
            Ok(())
        });
        let mut pieces = pieces;
        assert!(pieces.next().await.unwrap().is_ok());
        drop(pieces);
        let wait = move || end.recv_timeout(Duration::from_secs(60)).unwrap();
        let (written, cancelled) = tokio::task::spawn_blocking(wait).await.unwrap();
        assert!(written <= ON_THEIR_WAY + 2 && cancelled, "{written} {cancelled}");
    }
}
