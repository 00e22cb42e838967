//! What the end-to-end tests and the benchmarks share: pipelines to run, witnesses to read, and a connected client.
//!
//! The oracle never trusts the server about itself: tasks write to a witness file of the test's own.
#![expect(clippy::expect_used, clippy::panic, reason = "a failed helper is a failed test, and says why")]

pub mod connect;
pub mod crash;
pub mod witness;

pub use connect::{connect, register, run_ref};
pub use witness::{Mark, Witness};
