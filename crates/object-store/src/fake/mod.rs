//! An object store in memory, for tests of everything above: the same calls give the same answers, every time.
//!
//! [`FakeDisk`] plays the disk: it outlives the stores that are opened on it, forgets what is not durable when its power is cut,
//! and can be full. [`FakeObjectStore`] is an object store on it; [`FakeObjectStore::fail_next`] makes its next call of a kind
//! fail. [`Defect`] switches on one deliberate breach of the contract, so that the suite can be shown to see it.
//!
//! Nothing here starts a thread, reads a clock or sleeps.

mod defect;
mod disk;
mod keys;
mod list;
mod receive;
mod store;

pub use defect::Defect;
pub use disk::FakeDisk;
pub use store::{FakeObjectStore, KIND, Operation};
