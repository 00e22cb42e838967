//! The journal of an engine: the one writer of the state, the event log as it is read, and whether the engine works at all.
//!
//! Whoever changes something hands a transaction to the [`Committer`] and is answered once the disk has it, together with
//! whatever else waited ([`Writer`]). The events of a batch are then there for readers ([`EventLog`]). A write of which nobody
//! knows whether it is there ends everything for good ([`Fate`]).
//!
//! It knows no run and no pipeline beyond their records. It spawns nothing: the writer is a future of its caller.

mod committer;
mod error;
mod event_log;
mod fate;
mod search;
mod writer;

pub use committer::{Committer, Haste, Refusal, committer};
pub use error::{JournalError, Result};
pub use event_log::EventLog;
pub use fate::Fate;
pub use search::Found;
pub use writer::Writer;

#[cfg(test)]
mod tests;
