//! What an engine that lives in a directory needs to become a storage.
//!
//! A backend supplies an [`Engine`]: raw reads, and one durable write of a whole group. [`Embedded`] makes a
//! [`Storage`](crate::Storage) of it: row envelopes, preconditions, revisions, the group commit on one writer thread, watches,
//! fail-stop. [`Home`] is the directory: its lock, its format, its durable creation.
//!
//! Nothing here knows a vendor, polls, or delays a lone commit. An engine may ask for one call when commits have ceased
//! ([`Engine::idle`]); after that nothing is written until the next one.

pub mod disk;
pub mod engine;
pub mod envelope;
pub mod home;
mod plan;
mod store;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_idle;
mod writer;

pub use engine::{Engine, Group, Visit, WriteFailure};
pub use home::Home;
pub use store::{Embedded, Options, closed};
