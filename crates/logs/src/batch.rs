//! From pieces to frames: joining, numbering, and the limit of a log. Pure.
//!
//! A batch becomes one run of bytes that is written at once. Pieces of a batch that belong together become one frame, so
//! that a task that writes byte by byte does not fill the disk with headers.

use std::time::Duration;

use bytes::Bytes;

use crate::entry::{Piece, PieceItem, StreamKind};
use crate::error::LogError;
use crate::frame::{Header, Kind, MAX_CURSOR, MAX_PAYLOAD, OVERHEAD, encode, encode_gap};
use crate::state::{Head, Tally};

/// The most bytes of output in one batch.
pub const MAX_BATCH: usize = 4 * 1024 * 1024;

/// Pieces that are further apart keep their own time.
const JOIN_WITHIN: Duration = Duration::from_millis(1);

/// Kept free below the limit for the frames that tell of the limit: enough for a terabyte that is dropped.
const RESERVE: u64 = 16 * 1024;

/// After so many dropped bytes, or a part of all that were, their number and the scheduler's place are stored, so that a
/// restart need not fetch all of it again. It is a part, so that the number of these frames hardly grows.
const SAVE_EVERY: u64 = 16 * 1024 * 1024;
const SAVE_EVERY_PART: u64 = 8;

const MAX_CAUSE: usize = 512;

/// What was dropped behind the limit and is not stored as such yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owed {
    attempt: u32,
    cursor: String,
    time: i64,
    bytes: u64,
}

/// How a batch is stored. What it changes besides the frames is here; the frames speak for themselves.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The frames; may be empty.
    pub(crate) bytes: Vec<u8>,
    /// What was dropped, with this batch.
    pub(crate) tally: Tally,
    /// Where the scheduler stands behind what was dropped.
    pub(crate) owed: Option<Owed>,
}

/// Refuses what is larger than the store takes.
pub(crate) fn check(pieces: &[Piece]) -> Result<(), LogError> {
    let fits = |what, bytes, limit| {
        if bytes <= limit { Ok(()) } else { Err(LogError::TooLarge { what, bytes, limit }) }
    };
    let mut total = 0;
    for piece in pieces {
        let size = data_of(piece).map_or(MAX_CAUSE, |(_, bytes)| bytes.len());
        fits("a piece", size, MAX_PAYLOAD)?;
        fits("a cursor", piece.cursor.len(), MAX_CURSOR)?;
        total += size + piece.cursor.len() + OVERHEAD;
    }
    fits("a batch", total, MAX_BATCH)
}

/// Lays out a batch behind `head`, below the limit; `scratch` is an empty buffer to use.
pub(crate) fn plan(head: &Head, owed: Option<Owed>, limit: Limit, scratch: Vec<u8>) -> Planner {
    Planner {
        out: scratch,
        next_seq: head.next_seq,
        room: limit.max_bytes.saturating_sub(limit.stored.saturating_add(RESERVE)),
        max_bytes: limit.max_bytes,
        tally: head.tally,
        owed,
    }
}

/// How much may be stored, and how much is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) max_bytes: u64,
    pub(crate) stored: u64,
}

/// Lays out frames one by one.
#[derive(Debug)]
pub(crate) struct Planner {
    out: Vec<u8>,
    next_seq: u64,
    room: u64,
    max_bytes: u64,
    tally: Tally,
    owed: Option<Owed>,
}

impl Planner {
    /// Lays out a checked batch.
    pub(crate) fn pieces(mut self, pieces: &[Piece]) -> Self {
        let mut rest = pieces;
        while let Some(first) = rest.first() {
            let (group, later) = rest.split_at(group_len(rest));
            rest = later;
            match &first.item {
                PieceItem::Data { stream, .. } => self.data(*stream, group),
                PieceItem::Gap { bytes, cause } => self.gap(first, *bytes, cause),
            }
        }
        self
    }

    /// Stores also what is owed, however little: nothing follows.
    pub(crate) fn settled(mut self) -> Self {
        self.save_owed();
        self
    }

    pub(crate) fn finish(self) -> Plan {
        Plan { bytes: self.out, tally: self.tally, owed: self.owed }
    }

