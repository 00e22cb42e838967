//! The rules of the house about its crates: which arrows there are, and which there must never be.
//!
//! [`House`] is what the rules look at: small, plain, made by [`load`] from `cargo metadata`, the manifests,
//! `ARCHITECTURE.md` and the source of the engine; or by a test, with a fault in it. Every rule is a pure function from a
//! house to its violations. `tests/house.rs` applies each to this workspace; the tests beside each rule show that it
//! catches what it forbids.
#![expect(clippy::expect_used, reason = "a house that cannot be read is a failed test, and says why")]

pub mod house;
pub mod load;
pub mod rules;

pub use house::{Arrow, ArrowKind, Document, House, Room, Row, Source};
