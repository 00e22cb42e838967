//! How the fake takes the stream of a put, and what its defects make of it.

use bytes::Bytes;
use futures_util::StreamExt as _;
use gofer_backend::{BackendError, ErrorKind, Result, RetryAdvice};

use super::disk::{FakeDisk, Stored};
use super::{Defect, keys};
use crate::{ByteStream, Intake, ObjectKey, Put, Sha256};

/// What a stream brought.
pub(super) struct Received {
    pub(super) bytes: Bytes,
    pub(super) size: u64,
    pub(super) sha256: Sha256,
}

/// A put that is under way.
pub(super) struct Reception<'a> {
    pub(super) disk: &'a FakeDisk,
    pub(super) key: &'a ObjectKey,
    pub(super) defect: Option<Defect>,
    bytes: Vec<u8>,
    chunks: usize,
    over: Option<BackendError>,
    ended: bool,
}

impl<'a> Reception<'a> {
    pub(super) fn new(disk: &'a FakeDisk, key: &'a ObjectKey, defect: Option<Defect>) -> Self {
        Self { disk, key, defect, bytes: Vec::new(), chunks: 0, over: None, ended: false }
    }

    fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    /// Reads the stream to its end.
    pub(super) async fn take(mut self, mut stream: ByteStream, put: &Put) -> Result<Received> {
        let taken = self.take_all(&mut stream, put).await;
        self.ended = true;
        taken
    }

    async fn take_all(&mut self, stream: &mut ByteStream, put: &Put) -> Result<Received> {
        let mut intake = Intake::new(&self.overlooking(put))?;
        while let Some(chunk) = stream.next().await {
            let chunk = match chunk {
                Ok(chunk) if chunk.is_empty() && self.has(Defect::EmptyChunkIsTheEnd) => break,
                Ok(chunk) => chunk,
                Err(_) if self.has(Defect::FailedStreamIsAnEnd) => break,
                Err(error) if self.has(Defect::StreamErrorIsReplaced) => {
                    return Err(BackendError::new(ErrorKind::Unavailable, "the stream failed").source(error));
                }
                Err(error) => return Err(error),
            };
            self.admit(&mut intake, &chunk, put)?;
        }
        if let Some(error) = self.over.take() {
            return Err(error);
        }
        let (size, sha256) = intake.finish()?;
        Ok(Received { bytes: self.whole(), size, sha256 })
    }

    /// What the put asks for, less what the defect overlooks.
    fn overlooking(&self, put: &Put) -> Put {
        let mut put = put.clone();
        match self.defect {
            Some(Defect::SizeLimitIsIgnored) => put.size_limit = u64::MAX,
            Some(Defect::SizeLimitIsOneLess) => put.size_limit = put.size_limit.saturating_sub(1),
            Some(Defect::AnnouncedSizeIsIgnored | Defect::AnnouncedIsReadAnyway) => put.expected_size = None,
            Some(Defect::AnnouncedHashIsIgnored) => put.sha256 = None,
            Some(Defect::AnyContentType) => put.content_type = String::new(),
            _ => {}
        }
        put
    }

    fn admit(&mut self, intake: &mut Intake, chunk: &Bytes, put: &Put) -> Result<()> {
        if let Err(error) = intake.admit(chunk.len()) {
            return self.refuse(error, chunk, put);
        }
        self.chunks += 1;
        let room = self.disk.lock().room();
        let lost = self.has(Defect::LosesLateChunks) && self.chunks > 1000;
        intake.hash(chunk);
        if lost {
            return Ok(());
        }
        if room.is_some_and(|room| (self.bytes.len() + chunk.len()) as u64 > room) {
            return Err(self.full());
        }
        self.bytes.extend_from_slice(chunk);
        self.share(chunk);
        Ok(())
    }

    fn refuse(&mut self, error: BackendError, chunk: &Bytes, put: &Put) -> Result<()> {
        if self.has(Defect::CutsAtTheLimit) && error.facts().iter().any(|(name, _)| *name == "limit") {
            self.bytes.extend_from_slice(chunk);
            self.bytes.truncate(usize::try_from(put.size_limit).unwrap_or(usize::MAX));
            self.keep();
        }
        if self.has(Defect::ReadsBeforeItRefuses) {
            self.over.get_or_insert(error);
            return Ok(());
        }
        Err(error)
    }

    fn full(&self) -> BackendError {
        match self.defect {
            Some(Defect::FullDiskIsInternal) => return BackendError::new(ErrorKind::Internal, "no space"),
            Some(Defect::FullDiskKeepsParts) => self.keep(),
            Some(Defect::FullDiskIsForGood) => self.disk.lock().full_for_good = true,
            _ => {}
        }
        let error = BackendError::new(ErrorKind::Exhausted, "the disk is full");
        error.retry(RetryAdvice::Later { after: None })
    }

    /// Puts what has come so far where defects let others see it.
    fn share(&self, chunk: &Bytes) {
        match self.defect {
            Some(Defect::ShowsParts) => self.keep(),
            Some(Defect::PartsOutliveACrash) => {
                self.disk.lock().parts.insert(self.key.clone(), self.bytes.clone());
            }
            Some(Defect::PutsMix) => {
                let mut disk = self.disk.lock();
                let part = disk.parts.entry(self.key.clone()).or_default();
                let start = self.bytes.len() - chunk.len();
                part.resize(part.len().max(self.bytes.len()), 0);
                if let Some(place) = part.get_mut(start..self.bytes.len()) {
                    place.copy_from_slice(chunk);
                }
            }
            _ => {}
        }
    }

    /// Makes an object of what has come so far.
    fn keep(&self) {
        let stored = Stored::of_part(self.key, self.bytes.clone());
        self.disk.lock().objects.insert(keys::kept(self.key, self.defect), stored);
    }

    /// All bytes, as the defect has them.
    fn whole(&mut self) -> Bytes {
        let bytes = std::mem::take(&mut self.bytes);
        Bytes::from(match self.defect {
            Some(Defect::TextOnly) => String::from_utf8_lossy(&bytes).into_owned().into_bytes(),
            Some(Defect::LosesTheEndOfLarge) => bytes.into_iter().take(4 << 20).collect(),
            Some(Defect::PutsMix) => self.disk.lock().parts.get(self.key).cloned().unwrap_or(bytes),
            _ => bytes,
        })
    }
}

impl Drop for Reception<'_> {
    fn drop(&mut self) {
        if !self.ended && self.has(Defect::DroppedPutStays) {
            self.keep();
        }
    }
}
