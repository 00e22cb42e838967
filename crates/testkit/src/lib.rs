//! What tests share: waiting on conditions, temporary worlds, golden files, the binary, a server in a box.
//!
//! Only tests depend on this crate, so it may panic: a failed helper is a failed test, and its message is what the
//! developer reads. It knows nothing of gofer's inside; it sees what a user sees: files, processes, ports, output.
//!
//! - [`wait_for`] and [`wait_for_blocking`]: instead of a sleep.
//! - [`World`]: a directory that goes away, unless the test failed.
//! - [`golden`]: an output compared with a file of the repository.
//! - [`Binary`], [`Running`], [`Output`]: the built `gofer`, in a clean environment.
//! - [`ServerBox`]: a whole server that can be killed and started again.
//! - [`disk`]: small disks in memory.
//! - [`docker`]: engines of containers, shared or to be killed, and an image.
#![expect(clippy::expect_used, clippy::panic, reason = "a failed helper is a failed test, and says why")]
#![expect(
    clippy::print_stderr,
    reason = "the test runner captures it and shows it with the failure; there is no other writer here"
)]

pub mod binary;
pub mod disk;
pub mod docker;
pub mod golden;
pub mod net;
pub mod server;
mod sweep;
pub mod wait;
pub mod world;

pub use binary::{Binary, Output, Running};
pub use net::free_port;
pub use server::{ServerBox, ServerBuilder};
pub use wait::{Waiter, wait_for, wait_for_blocking};
pub use world::World;
