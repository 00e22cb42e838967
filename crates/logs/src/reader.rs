//! Reading a log from any entry on, to its end or on and on.
//!
//! A reader holds a place and, while a batch is taken, one block of at most one long frame. It goes to the disk only when
//! it is asked for the next batch, and waits without a buffer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use gofer_types::Timestamp;
use tokio::sync::watch;

use crate::disk;
use crate::entry::{Gap, LogEntry, LogStream, ReadOptions};
use crate::error::LogError;
use crate::frame::{self, Frame, Header, Kind, MAX_FRAME, Parsed};
use crate::gates::{Gate, lock};
use crate::shared::Shared;
use crate::sidecar::SEGMENT_HEADER;
use crate::state::Position;

/// The most entries of one batch.
pub(crate) const MAX_ENTRIES: usize = 256;

/// How much is read at once: the longest frame, so that each block has a whole one.
const BLOCK: u64 = MAX_FRAME as u64;

/// One of the limited number of followers.
#[derive(Debug)]
pub(crate) struct Ticket(Arc<AtomicUsize>);

impl Ticket {
    pub(crate) fn take(count: &Arc<AtomicUsize>, limit: usize) -> Result<Self, LogError> {
        let more = |count: usize| (count < limit).then_some(count + 1);
        match count.fetch_update(Ordering::AcqRel, Ordering::Acquire, more) {
            Ok(_) => Ok(Self(Arc::clone(count))),
            Err(_) => Err(LogError::TooManyFollowers { limit }),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What makes a reader a follower.
#[derive(Debug)]
struct Follow {
    changes: watch::Receiver<()>,
    /// Whether it has been said, since the last entry, that all that is stored has been given.
    told: bool,
    _ticket: Ticket,
}

/// A place in a log.
#[derive(Debug)]
pub(crate) struct Reader {
    shared: Arc<Shared>,
    gate: Gate,
    options: ReadOptions,
    follow: Option<Follow>,
    at: Position,
    block: Block,
    open: Option<OpenFrame>,
}

/// Bytes from the place of the reader on.
#[derive(Debug, Default)]
struct Block {
    bytes: Bytes,
    /// Whether they come from this process and not from the disk.
    trusted: bool,
}

/// A frame whose entries are being given.
#[derive(Debug)]
struct OpenFrame {
    header: Header,
    rest: Bytes,
    next_seq: u64,
}

/// What lies at the place of a reader.
enum Here {
    Stored { segment: u32, len: usize },
    NothingYet,
    TheEnd,
}

impl Reader {
    /// A reader of a loaded log; with a ticket it follows.
    pub(crate) fn new(shared: Arc<Shared>, gate: Gate, options: ReadOptions, ticket: Option<Ticket>) -> Self {
        let follow = ticket.map(|ticket| Follow { changes: shared.listen(), told: false, _ticket: ticket });
        let at = lock(&shared.state).locate(options.from_seq, options.since, SEGMENT_HEADER);
        Self { shared, gate, options, follow, at, block: Block::default(), open: None }
    }

    pub(crate) fn into_stream(self) -> LogStream {
        let step = async |reader: Option<Self>| {
            let mut reader = reader?;
            match reader.next().await {
                Ok(None) => None,
                Ok(Some(batch)) => Some((Ok(batch), Some(reader))),
                Err(error) => Some((Err(error), None)),
            }
        };
        stream::unfold(Some(self), step).boxed()
    }

    async fn next(&mut self) -> Result<Option<Vec<LogEntry>>, LogError> {
        loop {
            if let Some(follow) = &mut self.follow {
                // seen before looking, so that no change is slept through
                follow.changes.mark_unchanged();
            }
            let batch = self.take_entries()?;
            if !batch.is_empty() {
                if let Some(follow) = &mut self.follow {
                    follow.told = false;
                }
                return Ok(Some(batch));
            }
            match (self.here()?, &mut self.follow) {
                (Here::Stored { segment, len }, _) => self.fetch(segment, len).await?,
                (Here::TheEnd, _) | (Here::NothingYet, None) => return Ok(None),
                (Here::NothingYet, Some(follow)) if follow.told => {
                    follow.changes.changed().await.map_err(|_| LogError::Stopped)?;
                }
                (Here::NothingYet, Some(follow)) => {
                    follow.told = true;
                    return Ok(Some(Vec::new()));
                }
            }
        }
    }

    /// Looks at the place, and moves it into the next segment if this one is at its end.
    fn here(&mut self) -> Result<Here, LogError> {
        let state = lock(&self.shared.state);
        if state.deleted {
            return Err(self.shared.deleted_error());
        }
        while let Some(segment) = state.segments.get(self.at.segment) {
            if let Some(left) = segment.end.checked_sub(self.at.offset).filter(|left| *left > 0) {
                let len = usize::try_from(left.min(BLOCK)).unwrap_or(MAX_FRAME);
                return Ok(Here::Stored { segment: segment.number, len });
            }
            if self.at.segment + 1 >= state.segments.len() {
                break;
            }
            self.at = Position { segment: self.at.segment + 1, offset: SEGMENT_HEADER };
        }
        Ok(if state.sealed { Here::TheEnd } else { Here::NothingYet })
    }

    async fn fetch(&mut self, segment: u32, len: usize) -> Result<(), LogError> {
        let recent = lock(&self.shared.recent).find(segment, self.at.offset);
        if let Some(bytes) = recent {
            self.block = Block { bytes, trusted: true };
            return Ok(());
        }
        let (path, offset) = (self.shared.segment_path(segment), self.at.offset);
        let read = move || disk::read_at(&path, offset, len).map_err(LogError::io("read", &path));
        let bytes = match self.gate.run(read).await {
            Ok(bytes) => Bytes::from(bytes),
            Err(_) if lock(&self.shared.state).deleted => return Err(self.shared.deleted_error()),
            Err(error) => return Err(error),
        };
        if frame::parse(&bytes, false) == Parsed::Incomplete {
            let path = self.shared.segment_path(segment);
            return Err(LogError::corrupt(&path, offset, "its last frame is not whole"));
        }
        self.block = Block { bytes, trusted: false };
        Ok(())
    }

    /// The next entries of the block; none if it has no more that are wanted.
    fn take_entries(&mut self) -> Result<Vec<LogEntry>, LogError> {
        let mut batch = Vec::new();
        while batch.len() < MAX_ENTRIES {
            if let Some(mut open) = self.open.take() {
                if let Some(entry) = self.entry(&mut open) {
                    self.open = Some(open);
                    if entry.seq >= self.options.from_seq {
                        batch.push(entry);
                    }
                }
            } else if !self.open_frame()? {
                break;
            }
        }
        Ok(batch)
    }

    /// Goes on to the next frame of the block; whether there is one.
    fn open_frame(&mut self) -> Result<bool, LogError> {
        let frame = match frame::parse(&self.block.bytes, !self.block.trusted) {
            Parsed::Frame(frame) => frame,
            // the rest of it is read again, with what follows
            Parsed::Incomplete => {
                self.block = Block::default();
                return Ok(false);
            }
            Parsed::Bad => {
                let path = &self.shared.dir;
                return Err(LogError::corrupt(path, self.at.offset, "there is no frame of this log"));
            }
        };
        let bytes = self.block.bytes.split_to(frame.len());
        self.at.offset += frame.len() as u64;
        if self.wants(&frame) {
            let rest = bytes.slice(frame.payload);
            self.open = Some(OpenFrame { header: frame.header, rest, next_seq: frame.header.first_seq });
        }
        Ok(true)
    }

    fn wants(&self, frame: &Frame) -> bool {
        let ReadOptions { from_seq, attempt, stream, since, until, .. } = &self.options;
        let header = &frame.header;
        let time = Timestamp::from_micros(header.time);
        let attempt_fits = attempt.is_none_or(|wanted| match header.kind {
            Kind::Limit => wanted >= header.attempt,
            _ => wanted == header.attempt,
        });
        header.first_seq + u64::from(header.entries) > *from_seq
            && attempt_fits
            && stream.is_none_or(|wanted| header.kind != Kind::Data || wanted == header.stream)
            && since.is_none_or(|since| time >= since)
            && until.is_none_or(|until| time < until)
    }

    /// The next entry of a frame; `None` behind its last.
    fn entry(&self, open: &mut OpenFrame) -> Option<LogEntry> {
        let (header, seq) = (open.header, open.next_seq);
        if seq >= header.first_seq + u64::from(header.entries) {
            return None;
        }
        open.next_seq += 1;
        let (data, partial, gap) = match header.kind {
            Kind::Data => {
                let (line, partial) = cut_line(&mut open.rest);
                (line, partial, None)
            }
            Kind::Gap | Kind::Limit | Kind::Dropped => {
                (Bytes::new(), false, Some(self.gap(header.kind, &open.rest)))
            }
        };
        let task = self.shared.task.task.clone();
        let time = Timestamp::from_micros(header.time);
        Some(LogEntry { task, attempt: header.attempt, seq, time, stream: header.stream, data, partial, gap })
    }

    fn gap(&self, kind: Kind, payload: &[u8]) -> Gap {
        let (bytes, cause) = frame::decode_gap(payload);
        let state = lock(&self.shared.state);
        let dropped = state.head.tally.exact().filter(|_| state.sealed);
        Gap { bytes: if kind == Kind::Limit { dropped } else { bytes }, cause }
    }
}

/// Takes a line off the front, without its end; whether it has none.
fn cut_line(rest: &mut Bytes) -> (Bytes, bool) {
    match memchr::memchr(b'\n', rest) {
        Some(end) => {
            let mut line = rest.split_to(end + 1);
            line.truncate(end);
            (line, false)
        }
        None => (std::mem::take(rest), true),
    }
}
