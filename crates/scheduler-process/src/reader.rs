//! Reading a log file as a stream, which is woken when it grows.
//!
//! A cursor is the place in the file behind a frame and a checksum over it and the attempt, so that a cursor which was not
//! given out for this attempt is noticed. The place behind the last gap, which stands in no file, is one behind the end.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures_util::{StreamExt, stream};
use gofer_backend::{ErrorKind, Result};
use gofer_scheduler::{LogChunk, LogCursor, LogItem, LogStream};
use gofer_types::{AttemptId, Cause, Timestamp};
use tokio::sync::watch;

use crate::attempts::{self, LOG};
use crate::error::{error, host};
use crate::frame::{self, Found};
use crate::live::{End, Progress};
use crate::protocol::ExitRecord;

/// How much is read at once.
const BATCH: u64 = 256 << 10;

/// The cursor of a place.
fn cursor(id: &AttemptId, place: u64) -> LogCursor {
    LogCursor(format!("{place}-{:08x}", checksum(id, place)))
}

fn checksum(id: &AttemptId, place: u64) -> u32 {
    crc32fast::hash(format!("{id} {place}").as_bytes())
}

/// The place of a cursor. Error: `InvalidInput` if it was not given out for this attempt.
pub(crate) fn place(id: &AttemptId, from: &LogCursor) -> Result<u64> {
    if *from == LogCursor::start() {
        return Ok(0);
    }
    let read = || {
        let (place, sum) = from.0.split_once('-')?;
        let place = place.parse().ok()?;
        (u32::from_str_radix(sum, 16).ok()? == checksum(id, place)).then_some(place)
    };
    read().ok_or_else(|| {
        let shown: String = from.0.chars().take(128).collect();
        error(ErrorKind::InvalidInput, "logs", "this cursor was not given out for this task")
            .with("cursor", shown)
    })
}

/// What the reader is told about the task.
#[derive(Debug)]
pub(crate) enum Source {
    /// It runs.
    Running(watch::Receiver<Progress>),
    /// It has ended.
    Ended(ExitRecord),
}

struct Reader {
    id: AttemptId,
    file: Option<Arc<File>>,
    place: u64,
    source: Source,
    queue: VecDeque<LogChunk>,
    finished: bool,
}

