//! The log store: what tasks printed, on disk, byte for byte, or with a record of what is missing.
//!
//! It owns the files below one directory, one folder per task run, and nothing else: it knows no scheduler, no run state
//! and no network. It must not interpret what a task printed, and must not keep output in memory for readers.
//!
//! # What is stored
//!
//! A log is a row of *segments*; a segment is a row of *frames*: length, checksum, attempt, stream, time, the number of
//! the first entry, how many entries, the scheduler's cursor, and up to 64 KiB of output as it came. Readers split frames
//! into *entries* (lines, or parts of lines), numbered from 1 without a hole over both streams and all attempts. Frames
//! are found by their length alone, from the start of a segment or from its index, so no bytes that a task can print are
//! ever mistaken for a frame. That a log is complete is said by a file of its own, outside of the output.
//!
//! # What a crash may cost
//!
//! The scheduler's cursor is in the same frame as the bytes that it stands behind. When a log is opened again, a torn
//! frame at its end is cut off, and [`LogWriter::resume_point`] is the cursor of the last frame that is left: going on
//! from there neither loses nor doubles a byte. A killed server loses nothing that [`LogWriter::append`] had accepted.
//!
//! Appending does not wait for the disk; closing a segment and sealing do. A power cut may therefore shorten the log of a
//! running task by what the operating system had not written yet, never by less than whole frames and never in the
//! middle; the engine then appends again from the resume point of what is left.
//!
//! # Limits
//!
//! The log of one task run has a limit. When it is reached, the head is kept and what follows is counted and dropped, and
//! one gap entry says so; how much was dropped is told from the sealing on. The task never waits. A write that fails
//! (disk full) is a typed error, stores nothing of its batch, and leaves the log valid: the caller counts what it could
//! not store and appends a gap once there is room again.
//!
//! # Readers
//!
//! A reader is a position, not a buffer. It reads at most one block at a time when it is asked for the next batch;
//! followers are woken and read for themselves, so one that never reads holds up nobody. The newest blocks of followed
//! logs are kept in memory within a fixed budget, so that many followers of one log do not each go to the disk.
//!
//! Behind the feature `fake`: a disk that forgets, is full and goes away, for tests of what stands above.

mod batch;
mod disk;
mod entry;
mod error;
#[cfg(feature = "fake")]
pub mod fake;
mod frame;
mod gates;
mod merge;
mod reader;
mod recent;
mod recover;
mod registry;
mod shared;
mod sidecar;
mod state;
mod store;
mod writer;

pub use batch::MAX_BATCH;
pub use entry::{Gap, LogEntry, LogStream, Piece, PieceItem, ReadOptions, StreamKind};
pub use error::LogError;
pub use frame::{MAX_CURSOR, MAX_PAYLOAD};
pub use store::{LogOptions, LogStore};
pub use writer::LogWriter;

#[cfg(test)]
mod tests;
