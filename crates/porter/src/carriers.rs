//! How many carry files at the same time.
//!
//! To carry is to hold a thread that may block for as long as a stream lasts, while the stream itself may come from such
//! threads: an object store reads its files there. They all come from one pool, which is bounded; so carrying must never
//! take all of it, or everybody waits for reads that nobody is left to do. Whoever carries has a [`Slot`], asked for before
//! the thread, and held until the work on that thread has ended.
//!
//! The slots also bound what lies in files on its way ([`crate::engine`]): each holds one such file at the most.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use gofer_artefacts::Limits;
use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_scheduler::{Archive, HostErrors, Turns};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::engine::{Spool, spool};
use crate::{Incoming, Workplace, given_up};

/// How many carry at the same time, of one scheduler: few beside the 512 threads that a runtime has for what may block.
pub const AT_ONCE: usize = 16;

/// Those who carry the files of one scheduler.
#[derive(Debug)]
pub struct Carriers {
    /// Whoever lays files under an id, which lasts as long as archives come. Taken before a slot, so that calls for one id
    /// do not take the slots of others.
    pub laying: Turns,
    slots: Arc<Semaphore>,
}

impl Default for Carriers {
    fn default() -> Self {
        Self::of(AT_ONCE)
    }
}

/// The right to carry. It ends when it is dropped.
#[derive(Debug)]
pub struct Slot(#[expect(dead_code, reason = "it is held, not used")] OwnedSemaphorePermit);

impl Carriers {
    /// So many may carry at the same time.
    #[must_use]
    pub fn of(at_once: usize) -> Self {
        Self { laying: Turns::default(), slots: Arc::new(Semaphore::new(at_once)) }
    }

    /// Waits until fewer than may carry do.
    ///
    /// # Errors
    /// `Unavailable` once `cancel` says that nobody waits any more.
    pub async fn slot(&self, cancel: &CancellationToken) -> Result<Slot> {
        let slot = cancel.run_until_cancelled(Arc::clone(&self.slots).acquire_owned()).await;
        let closed = |source| BackendError::new(ErrorKind::Internal, "carrying is over").source(source);
        slot.ok_or_else(given_up)?.map(Slot).map_err(closed)
    }

    /// Lays archives as [`Workplace::lay`] does, on a thread that may block, until `cancel` says that nobody waits any more.
    ///
    /// # Errors
    /// As of [`Workplace::lay`] and [`Carriers::slot`].
    pub async fn lay(
        &self,
        place: Workplace,
        (archives, limits): (Vec<Archive>, Limits),
        (host, cancel): (HostErrors, &CancellationToken),
        is_started: impl FnOnce(&Workplace) -> io::Result<bool> + Send + 'static,
    ) -> Result<()> {
        let archives = archives.into_iter().map(|archive| Incoming::new(archive, cancel)).collect();
        let lay = move || place.lay(archives, &limits, host, || is_started(&place));
        self.blocking(cancel, lay).await.map(drop)
    }

    /// Fills a file in this folder, on a thread that may block.
    ///
    /// # Errors
    /// What `fill` says; what the host says against the file; as of [`Carriers::slot`].
    pub async fn spool(
        &self,
        folder: PathBuf,
        cancel: &CancellationToken,
        fill: impl FnOnce(&File) -> Result<()> + Send + 'static,
    ) -> Result<Spool> {
        let filled = move || {
            let file = spool(&folder)?;
            fill(&file)?;
            Ok(file)
        };
        self.blocking(cancel, filled).await.map(|(file, slot)| Spool { file, slot })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        cancel: &CancellationToken,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<(T, Slot)> {
        let slot = self.slot(cancel).await?;
        // The slot is the thread's: it is not free while that still works.
        let done = tokio::task::spawn_blocking(move || work().map(|done| (done, slot))).await;
        done.map_err(|source| BackendError::new(ErrorKind::Unavailable, "it broke off").source(source))?
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use bytes::Bytes;
    use futures_util::future::try_join_all;
    use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
    use gofer_artefacts::pack;
    use gofer_scheduler::FileStream;
    use tokio::task::spawn_blocking;

    use super::*;
    use crate::outgoing;

    /// How many threads may block in the test.
    const THREADS: usize = 2;

    fn host(_: &io::Error) -> ErrorKind {
        ErrorKind::Internal
    }

    /// Bytes whose every piece is read on a thread that may block, as an object store does it.
    fn from_the_pool(bytes: &[u8]) -> FileStream {
        let pieces: Vec<Bytes> = bytes.chunks(512).map(Bytes::copy_from_slice).collect();
        stream::iter(pieces).then(|piece| async { Ok(spawn_blocking(|| piece).await.unwrap()) }).boxed()
    }

    async fn lay(carriers: &Carriers, folder: PathBuf, bytes: Vec<u8>) -> Result<()> {
        let archive = Archive { name: "a".to_owned(), bytes: from_the_pool(&bytes) };
        let place = Workplace { folder, name: "work", lock: "record", workdir: None };
        let (what, cancel) = ((vec![archive], Limits::default()), CancellationToken::new());
        carriers.lay(place, what, (host, &cancel), |_| Ok(false)).await
    }

    async fn take(carriers: &Carriers, bytes: Vec<u8>) -> Result<usize> {
        let slot = carriers.slot(&CancellationToken::new()).await?;
        let taken = outgoing(slot, move |out, _| {
            out.write_all(&bytes).unwrap();
            Ok(())
        });
        // Where it goes needs the pool as well.
        let stored = taken.and_then(|piece| async { Ok(spawn_blocking(move || piece.len()).await.unwrap()) });
        stored.try_fold(0, |all, length| async move { Ok(all + length) }).await
    }

    #[test]
    fn carrying_leaves_threads_for_what_is_carried() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), vec![7; 5000]).unwrap();
        let mut bytes = Vec::new();
        pack(folder.path(), &["a".to_owned()], &Limits::default(), &mut bytes).unwrap();
        let folders: Vec<PathBuf> = (0..8).map(|n| folder.path().join(format!("attempt-{n}"))).collect();
        for folder in &folders {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("record"), "").unwrap();
        }
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().max_blocking_threads(THREADS).build().unwrap();
        let carriers = Carriers::of(THREADS - 1);
        let laid = try_join_all(folders.iter().map(|folder| lay(&carriers, folder.clone(), bytes.clone())));
        let taken = try_join_all((0..4).map(|_| take(&carriers, bytes.clone())));
        let both = async { tokio::join!(laid, taken) };
        let done = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), both).await });
        // A thread that waits for ever must not hold up the end of a test that has failed.
        runtime.shutdown_background();
        let (laid, taken) = done.expect("nobody waits for a thread that others hold");
        assert_eq!((laid.unwrap().len(), taken.unwrap()), (8, vec![bytes.len(); 4]));
        assert!(folders.iter().all(|folder| folder.join("work/a").is_file()));
    }

    #[tokio::test]
    async fn a_slot_is_free_again_behind_its_work_and_waited_for_only_while_somebody_wants_it() {
        let (carriers, cancel) = (Carriers::of(1), CancellationToken::new());
        let slot = carriers.slot(&cancel).await.unwrap();
        assert!(carriers.slot(&cancel).now_or_never().is_none());
        let waits = carriers.slot(&cancel);
        let (refused, ()) = tokio::join!(waits, async { cancel.cancel() });
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unavailable);
        let pieces = outgoing(slot, |_, _| Ok(()));
        assert!(pieces.collect::<Vec<_>>().await.is_empty());
        carriers.slot(&CancellationToken::new()).await.unwrap();
    }
}