/// Opens the log of an attempt at a place. A task that never ran has none.
pub(crate) fn open(folder: &Path, id: &AttemptId, place: u64, source: Source) -> io::Result<LogStream> {
    let file = match attempts::open(&folder.join(LOG)) {
        Ok(file) => Some(Arc::new(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let queue = VecDeque::new();
    let reader = Reader { id: id.clone(), file, place, source, queue, finished: false };
    Ok(stream::unfold(reader, |mut reader| async move { Some((reader.next().await?, reader)) }).boxed())
}

impl Reader {
    async fn next(&mut self) -> Option<Result<LogChunk>> {
        loop {
            if let Some(chunk) = self.queue.pop_front() {
                return Some(Ok(chunk));
            }
            if self.finished {
                return None;
            }
            if let Err(error) = self.advance().await {
                self.finished = true;
                return Some(Err(error));
            }
        }
    }

    /// Reads some more, or waits for more, or comes to the end.
    async fn advance(&mut self) -> Result<()> {
        let (whole, end) = match &mut self.source {
            Source::Ended(exit) => (None, Some(End::Exit(exit.clone()))),
            Source::Running(progress) => {
                let now = progress.borrow_and_update();
                (Some(now.log), now.end.clone())
            }
        };
        match end {
            // Before the end only whole frames are told of; at the end, all that is there is all.
            None => match whole {
                Some(whole) if self.place < whole => self.read(whole).await.map(drop),
                _ => self.wait().await,
            },
            Some(End::Exit(exit)) => {
                let length = self.length()?;
                if self.place < length && self.read(length).await? {
                    return Ok(());
                }
                self.finish(&exit, length);
                Ok(())
            }
            Some(End::Unknown(why)) => Err(error(ErrorKind::Unavailable, "logs", why)),
        }
    }

    async fn wait(&mut self) -> Result<()> {
        let changed = match &mut self.source {
            Source::Running(progress) => progress.changed().await.is_ok(),
            Source::Ended(_) => false,
        };
        if changed { Ok(()) } else { Err(error(ErrorKind::Unavailable, "logs", "the scheduler was closed")) }
    }

    fn length(&self) -> Result<u64> {
        let length = self.file.as_ref().map_or(Ok(0), |file| file.metadata().map(|meta| meta.len()));
        length.map_err(|source| host("logs", "cannot read the log", source))
    }

    /// Reads frames from here up to `end`. False if what stands here is the beginning of a frame and nothing more.
    async fn read(&mut self, end: u64) -> Result<bool> {
        let Some(file) = self.file.clone() else { return Ok(false) };
        let (place, length) = (self.place, (end - self.place).min(BATCH));
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            file.read_exact_at(&mut bytes, place).map(|()| Bytes::from(bytes))
        });
        let read = read
            .await
            .map_err(|source| error(ErrorKind::Internal, "logs", "reading broke off").source(source))?;
        let bytes = read.map_err(|source| host("logs", "cannot read the log", source))?;
        Ok(self.take(bytes, end))
    }

    /// Queues the frames of a batch. False if it holds none.
    fn take(&mut self, mut bytes: Bytes, end: u64) -> bool {
        let before = self.place;
        loop {
            match frame::read(&bytes) {
                Found::Frame { at, item, size } => {
                    bytes.advance(size);
                    self.push(size as u64, at, item);
                }
                Found::Damaged { payload, size } => {
                    bytes.advance(size);
                    self.push(size as u64, Timestamp::default(), damaged(Some(payload)));
                }
                Found::Incomplete => return self.place != before,
                Found::Nonsense => {
                    self.push(end - self.place, Timestamp::default(), damaged(None));
                    return true;
                }
            }
        }
    }

    fn push(&mut self, size: u64, at: Timestamp, item: LogItem) {
        self.place += size;
        self.queue.push_back(LogChunk { cursor: cursor(&self.id, self.place), at, item });
    }

    /// Comes to the end; says what is missing there.
    fn finish(&mut self, exit: &ExitRecord, length: u64) {
        self.finished = true;
        let torn = self.place < length;
        let lost = matches!(exit.cause, Cause::Lost(_));
        if self.place > length || !(torn || lost || exit.unwritten > 0) {
            return;
        }
        let (bytes, cause) = match (torn, lost) {
            (_, true) => (None, "nobody kept the output that followed"),
            (true, false) => (None, "the log was torn when the host crashed"),
            (false, false) => (Some(exit.unwritten), "the log could not be written"),
        };
        self.push(length + 1 - self.place, exit.at, LogItem::Gap { bytes, cause: cause.to_owned() });
    }
}

fn damaged(bytes: Option<u64>) -> LogItem {
    LogItem::Gap { bytes, cause: "the log is damaged here".to_owned() }
}

#[cfg(test)]
mod tests {
    use gofer_scheduler::StreamKind;

    use super::*;

    fn id() -> AttemptId {
        AttemptId::from_u128(7)
    }

    fn exit(cause: Cause, unwritten: u64) -> ExitRecord {
        ExitRecord { cause, at: Timestamp::from_micros(9), pid: 1, unwritten }
    }

    fn frames(texts: &[&str]) -> Vec<u8> {
        let mut file = Vec::new();
        for text in texts {
            frame::output(&mut file, Timestamp::from_micros(5), StreamKind::Out, text.as_bytes());
        }
        file
    }

    async fn read_all(file: &[u8], from: u64, exit: ExitRecord) -> Vec<LogChunk> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(LOG), file).unwrap();
        let stream = open(folder.path(), &id(), from, Source::Ended(exit)).unwrap();
        stream.map(|chunk| chunk.unwrap()).collect().await
    }

    fn shown(chunks: &[LogChunk]) -> Vec<String> {
        let show = |chunk: &LogChunk| match &chunk.item {
            LogItem::Data { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
            LogItem::Gap { bytes, .. } => format!("gap {bytes:?}"),
        };
        chunks.iter().map(show).collect()
    }

    #[tokio::test]
    async fn a_damaged_frame_is_a_gap_of_its_size() {
        let mut file = frames(&["one", "two", "three"]);
        file[20 + 18] ^= 1;
        let chunks = read_all(&file, 0, exit(Cause::ExitCode(0), 0)).await;
        assert_eq!(shown(&chunks), ["one", "gap Some(3)", "three"]);
    }

    #[tokio::test]
    async fn a_torn_tail_is_a_gap_and_the_cursor_behind_it_is_the_end() {
        let file = frames(&["one", "two"]);
        let file = &file[..file.len() - 1];
        let chunks = read_all(file, 0, exit(Cause::ExitCode(0), 0)).await;
        assert_eq!(shown(&chunks), ["one", "gap None"]);
        let behind = place(&id(), &chunks[1].cursor).unwrap();
        assert!(read_all(file, behind, exit(Cause::ExitCode(0), 0)).await.is_empty());
    }

    #[tokio::test]
    async fn what_could_not_be_written_is_a_gap_at_the_end() {
        let chunks = read_all(&frames(&["one"]), 0, exit(Cause::ExitCode(0), 12)).await;
        assert_eq!(shown(&chunks), ["one", "gap Some(12)"]);
    }

    #[tokio::test]
    async fn the_log_of_a_lost_task_ends_with_a_gap_of_unknown_size() {
        let chunks = read_all(&frames(&["one"]), 0, exit(Cause::Lost("why".to_owned()), 0)).await;
        assert_eq!(shown(&chunks), ["one", "gap None"]);
    }

    #[tokio::test]
    async fn nonsense_is_a_gap_up_to_what_is_known() {
        let mut file = frames(&["one"]);
        file.extend([0xff; 40]);
        assert_eq!(shown(&read_all(&file, 0, exit(Cause::ExitCode(0), 0)).await), ["one", "gap None"]);
    }

    #[test]
    fn a_cursor_of_another_task_is_refused() {
        let given = cursor(&AttemptId::from_u128(8), 5);
        assert_eq!(place(&id(), &given).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(place(&id(), &cursor(&id(), 5)).unwrap(), 5);
    }
}
