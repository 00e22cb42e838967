//! What goes into a log and what comes out of it.
//!
//! Data only. Pieces are what a scheduler gave; entries are what a person reads.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use gofer_types::{TaskId, Timestamp};

use crate::error::LogError;

/// Which of its streams a task wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// One piece of a task's output, to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// When it was written.
    pub at: Timestamp,
    /// The scheduler's place behind this piece; opaque, at most [`crate::MAX_CURSOR`] bytes. Empty is none.
    pub cursor: String,
    /// What it is.
    pub item: PieceItem,
}

/// Output, or the absence of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PieceItem {
    /// Bytes as they were written, at most [`crate::MAX_PAYLOAD`]. Where lines are cut does not matter.
    Data {
        /// To which stream.
        stream: StreamKind,
        /// The bytes.
        bytes: Bytes,
    },
    /// Bytes that were written and are not there.
    Gap {
        /// How many, where that is known.
        bytes: Option<u64>,
        /// Why, for people; cut after 512 bytes.
        cause: String,
    },
}

/// A line of output, a part of one, or the absence of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The task.
    pub task: TaskId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// Its place in the log of this task run: from 1, without a hole, over both streams and all attempts.
    pub seq: u64,
    /// When it was written. Pieces that came within a millisecond and in one batch share the time of the first.
    pub time: Timestamp,
    /// To which stream; for a gap, which concerns both, `Out`.
    pub stream: StreamKind,
    /// The bytes without the line end: any bytes at all. May share a block of at most 256 KiB with its neighbours.
    pub data: Bytes,
    /// Whether no line end followed: the line goes on in the next entry of the same attempt and stream, if there is one.
    pub partial: bool,
    /// Set if output is missing here; then there are no bytes.
    pub gap: Option<Gap>,
}

/// Output that was written and is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// How many bytes, where that is known. Of a log that reached its limit it is known once the log is sealed.
    pub bytes: Option<u64>,
    /// Why, for people.
    pub cause: String,
}

/// Which entries are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The first wanted entry; 0 and 1 mean from the beginning.
    pub from_seq: u64,
    /// Only this attempt. That the log reached its limit is also told to readers of later attempts.
    pub attempt: Option<u32>,
    /// Only this stream, and gaps.
    pub stream: Option<StreamKind>,
    /// Only what was written at or after this time.
    pub since: Option<Timestamp>,
    /// Only what was written before this time.
    pub until: Option<Timestamp>,
    /// Whether to wait for more until the log is sealed.
    pub follow: bool,
}

/// Entries in batches of at most 256, read as they are asked for.
///
/// Without following it ends behind what was stored, and no batch is empty. With following it ends when the log is
/// sealed, and an *empty* batch says each time that all that is stored has been given and the next one may take long.
/// After an error it ends.
pub type LogStream = BoxStream<'static, Result<Vec<LogEntry>, LogError>>;
