//! What commands are given, read: addresses as people type them, variables from flags and files, keys of starts, pipeline files and when one of
//! them is saved, and the bytes of objects.
//!
//! What is wrong is a [`Failure`](gofer_output::error::Failure) that says which word or line it is. Nothing is asked of a server.

mod address;
mod key;
pub mod object;
pub mod source;
pub mod variables;
pub mod wanted;
mod watch;

pub use address::{Addresses, RunAddress};
pub use key::key;
pub use watch::Watcher;
