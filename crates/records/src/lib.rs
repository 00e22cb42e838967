//! Typed records over any storage: keys, codecs, indexes, the event log.
//!
//! The one place that knows how gofer's nouns lie in an ordered map of bytes:
//! - [`keys`]: structured tuples, encoded so that their order is the order of the bytes and no two share a key;
//! - [`codec`]: a format version and a body for every value; what a newer gofer wrote is an error that says so;
//! - [`Records`]: typed reads, lists in pages with opaque tokens;
//! - [`Tx`] and [`Group`]: typed writes, collected with the events that tell of them, as one batch behind the fence of
//!   the ownership epoch.
//!
//! It must not decide anything: who may write what, and when, is the engine's.

pub mod codec;
mod error;
mod events;
mod expiry;
pub mod family;
mod group;
mod indexes;
pub mod keys;
mod older;
mod ownership;
mod page;
mod records;
mod runs;
mod scan;
mod tx;

pub use codec::{ActiveRecord, IdempotencyRecord};
pub use error::{RecordError, Result};
pub use group::Group;
pub use keys::{Counter, LowMark};
pub use ownership::{FORMAT, Ownership};
pub use page::{
    PageRequest, Slice, token_place, token_places, token_run, token_seq, untoken_place, untoken_places,
    untoken_run, untoken_seq,
};
pub use records::{ActiveRun, Records, StoredRun};
pub use runs::RunFilter;
pub use tx::Tx;