    fn data(&mut self, stream: StreamKind, group: &[Piece]) {
        let parts = || group.iter().filter_map(data_of).map(|(_, bytes)| &bytes[..]);
        let size: usize = parts().map(<[u8]>::len).sum();
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
        let Some(end) = parts().rev().find_map(<[u8]>::last) else { return };
        if !self.admit(first, size + last.cursor.len()) {
            self.drop_piece(last, Some(size as u64));
            return;
        }
        let lines: usize = parts().map(|part| memchr::memchr_iter(b'\n', part).count()).sum();
        let entries = lines + usize::from(*end != b'\n');
        let header = self.header(Kind::Data, first, u32::try_from(entries).unwrap_or(u32::MAX));
        encode(&mut self.out, &Header { stream, ..header }, &last.cursor, parts());
    }

    fn gap(&mut self, piece: &Piece, bytes: Option<u64>, cause: &str) {
        let payload = encode_gap(bytes, &cause[..cause.floor_char_boundary(MAX_CAUSE)]);
        if !self.admit(piece, payload.len() + piece.cursor.len()) {
            self.drop_piece(piece, bytes);
            return;
        }
        let header = self.header(Kind::Gap, piece, 1);
        encode(&mut self.out, &header, &piece.cursor, std::iter::once(&payload[..]));
    }

    /// Whether a frame of this size may still be stored. The first that may not is the end of the stored part.
    fn admit(&mut self, piece: &Piece, size: usize) -> bool {
        if self.tally.reached {
            return false;
        }
        let size = (size + OVERHEAD) as u64;
        if let Some(room) = self.room.checked_sub(size) {
            self.room = room;
            return true;
        }
        self.tally.reached = true;
        let cause =
            format!("the log reached its limit of {} bytes; what followed was dropped", self.max_bytes);
        let header = self.header(Kind::Limit, piece, 1);
        // without a cursor: what is dropped from here on is not stored as dropped yet
        encode(&mut self.out, &header, "", std::iter::once(&encode_gap(None, &cause)[..]));
        false
    }

    fn drop_piece(&mut self, piece: &Piece, bytes: Option<u64>) {
        if self.owed.as_ref().is_some_and(|owed| owed.attempt != piece.attempt) {
            self.save_owed();
        }
        self.tally.add(bytes);
        let before = self.owed.as_ref().map_or(0, |owed| owed.bytes);
        self.owed = Some(Owed {
            attempt: piece.attempt,
            cursor: piece.cursor.clone(),
            time: piece.at.as_micros(),
            bytes: before.saturating_add(bytes.unwrap_or(0)),
        });
        let much = SAVE_EVERY.max(self.tally.dropped / SAVE_EVERY_PART);
        if self.owed.as_ref().is_some_and(|owed| owed.bytes >= much) {
            self.save_owed();
        }
    }

    fn save_owed(&mut self) {
        let Some(owed) = self.owed.take() else { return };
        let header = Header {
            kind: Kind::Dropped,
            stream: StreamKind::Out,
            attempt: owed.attempt,
            time: owed.time,
            first_seq: self.next_seq,
            entries: 0,
        };
        encode(&mut self.out, &header, &owed.cursor, std::iter::once(&self.tally.encode()[..]));
    }

    fn header(&mut self, kind: Kind, piece: &Piece, entries: u32) -> Header {
        let first_seq = self.next_seq;
        self.next_seq += u64::from(entries);
        Header {
            kind,
            stream: StreamKind::Out,
            attempt: piece.attempt,
            time: piece.at.as_micros(),
            first_seq,
            entries,
        }
    }
}

impl Owed {
    /// Moves what is known in memory behind what was dropped.
    pub(crate) fn apply(&self, head: &mut Head) {
        head.set_cursor(self.attempt, &self.cursor);
    }
}

fn data_of(piece: &Piece) -> Option<(StreamKind, &Bytes)> {
    match &piece.item {
        PieceItem::Data { stream, bytes } => Some((*stream, bytes)),
        PieceItem::Gap { .. } => None,
    }
}

/// How many pieces at the front become one frame.
fn group_len(pieces: &[Piece]) -> usize {
    let Some((first, (stream, bytes))) = pieces.first().and_then(|first| Some((first, data_of(first)?)))
    else {
        return 1;
    };
    let mut total = bytes.len();
    let joins = |piece: &&Piece| {
        let Some((its, bytes)) = data_of(piece) else { return false };
        total += bytes.len();
        total <= MAX_PAYLOAD
            && its == stream
            && piece.attempt == first.attempt
            && piece.at >= first.at
            && piece.at.since(first.at) < JOIN_WITHIN
    };
    1 + pieces[1..].iter().take_while(joins).count()
}
