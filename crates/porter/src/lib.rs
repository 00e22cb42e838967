//! What schedulers need to carry the files of tasks.
//!
//! - Between streams and threads that may block: [`Incoming`] reads a stream, [`outgoing`] makes one. Both hold a few pieces
//!   at the most, and end when nobody waits for them any more.
//! - Never more of them at the same time than leave threads for others ([`Carriers`]).
//! - Into and out of directories of this host ([`directory`]), above all work directories ([`workplace`]).
//! - To and from the tar of a container engine ([`engine`]).
//!
//! What an archive is, and what is refused, says `gofer-artefacts` alone. Whose turn it is, and what stands under an id, is
//! the scheduler's.

mod carriers;
pub mod directory;
pub mod engine;
mod stream;
pub mod workplace;

pub use carriers::{AT_ONCE, Carriers, Slot};
pub use stream::{Incoming, given_up, in_time, outgoing};
pub use workplace::Workplace;
